"""The roots and issuing CAs that this authority has or had, and what belongs to them.

- Their private keys are not here. Their certificates stay for good: a chain must be shown as long as a leaf is valid.
- The generation of the trust bundle grows by one with every change of the set of active roots, so that those who
  hold a bundle can say which.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection, func, insert, select, update

from store.audit import append_event
from store.database import Database
from store.errors import AlreadyExists, NotFound
from store.locks import Lock, take_lock
from store.records import AuditEvent, AuthorityRecord, AuthorityState
from store.schema import authorities, crl_numbers, sealing_keys

T = TypeVar("T")

_AUTHORITY = select(*(column for column in authorities.c if column.name != "sequence"))


class Authorities:
    """Authorities, the generation of the trust bundle, CRL numbers and the wrapped sealing key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: AuthorityRecord, event: AuditEvent) -> AuthorityRecord:
        """Adds an authority and appends `event`, in one durable transaction; a root gets the next generation.

        Raises AlreadyExists.
        """
        return self._database.write(lambda connection: add_authority(connection, record, event))

    def establish(
        self, records: Sequence[AuthorityRecord], events: Sequence[AuditEvent]
    ) -> tuple[AuthorityRecord, ...]:
        """Adds the first authorities, in one durable transaction, unless there are any; returns those there are.

        Of several processes that start together the first one wins, and the others are told what it made.
        """
        return self._database.write(lambda connection: _establish(connection, records, events))

    def list(self) -> tuple[AuthorityRecord, ...]:
        """All of them, oldest first."""
        return self._database.read(list_authorities)

    def set_state(self, authority_id: str, state: AuthorityState, event: AuditEvent) -> AuthorityRecord:
        """Changes the state and appends `event`, in one durable transaction; a root gets the next generation.

        Raises NotFound.
        """
        return self._database.write(lambda connection: set_authority_state(connection, authority_id, state, event))

    def generation(self) -> int:
        """Of the trust bundle: 0 while there is no root."""
        return self._database.read(bundle_generation)

    def next_crl_number(self, issuer_id: str, shard: int) -> int:
        """A number larger than any given out before for this shard (RFC 5280 section 5.2.3), durably; starts at 1."""
        return self._database.write(lambda connection: _next_crl_number(connection, issuer_id, shard))

    def next_crl(self, issuer_id: str, shard: int, read: Callable[[Connection], T]) -> tuple[int, T]:
        """A number as `next_crl_number` gives it, and what `read` finds in the same transaction.

        Of two lists, whichever replicas make them, the one with the larger number knows all that the other knows.
        """

        def write(connection: Connection) -> tuple[int, T]:
            return _next_crl_number(connection, issuer_id, shard), read(connection)

        return self._database.write(write)

    def sealing_key(self, wrapped: bytes) -> bytes:
        """The wrapped key that seals private keys: the stored one or, where there is none, `wrapped`, now stored."""
        return self._database.write(lambda connection: _sealing_key(connection, wrapped))


def add_authority(connection: Connection, record: AuthorityRecord, event: AuditEvent) -> AuthorityRecord:
    """As `Authorities.add`, within a transaction."""
    append_event(connection, event)
    if connection.execute(_AUTHORITY.where(authorities.c.id == record.id)).first() is not None:
        raise AlreadyExists(kind="authority", key=record.id)
    last = connection.execute(select(func.coalesce(func.max(authorities.c.sequence), 0))).scalar_one()
    added = replace(record, generation=bundle_generation(connection) + 1 if record.profile == "root" else 0)
    fields = {name: getattr(added, name) for name in AuthorityRecord.__slots__}
    connection.execute(insert(authorities).values(sequence=last + 1, **fields))
    return added


def _establish(
    connection: Connection, records: Sequence[AuthorityRecord], events: Sequence[AuditEvent]
) -> tuple[AuthorityRecord, ...]:
    take_lock(connection, Lock.APPEND)
    if not list_authorities(connection):
        for record, event in zip(records, events, strict=True):
            add_authority(connection, record, event)
    return list_authorities(connection)


def list_authorities(connection: Connection) -> tuple[AuthorityRecord, ...]:
    """As `Authorities.list`, within a transaction."""
    rows = connection.execute(_AUTHORITY.order_by(authorities.c.sequence)).mappings()
    return tuple(AuthorityRecord(**row) for row in rows)


def set_authority_state(
    connection: Connection, authority_id: str, state: AuthorityState, event: AuditEvent
) -> AuthorityRecord:
    """As `Authorities.set_state`, within a transaction."""
    append_event(connection, event)
    row = connection.execute(_AUTHORITY.where(authorities.c.id == authority_id)).mappings().first()
    if row is None:
        raise NotFound(kind="authority", key=authority_id)
    record = AuthorityRecord(**row)
    if record.state == state:
        return record
    generation = bundle_generation(connection) + 1 if record.profile == "root" else record.generation
    change = update(authorities).where(authorities.c.id == authority_id)
    connection.execute(change.values(state=state, generation=generation))
    return replace(record, state=state, generation=generation)


def bundle_generation(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(authorities.c.generation), 0))).scalar_one())


def _next_crl_number(connection: Connection, issuer_id: str, shard: int) -> int:
    take_lock(connection, Lock.APPEND)
    counted = (crl_numbers.c.issuer_id == issuer_id, crl_numbers.c.shard == shard)
    number = connection.execute(select(crl_numbers.c.number).where(*counted)).scalar()
    if number is None:
        connection.execute(insert(crl_numbers).values(issuer_id=issuer_id, shard=shard, number=1))
        return 1
    connection.execute(update(crl_numbers).where(*counted).values(number=number + 1))
    return int(number) + 1


def _sealing_key(connection: Connection, wrapped: bytes) -> bytes:
    take_lock(connection, Lock.APPEND)
    stored = connection.execute(select(sealing_keys.c.wrapped).where(sealing_keys.c.name == "private-keys")).scalar()
    if stored is not None:
        return bytes(stored)
    connection.execute(insert(sealing_keys).values(name="private-keys", wrapped=wrapped))
    return wrapped
