"""The change log on a database: SQLite with large bodies as files, or PostgreSQL with everything in it.

- A revision is given out in the transaction that uses it, under the writers' lock: commits appear in the order of revisions.
- What was acknowledged is durable: the body's file before the row, the row before the answer.
- A read sees one snapshot. Bodies are unpacked after it has ended; they never change.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from apiserver.storage import statements
from apiserver.storage.bodies import Bodies, Gathered
from apiserver.storage.body_files import BodyFiles
from apiserver.storage.following import Follower
from apiserver.storage.records import Body, Change, ChangeType, Compacted, Key, Page, Record, Statistics, Write
from apiserver.storage.statements import Row, Span, record_of, run
from apiserver.storage.totals import Totals, changed_since, number
from apiserver.storage.writer import Writer
from store.database import Database

_PAGE_OCTETS = 8 << 20
_CACHE_OCTETS = 64 << 20

_log = structlog.get_logger("chancery.apiserver.storage")


class StoredChangeLog:
    """`apiserver.storage.records.ChangeLog`; safe to use from any thread."""

    def __init__(
        self,
        database: Database,
        files: BodyFiles | None,
        *,
        cache_octets: int = _CACHE_OCTETS,
        follow: bool = False,
    ) -> None:
        """Without `files` every body is in the database. `cache_octets` bounds what is in memory of bodies written or read lately.

        `follow` looks for changes of other processes. Closing the log closes database and files.
        """
        self._database = database
        self._files = files
        self._bodies = Bodies(files, cache_octets=cache_octets)
        self._totals = Totals()
        self._writer = Writer(database, self._bodies, on_commit=self._committed)
        self._subscribers: tuple[Callable[[], None], ...] = ()
        self._lock = threading.Lock()
        self._follower = (
            Follower(database, current_revision=self.current_revision, on_change=self._wake) if follow else None
        )

    @property
    def database(self) -> Database:
        return self._database

    @property
    def files(self) -> BodyFiles | None:
        return self._files

    def commit(self, write: Write) -> "Future[Record]":
        return self._writer.commit(write)

    def get(self, key: Key, *, with_body: bool = True) -> Record | None:
        def read(connection: Connection) -> tuple[Record | None, Gathered]:
            row = run(connection, statements.PRESENT, (key.storage, key.namespace, key.name)).fetchone()
            record = None if row is None else record_of(row)
            bodies = [record.body] if with_body and record is not None else []
            return record, self._bodies.gather(connection, bodies)

        record, gathered = self._database.read(read)
        if record is None or not with_body:
            return record
        return self._bodies.attached([record], gathered, remember=True)[0]

    def page(
        self,
        storage: str,
        *,
        namespace: str | None,
        at: int | None,
        after: tuple[str, str] | None,
        limit: int,
        with_bodies: bool,
        name: str | None = None,
    ) -> Page:
        """Fewer than `limit` records where their bodies would be more than a few megabytes. Raises Compacted, StoreCorrupt."""
        span = Span(storage=storage, namespace=namespace, name=name, after=after)

        def read(connection: Connection) -> tuple[Page, Gathered]:
            current, oldest = _state(connection)
            if at is not None and at < oldest:
                raise Compacted(asked=at, oldest=oldest)
            query = statements.page(span, at=None if at == current else at, limit=limit + 1)
            rows = [] if span.is_empty else run(connection, *query).fetchall()
            kept = _within_budget(rows[:limit]) if with_bodies else rows[:limit]
            records = [record_of(row) for row in kept]
            gathered = self._bodies.gather(connection, [record.body for record in records] if with_bodies else [])
            page = Page(records=records, revision=current if at is None else at, more=len(kept) < len(rows))
            return page, gathered

        page, gathered = self._database.read(read)
        if not with_bodies:
            return page
        # Not remembered: a list of everything would push out what was written lately.
        return replace(page, records=self._bodies.attached(page.records, gathered, remember=False))

    def count(self, storage: str, *, namespace: str | None, at: int, after: tuple[str, str] | None) -> int:
        """Counts what is present, and corrects it by what has changed since `at`."""
        span = Span(storage=storage, namespace=namespace, after=after)

        def read(connection: Connection) -> int:
            current, oldest = _state(connection)
            if after is None:
                present = self._totals.present(connection, span, current=current, oldest=oldest)
            else:
                present = number(connection, statements.count_present(span))
            return present if at == current else present - changed_since(connection, span, at)

        return 0 if span.is_empty else self._database.read(read)

    def statistics(self) -> Mapping[str, Statistics]:
        """Of each storage that holds anything."""
        rows = self._database.read(lambda connection: run(connection, statements.STATISTICS).fetchall())
        return {storage: Statistics(objects=objects, body_octets=int(octets)) for storage, objects, octets in rows}

    def counts(self) -> Mapping[str, int]:
        """How many objects there are in each storage."""
        return {storage: found.objects for storage, found in self.statistics().items()}

    def changes(
        self, *, after: int, limit: int, storage: str | None = None, with_bodies: bool = True
    ) -> Sequence[Change]:
        """Fewer than `limit` where their bodies would be more than a few megabytes."""

        def read(connection: Connection) -> tuple[list[Change], Gathered]:
            _, oldest = _state(connection)
            if after < oldest:
                raise Compacted(asked=after, oldest=oldest)
            rows = run(connection, *statements.changes(after=after, storage=storage, limit=limit)).fetchall()
            found = [_change(row) for row in (_within_budget(rows) if with_bodies else rows)]
            return found, self._bodies.gather(connection, [one.record.body for one in found] if with_bodies else [])

        found, gathered = self._database.read(read)
        if not with_bodies:
            return found
        records = self._bodies.attached_where_sound([one.record for one in found], gathered)
        return [replace(one, record=record) for one, record in zip(found, records, strict=True)]

    def read_body(self, body: Body) -> bytes:
        """Raises StoreCorrupt, and Compacted where every version with this body is gone."""

        def read(connection: Connection) -> Gathered:
            gathered = self._bodies.gather(connection, [body])
            if body.id not in gathered and run(connection, statements.REFERS, (body.id,)).fetchone() is None:
                raise Compacted(asked=body.id, oldest=_state(connection)[1])
            return gathered

        return self._bodies.octets(body, self._database.read(read), remember=True)

    def current_revision(self) -> int:
        return self._database.read(_state)[0]

    def oldest_revision(self) -> int:
        return self._database.read(_state)[1]

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._subscribers = (*self._subscribers, wake)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(one for one in self._subscribers if one is not wake)

        return unsubscribe

    def close(self) -> None:
        """Finishes what was committed."""
        self._writer.close()
        if self._follower is not None:
            self._follower.close()
        self._database.close()
        if self._files is not None:
            self._files.close()

    def _committed(self, revision: int) -> None:
        self._wake(revision)
        if self._follower is not None:
            self._follower.skip(revision)

    def _wake(self, revision: int) -> None:
        for wake in self._subscribers:
            try:
                wake()
            except Exception:  # noqa: BLE001 - none of the others shall miss it
                _log.exception("a subscriber of the change log failed", revision=revision)


def _state(connection: Connection) -> tuple[int, int]:
    current, oldest = run(connection, statements.STATE).fetchone()
    return int(current), int(oldest)


def _within_budget(rows: Sequence[Row]) -> Sequence[Row]:
    """The first rows, at least one, whose bodies fit into memory together."""
    octets = 0
    for index, row in enumerate(rows):
        octets += row[statements.WIDTH - 1]
        if octets > _PAGE_OCTETS and index:
            return rows[:index]
    return rows


def _change(row: Row) -> Change:
    record = record_of(row[: statements.WIDTH])
    previous = None if row[statements.WIDTH] is None else record_of(row[statements.WIDTH :])
    if record.deleted:
        return Change(type=ChangeType.DELETED, record=record, previous=previous)
    kind = ChangeType.ADDED if previous is None else ChangeType.MODIFIED
    return Change(type=kind, record=record, previous=previous)
