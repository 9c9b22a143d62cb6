"""The change log against a model of it: every version in a list, and the rules of the contract written down again."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import FILE_GRACE, FileSweeper, compact
from apiserver.storage.opening import DATABASE, open_change_log
from apiserver.storage.records import Compacted, Key, Record, StaleWrite, Write
from apiserver.storage.restore import bump
from tests.apiserver.storage.samples import FISCHERS, FLUNDERS, large_body
from tests.apiserver.storage.test_compaction import NOON

NAMESPACES = ["", "a", "a-b", "b"]
NAMES = ["x", "x.y", "x-y", "z"]
BODIES = [b"{}", b'{"spec":1}', b'{"spec":"%s"}' % (b"x" * 3000), large_body(1, 300_000), large_body(2, 300_000)]

keys = st.builds(
    Key,
    storage=st.sampled_from([FLUNDERS, FLUNDERS, FISCHERS]),
    namespace=st.sampled_from(NAMESPACES),
    name=st.sampled_from(NAMES),
)
writes = st.fixed_dictionaries(
    {
        "key": keys,
        "body": st.none() | st.integers(0, len(BODIES) - 1),
        "label": st.integers(0, 3),
        "is_stale": st.integers(0, 7).map(lambda number: not number),
        "deletes": st.booleans(),
    }
)
places = st.none() | st.tuples(st.sampled_from([*NAMESPACES, "zz"]), st.sampled_from(["", *NAMES, "zz"]))


@dataclass
class Version:
    """As the model has it."""

    revision: int
    key: Key
    metadata: bytes
    body: bytes
    previous: int | None
    deleted: bool
    ended_at: int | None = None


class ChangeLogMachine(RuleBasedStateMachine):
    """`make_url` makes the address of a new database, in a given directory, for each run."""

    make_url: Callable[[Path], Any]

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        self.directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.url = self.stack.enter_context(self.make_url(self.directory))
        self.versions: list[Version] = []
        self.revision = self.oldest = 1
        self._open()

    def _open(self) -> None:
        self.log = open_change_log(self.url, self.directory)
        self.sweeper = None if self.log.files is None else FileSweeper(self.log.database, self.log.files)
        self.now = NOON

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.log.close()
            self.stack.close()

    @rule(orders=st.lists(writes, min_size=1, max_size=6))
    def commit(self, orders: Sequence[dict[str, Any]]) -> None:
        """Small ones are sent together and may share a transaction; a large one is prepared apart, and waited for."""
        sent: list[tuple[Future[Record], Version | StaleWrite | ValueError]] = []
        for order in orders:
            write = self._write(**order)
            is_large = write.body is not None and len(write.body) > 100_000
            if is_large:
                self._receive(sent)
            sent.append((self.log.commit(write), self._judge(write)))
            if is_large:
                self._receive(sent)
        self._receive(sent)

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self._open()

    @rule(back=st.integers(0, 6))
    def compact(self, back: int) -> None:
        self.oldest = max(self.oldest, self.revision - back)
        gone = [one for one in self.versions if one.ended_at is not None and one.ended_at <= self.oldest]
        self.versions = [one for one in self.versions if one not in gone]

        assert compact(self.log.database, self.oldest) == len(gone)

    @rule()
    def sweep(self) -> None:
        if self.sweeper is not None:
            self.sweeper.sweep(self.now)
            self.now += FILE_GRACE / 2

    @rule()
    def bump(self) -> None:
        self.revision = self.oldest = bump(self.log.database)

    @rule(
        storage=st.sampled_from([FLUNDERS, FISCHERS]),
        namespace=st.none() | st.sampled_from(NAMESPACES),
        back=st.none() | st.integers(0, 8),
        after=places,
        limit=st.integers(1, 9),
        with_bodies=st.booleans(),
    )
    def page(self, storage, namespace, back, after, limit, with_bodies) -> None:
        at = None if back is None else self.revision - back
        log = StoredChangeLog(self.log.database, self.log.files, cache_octets=0) if with_bodies else self.log

        def ask():
            return log.page(storage, namespace=namespace, at=at, after=after, limit=limit, with_bodies=with_bodies)

        if at is not None and at < self.oldest:
            with pytest.raises(Compacted):
                ask()
            return
        page = ask()
        behind = [
            one
            for one in self._state(self.revision if at is None else at)
            if one.key.storage == storage
            and namespace in {None, one.key.namespace}
            and (after is None or (one.key.namespace, one.key.name) > after)
        ]
        assert [self._seen(one) for one in page.records] == [self._told(one, with_bodies) for one in behind[:limit]]
        assert (page.more, page.revision) == (len(behind) > limit, self.revision if at is None else at)
        assert self.log.count(storage, namespace=namespace, at=page.revision, after=after) == len(behind)

    @rule(back=st.integers(0, 12), limit=st.integers(1, 9), storage=st.none() | st.sampled_from([FLUNDERS, FISCHERS]))
    def changes(self, back, limit, storage) -> None:
        after = self.revision - back
        if after < self.oldest:
            with pytest.raises(Compacted):
                self.log.changes(after=after, limit=limit, storage=storage)
            return
        found = self.log.changes(after=after, limit=limit, storage=storage)
        wanted = [one for one in self.versions if one.revision > after and storage in {None, one.key.storage}][:limit]
        assert [self._seen(one.record) for one in found] == [self._told(one, with_bodies=True) for one in wanted]
        assert [one.previous.revision if one.previous else None for one in found] == [one.previous for one in wanted]
        assert [one.type.value for one in found] == [
            "DELETED" if one.deleted else "ADDED" if one.previous is None else "MODIFIED" for one in wanted
        ]

    @invariant()
    def revisions_are_those_of_the_model(self) -> None:
        if hasattr(self, "stack"):
            assert (self.log.current_revision(), self.log.oldest_revision()) == (self.revision, self.oldest)

    @invariant()
    def present_objects_are_those_of_the_model(self) -> None:
        if not hasattr(self, "stack"):
            return
        for one in self._state(self.revision):
            record = self.log.get(one.key)
            assert record is not None
            assert self._seen(record) == self._told(one, with_bodies=True)
        statistics = self.log.statistics()
        assert sum(one.objects for one in statistics.values()) == len(self._state(self.revision))
        assert sum(one.body_octets for one in statistics.values()) == sum(
            len(one.body) for one in self._state(self.revision)
        )

    @invariant()
    def each_row_of_a_body_is_referred_to_and_no_body_is_missing(self) -> None:
        if not hasattr(self, "stack"):
            return
        orphans, missing = self.log.database.read(
            lambda connection: (
                connection.exec_driver_sql(
                    "SELECT count(*) FROM object_bodies WHERE id NOT IN (SELECT body_id FROM object_versions)"
                ).scalar(),
                connection.exec_driver_sql(
                    "SELECT count(*) FROM object_versions WHERE body_id NOT IN (SELECT id FROM object_bodies)"
                ).scalar(),
            )
        )
        assert (orphans, missing) == (0, 0)

    def _write(self, *, key: Key, body: int | None, label: int, is_stale: bool, deletes: bool) -> Write:
        current = self._present(key)
        expected = current.revision if current else 0
        return Write(
            key=key,
            expected=expected + 1 if is_stale else expected,
            uid="u",
            metadata=b'{"label":%d}' % label,
            projection=b"{}",
            body=None if body is None else BODIES[body],
            deletes=deletes,
        )

    def _judge(self, write: Write) -> "Version | StaleWrite | ValueError":
        current = self._present(write.key)
        if (current.revision if current else 0) != write.expected:
            return StaleWrite(None)
        if current is None and (write.body is None or write.deletes):
            return ValueError()
        self.revision += 1
        body = write.body
        if body is None:
            assert current is not None
            body = current.body
        if current is not None:
            current.ended_at = self.revision
        version = Version(
            revision=self.revision,
            key=write.key,
            metadata=write.metadata,
            body=body,
            previous=current.revision if current else None,
            deleted=write.deletes,
            ended_at=self.revision if write.deletes else None,
        )
        self.versions.append(version)
        return version

    def _receive(self, sent: list[tuple["Future[Record]", "Version | StaleWrite | ValueError"]]) -> None:
        for future, outcome in sent:
            if isinstance(outcome, Version):
                record = future.result(60)
                assert (record.revision, record.key, record.deleted) == (
                    outcome.revision,
                    outcome.key,
                    outcome.deleted,
                )
            else:
                with pytest.raises(type(outcome)):
                    future.result(60)
        sent.clear()

    def _present(self, key: Key) -> Version | None:
        return next((one for one in self.versions if one.key == key and one.ended_at is None), None)

    def _state(self, revision: int) -> list[Version]:
        found = [
            one
            for one in self.versions
            if one.revision <= revision and (one.ended_at is None or one.ended_at > revision)
        ]
        return sorted(found, key=lambda one: one.key)

    @staticmethod
    def _seen(record: Record):
        return record.key, record.revision, record.metadata, record.body.octets, record.body.inline, record.deleted

    @staticmethod
    def _told(one: Version, with_bodies: bool):
        return one.key, one.revision, one.metadata, len(one.body), one.body if with_bodies else None, one.deleted


def run_machine(make_url, steps: int, examples: int) -> None:
    machine = type("Machine", (ChangeLogMachine,), {"make_url": staticmethod(make_url)})
    run_state_machine_as_test(
        machine,
        settings=settings(settings(), stateful_step_count=steps, max_examples=min(settings().max_examples, examples)),
    )


@pytest.mark.slow
def test_sqlite_does_as_the_model():
    @contextmanager
    def make_url(directory: Path):
        yield f"sqlite://{directory / DATABASE}"

    run_machine(make_url, steps=30, examples=60)


@pytest.mark.slow
@pytest.mark.postgresql
def test_postgresql_does_as_the_model(postgresql_server):
    @contextmanager
    def make_url(_directory: Path):
        url = postgresql_server.lend_database()
        yield url
        postgresql_server.take_back(url)

    run_machine(make_url, steps=20, examples=15)
