"""Rotations: what is being replaced and how far that is, who holds which trust bundle, and which replicas there are.

- One rotation at a time. Whoever moves it on names the step that it saw: of two that try, one does it and the other is told.
- A move changes the rotation and the authorities together, with their audit events, in one durable transaction: whatever is killed
  when, a rotation is in one phase, with the authorities of that phase.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, Table, delete, desc, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store.audit import append_event
from store.authorities import add_authority, bundle_generation, list_authorities, set_authority_state
from store.database import Database
from store.errors import AlreadyExists, NotFound
from store.issuer_requests import forget_request, keep_request, waiting_requests
from store.locks import Lock, take_lock
from store.records import (
    AuditEvent,
    AuthorityRecord,
    AuthorityState,
    IssuerRequest,
    Replica,
    RotationRecord,
    TrustConsumer,
)
from store.schema import certificates, replicas, rotations, trust_consumers

_SUPERSEDED = 4  # RFC 5280 section 5.3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What changes together: the rotation as it is to be, authorities that are new, and states of those there are.

    What is added fulfils the request for an issuing CA that has its id. `seen` are the authorities that all of this was worked out
    from: where there are others by now, nothing changes.
    """

    rotation: RotationRecord
    event: AuditEvent
    added: Sequence[tuple[AuthorityRecord, AuditEvent]] = ()
    states: Sequence[tuple[str, AuthorityState, AuditEvent]] = ()
    seen: Sequence[AuthorityRecord] | None = None


class Rotations:
    """The rotation under way and those before it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self) -> RotationRecord | None:
        """The one that has not finished."""
        return self._database.read(_current)

    def latest(self) -> RotationRecord | None:
        """The last one to have begun, finished or not."""
        return self._database.read(_latest)

    def begin(self, move: Move) -> RotationRecord:
        """Raises AlreadyExists where one is under way, or the authorities are not those that the move has seen."""
        return self._database.write(lambda connection: _begin(connection, move))

    def advance(self, move: Move) -> RotationRecord | None:
        """None, and nothing has changed, where somebody else has moved it since (its `step` is not the one before the move's), or
        the authorities are not those that the move has seen.

        Raises NotFound.
        """
        return self._database.write(lambda connection: _advance(connection, move))

    def waiting_requests(self) -> tuple[IssuerRequest, ...]:
        """The requests for issuing CAs that wait for their certificates."""
        return self._database.read(waiting_requests)

    def keep_request(
        self, request: IssuerRequest, event: AuditEvent, *, instead_of: str | None = None
    ) -> IssuerRequest:
        """Keeps the request and appends `event`, in one durable transaction, unless one for the same profiles waits; returns that.

        `instead_of` is the id of one that this replaces.
        """
        return self._database.write(lambda connection: keep_request(connection, request, event, instead_of=instead_of))

    def report(self, consumer: TrustConsumer, *, forget_before: int = 0) -> None:
        """Notes what a consumer holds; later reports replace earlier ones. Forgets those not heard of since `forget_before`."""

        def write(connection: Connection) -> None:
            _put(connection, trust_consumers, "name", _values(consumer))
            connection.execute(delete(trust_consumers).where(trust_consumers.c.reported_at < forget_before))

        self._database.write(write)

    def consumers(self, *, reported_since: int) -> tuple[TrustConsumer, ...]:
        """Those heard of since then whose certificate has not been revoked, unless because another took its place; the furthest
        behind first."""
        query = (
            select(trust_consumers)
            .outerjoin(certificates, certificates.c.serial == trust_consumers.c.serial)
            .where(
                trust_consumers.c.reported_at >= reported_since,
                or_(certificates.c.revoked_at.is_(None), certificates.c.revocation_reason == _SUPERSEDED),
            )
            .order_by(trust_consumers.c.generation, trust_consumers.c.reported_at, trust_consumers.c.name)
        )
        return self._database.read(
            lambda connection: tuple(TrustConsumer(**row) for row in connection.execute(query).mappings())
        )

    def beat(self, replica: Replica, *, forget_before: int) -> None:
        """Notes that a replica runs and what it has loaded; forgets replicas not heard of since `forget_before`."""

        def write(connection: Connection) -> None:
            _put(connection, replicas, "id", _values(replica))
            connection.execute(delete(replicas).where(replicas.c.seen_at < forget_before))

        self._database.write(write)

    def leave(self, replica_id: str) -> None:
        """Forgets a replica that stops."""
        self._database.write(lambda connection: connection.execute(delete(replicas).where(replicas.c.id == replica_id)))

    def replicas(self, *, seen_since: int) -> tuple[Replica, ...]:
        query = select(replicas).where(replicas.c.seen_at >= seen_since).order_by(replicas.c.id)
        return self._database.read(
            lambda connection: tuple(Replica(**row) for row in connection.execute(query).mappings())
        )


def _begin(connection: Connection, move: Move) -> RotationRecord:
    take_lock(connection, Lock.APPEND)
    under_way = _current(connection)
    if under_way is not None:
        raise AlreadyExists(kind="rotation", key=under_way.id)
    if _is_overtaken(connection, move):
        raise AlreadyExists(kind="change of the authorities", key="since they were looked at")
    rotation = _apply(connection, move)
    last = connection.execute(select(func.coalesce(func.max(rotations.c.sequence), 0))).scalar_one()
    connection.execute(insert(rotations).values(sequence=last + 1, **_row(rotation)))
    return rotation


def _advance(connection: Connection, move: Move) -> RotationRecord | None:
    take_lock(connection, Lock.APPEND)
    row = connection.execute(select(rotations).where(rotations.c.id == move.rotation.id)).mappings().first()
    if row is None:
        raise NotFound(kind="rotation", key=move.rotation.id)
    if row["step"] != move.rotation.step - 1 or row["finished_at"] is not None:
        return None
    if _is_overtaken(connection, move):
        return None
    rotation = _apply(connection, move)
    connection.execute(update(rotations).where(rotations.c.id == rotation.id).values(**_row(rotation)))
    return rotation


def _is_overtaken(connection: Connection, move: Move) -> bool:
    return move.seen is not None and tuple(move.seen) != list_authorities(connection)


def _apply(connection: Connection, move: Move) -> RotationRecord:
    """Changes the authorities; returns the rotation with the generation of the trust bundle that this led to."""
    for authority, event in move.added:
        add_authority(connection, authority, event)
        forget_request(connection, authority.id)
    for authority_id, state, event in move.states:
        set_authority_state(connection, authority_id, state, event)
    append_event(connection, move.event)
    return replace(move.rotation, generation=bundle_generation(connection))


def _current(connection: Connection) -> RotationRecord | None:
    latest = _latest(connection)
    return latest if latest is not None and latest.finished_at is None else None


def _latest(connection: Connection) -> RotationRecord | None:
    query = select(rotations).order_by(desc(rotations.c.sequence)).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _record(row)


def _row(rotation: RotationRecord) -> dict[str, Any]:
    fields = _values(rotation)
    return {
        **fields,
        "incoming": orjson.dumps(rotation.incoming).decode(),
        "outgoing": orjson.dumps(rotation.outgoing).decode(),
    }


def _record(row: RowMapping) -> RotationRecord:
    fields = {name: value for name, value in row.items() if name != "sequence"}
    for name in ("incoming", "outgoing"):
        fields[name] = tuple(orjson.loads(fields[name]))
    return RotationRecord(**fields)


def _values(record: RotationRecord | TrustConsumer | Replica) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def _put(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=values))
