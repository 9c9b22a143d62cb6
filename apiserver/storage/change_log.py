"""The change log on a database: SQLite with large bodies as files, or PostgreSQL with everything in it.

- A revision is given out in the transaction that uses it, under the writers' lock: commits appear in the order of revisions.
- What was acknowledged is durable: the body's file before the row, the row before the answer.
- A row refers to a body that is there; a file without a row is never served.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection

from apiserver.storage import statements
from apiserver.storage.body_cache import BodyCache
from apiserver.storage.body_files import BodyFiles
from apiserver.storage.encoding import decode_body, encode_body
from apiserver.storage.records import Body, Change, ChangeType, Compacted, Key, Page, Record, StaleWrite, Write
from apiserver.storage.statements import Row, record_of, run
from store.database import Database
from store.errors import StoreCorrupt
from store.locks import Lock, take_lock

T = TypeVar("T")

LARGE = 128 << 10
"""Octets of an encoded body from which it is a file; below, a row is faster (measured: files win from 100-200 KB)."""

_PREPARED_APART = 64 << 10  # octets of a body from which packing and writing it is not the caller's work
_PAGE_OCTETS = 8 << 20
_CACHE_OCTETS = 64 << 20
_PREPARERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _EncodedBody:
    """As the columns of object_bodies hold it."""

    encoding: int
    octets: int
    content: bytes | None
    digest: bytes | None


class StoredChangeLog:
    """`apiserver.storage.records.ChangeLog`; safe to use from any thread."""

    def __init__(self, database: Database, files: BodyFiles | None) -> None:
        """Without `files` every body is in the database. Closing the log closes the database."""
        self._database = database
        self._files = files
        self._cache = BodyCache(_CACHE_OCTETS)
        self._preparers = ThreadPoolExecutor(_PREPARERS, thread_name_prefix="log-bodies")
        self._subscribers: tuple[Callable[[], None], ...] = ()
        self._lock = threading.Lock()

    @property
    def database(self) -> Database:
        return self._database

    @property
    def files(self) -> BodyFiles | None:
        return self._files

    def commit(self, write: Write) -> "Future[Record]":
        if write.body is None:
            return self._notifying(self._database.submit(lambda connection: _commit(connection, write, None)), None)
        if len(write.body) < _PREPARED_APART:
            encoded = _in_database(write.body)
            return self._notifying(
                self._database.submit(lambda connection: _commit(connection, write, encoded)), write.body
            )
        return self._preparers.submit(self._commit_large, write, write.body)

    def get(self, key: Key, *, with_body: bool = True) -> Record | None:
        def read(connection: Connection) -> Record | None:
            row = run(connection, statements.PRESENT, (key.storage, key.namespace, key.name)).fetchone()
            if row is None:
                return None
            record = record_of(row)
            return self._with_body(connection, record) if with_body else record

        return self._database.read(read)

    def page(
        self,
        storage: str,
        *,
        namespace: str | None,
        at: int | None,
        after: tuple[str, str] | None,
        limit: int,
        with_bodies: bool,
    ) -> Page:
        """Fewer than `limit` records where their bodies would be more than a few megabytes."""

        def read(connection: Connection) -> Page:
            current, oldest = _state(connection)
            if at is not None and at < oldest:
                raise Compacted(asked=at, oldest=oldest)
            present = at is None or at == current
            parameters = _parameters(storage, None if present else at, namespace, after)
            statement = statements.page(present=present, namespaced=namespace is not None, after=after is not None)
            rows = run(connection, statement, [*parameters, limit + 1]).fetchall()
            kept = _within_budget(rows[:limit]) if with_bodies else rows[:limit]
            records = [record_of(row) for row in kept]
            if with_bodies:
                records = [self._with_body(connection, record) for record in records]
            return Page(records=records, revision=current if at is None else at, more=len(kept) < len(rows))

        return self._database.read(read)

    def count(self, storage: str, *, namespace: str | None, at: int, after: tuple[str, str] | None) -> int:
        statement = statements.count(namespaced=namespace is not None, after=after is not None)
        parameters = _parameters(storage, at, namespace, after)
        return self._database.read(lambda connection: int(run(connection, statement, parameters).fetchone()[0]))

    def counts(self) -> Mapping[str, int]:
        """How many objects there are in each storage."""
        return self._database.read(lambda connection: dict(run(connection, statements.COUNTS).fetchall()))

    def changes(
        self, *, after: int, limit: int, storage: str | None = None, with_bodies: bool = True
    ) -> Sequence[Change]:
        def read(connection: Connection) -> Sequence[Change]:
            _, oldest = _state(connection)
            if after < oldest:
                raise Compacted(asked=after, oldest=oldest)
            parameters = [after, *([] if storage is None else [storage]), limit]
            rows = run(connection, statements.changes(of_storage=storage is not None), parameters).fetchall()
            found = [_change(row) for row in (_within_budget(rows) if with_bodies else rows)]
            if with_bodies:
                found = [replace(one, record=self._with_body(connection, one.record)) for one in found]
            return found

        return self._database.read(read)

    def read_body(self, body: Body) -> bytes:
        known = body.inline or self._cache.get(body.id)
        return known if known is not None else self._database.read(lambda connection: self._body(connection, body))

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
        self._preparers.shutdown()
        self._database.close()

    def _commit_large(self, write: Write, body: bytes) -> Record:
        """Packs the body and makes its file durable here, beside the writing thread; then commits."""
        with ExitStack() as stack:
            encoding, encoded = encode_body(body)
            if self._files is None or len(encoded) < LARGE:
                stored = _EncodedBody(encoding=encoding, octets=len(body), content=encoded, digest=None)
            else:
                digest = stack.enter_context(self._files.kept(encoded))
                stored = _EncodedBody(encoding=encoding, octets=len(body), content=None, digest=digest)
            future = self._database.submit(lambda connection: _commit(connection, write, stored))
            return self._notifying(future, body).result()

    def _notifying(self, future: "Future[Record]", body: bytes | None) -> "Future[Record]":
        def committed(done: "Future[Record]") -> None:
            if done.cancelled() or done.exception() is not None:
                return
            if body is not None:
                self._cache.put(done.result().body.id, body)
            for wake in self._subscribers:
                wake()

        future.add_done_callback(committed)
        return future

    def _with_body(self, connection: Connection, record: Record) -> Record:
        return replace(record, body=replace(record.body, inline=self._body(connection, record.body)))

    def _body(self, connection: Connection, body: Body) -> bytes:
        known = self._cache.get(body.id)
        if known is not None:
            return known
        row = run(connection, statements.BODY, (body.id,)).fetchone()
        if row is None:
            raise Compacted(asked=body.id, oldest=_state(connection)[1])
        encoding, octets, content, digest = row
        decoded = decode_body(encoding, self._encoded(content, digest), octets)
        self._cache.put(body.id, decoded)
        return decoded

    def _encoded(self, content: bytes | None, digest: bytes | None) -> bytes:
        if content is not None:
            return bytes(content)
        if self._files is None or digest is None:
            raise StoreCorrupt("a body is said to be in a file, and this database has none; restore a backup")
        return self._files.read(bytes(digest))


def _in_database(body: bytes) -> _EncodedBody:
    encoding, encoded = encode_body(body)
    return _EncodedBody(encoding=encoding, octets=len(body), content=encoded, digest=None)


def _commit(connection: Connection, write: Write, body: _EncodedBody | None) -> Record:
    """In the writer's transaction. Raises StaleWrite before anything is changed."""
    take_lock(connection, Lock.CHANGE)
    key = write.key
    row: Row | None = run(connection, statements.PRESENT, (key.storage, key.namespace, key.name)).fetchone()
    current = None if row is None else record_of(row)
    if (current.revision if current else 0) != write.expected:
        raise StaleWrite(current)
    revision = int(run(connection, statements.NEXT_REVISION).fetchone()[0])
    if body is not None:
        run(connection, statements.ADD_BODY, (revision, body.encoding, body.octets, body.content, body.digest))
        reference = Body(id=revision, octets=body.octets)
    elif current is not None:
        reference = current.body
    else:
        raise ValueError("a new object needs a body")
    if current is not None:
        run(connection, statements.SUPERSEDE, (revision, current.revision))
    run(
        connection,
        statements.ADD_VERSION,
        (
            revision,
            key.storage,
            key.namespace,
            key.name,
            write.uid,
            write.deletes,
            current.revision if current else None,
            revision if write.deletes else None,
            write.metadata,
            write.projection,
            reference.id,
            reference.octets,
        ),
    )
    return Record(
        key=key,
        revision=revision,
        uid=write.uid,
        metadata=write.metadata,
        projection=write.projection,
        body=replace(reference, inline=write.body),
        deleted=write.deletes,
    )


def _state(connection: Connection) -> tuple[int, int]:
    current, oldest = run(connection, statements.STATE).fetchone()
    return int(current), int(oldest)


def _parameters(storage: str, at: int | None, namespace: str | None, after: tuple[str, str] | None) -> list[str | int]:
    return [
        storage,
        *([] if at is None else [at, at]),
        *([] if namespace is None else [namespace]),
        *(after or ()),
    ]


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
