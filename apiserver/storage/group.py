"""A group of writes, in one transaction: each is judged, those that hold get the next revisions, and are added together.

- Writes are judged in their order, each by what those before it have left behind.
- A write that is refused has no effect and takes no revision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from apiserver.storage import schema
from apiserver.storage.bodies import PreparedBody
from apiserver.storage.following import CHANNEL
from apiserver.storage.records import Body, Key, Record, StaleWrite, Write
from apiserver.storage.statements import IS_PRESENT, PRESENT, STATE, VERSION, Row, record_of, run, run_many
from store.bulk import insert_rows
from store.locks import Lock, take_lock

Outcome = Record | StaleWrite | ValueError

_MOVE = "UPDATE log_state SET revision = ? WHERE id = 1"
_SUPERSEDE = "UPDATE object_versions SET superseded_at = ? WHERE revision = ?"
_PRESENT_MANY = (  # of PostgreSQL; lateral, so that every key is looked up in the index however small the table was
    "SELECT v.* FROM unnest(?::text[], ?::text[], ?::text[]) AS k (storage, namespace, name) CROSS JOIN LATERAL "  # noqa: S608 - our own text
    f"(SELECT {VERSION} FROM object_versions v WHERE v.storage = k.storage AND v.namespace = k.namespace "
    f"AND v.name = k.name AND {IS_PRESENT} LIMIT 1) v"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A write, and its body as it is stored; `body` None keeps that of the expected version."""

    write: Write
    body: PreparedBody | None


def append(connection: Connection, entries: Sequence[Entry]) -> list[Outcome]:
    """An operation for `Database.submit`: one outcome for each entry, in their order."""
    take_lock(connection, Lock.CHANGE)
    (revision, _) = run(connection, STATE).fetchone()
    group = _Group(int(revision), _present(connection, {entry.write.key for entry in entries}))
    outcomes = [group.judge(entry) for entry in entries]
    if group.versions:
        group.add(connection)
    return outcomes


class _Group:
    """What the accepted writes come to."""

    def __init__(self, revision: int, present: dict[Key, Record]) -> None:
        self._revision = revision
        self._present = present
        self._superseded: list[tuple[int, int]] = []
        self._bodies: list[Row] = []
        self.versions: dict[int, list[object]] = {}

    def judge(self, entry: Entry) -> Outcome:
        write = entry.write
        current = self._present.get(write.key)
        if (current.revision if current else 0) != write.expected:
            return StaleWrite(current)
        if current is None and (entry.body is None or write.deletes):
            return ValueError("what is not there has no body to keep, and nothing to delete")
        self._revision += 1
        record = Record(
            key=write.key,
            revision=self._revision,
            uid=write.uid,
            metadata=write.metadata,
            projection=write.projection,
            body=self._body(entry.body, current),
            deleted=write.deletes,
        )
        self._note(record, current)
        return record if write.body is None else record.with_body(write.body)

    def add(self, connection: Connection) -> None:
        run(connection, _MOVE, (self._revision,))
        # What is superseded first: there is never more than one present version of an object.
        run_many(connection, _SUPERSEDE, self._superseded)
        insert_rows(connection, schema.bodies, self._bodies)
        insert_rows(connection, schema.versions, [tuple(row) for row in self.versions.values()])
        if connection.dialect.name == "postgresql":
            run(
                connection, "SELECT pg_notify(?, '')", (CHANNEL,)
            )  # one for all: notifying takes turns with every database

    def _body(self, body: PreparedBody | None, current: Record | None) -> Body:
        if body is not None:
            self._bodies.append((self._revision, int(body.encoding), body.octets, body.content, body.digest))
            return Body(id=self._revision, octets=body.octets)
        assert current is not None  # noqa: S101 - judged before
        return Body(id=current.body.id, octets=current.body.octets)

    def _note(self, record: Record, current: Record | None) -> None:
        key, revision = record.key, record.revision
        if current is not None:
            if current.revision in self.versions:
                self.versions[current.revision][_SUPERSEDED_AT] = revision
            else:
                self._superseded.append((revision, current.revision))
        self.versions[revision] = [
            revision,
            key.storage,
            key.namespace,
            key.name,
            record.uid,
            record.deleted,
            current.revision if current else None,
            revision if record.deleted else None,
            record.metadata,
            record.projection,
            record.body.id,
            record.body.octets,
        ]
        if record.deleted:
            del self._present[key]
        else:
            self._present[key] = record


_SUPERSEDED_AT = list(schema.versions.columns.keys()).index("superseded_at")


def _present(connection: Connection, keys: Iterable[Key]) -> dict[Key, Record]:
    places = [(key.storage, key.namespace, key.name) for key in keys]
    if connection.dialect.name == "postgresql":
        rows: Sequence[Row] = run(connection, _PRESENT_MANY, [list(column) for column in zip(*places, strict=True)])
    else:
        rows = [row for place in places if (row := run(connection, PRESENT, place).fetchone()) is not None]
    return {record.key: record for record in map(record_of, rows)}
