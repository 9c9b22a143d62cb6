"""What is kept under the passphrase: the keys of authorities, encrypted, and the key that seals others', wrapped.

- The store sees encrypted octets only, and never a passphrase.
- A change of passphrase replaces all of it in one transaction, or nothing.
"""

import hashlib
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select, update

from store.audit import append_event
from store.database import Database
from store.errors import NotFound
from store.locks import Lock, take_lock
from store.records import AuditEvent
from store.schema import authority_keys, sealing_keys

_SEALING_KEY = select(sealing_keys.c.wrapped).where(sealing_keys.c.name == "private-keys")


class KeysAtRest:
    """Encrypted keys by the id of their authority; empty where they lie in files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, authority_id: str, encrypted: bytes, *, sealing_key: bytes | None = None) -> bool:
        """Durable once it returns; replaces what is there.

        False, and nothing is kept, where the sealing key is not `sealing_key` by now: another passphrase holds.
        """

        def write(connection: Connection) -> bool:
            take_lock(connection, Lock.APPEND)
            if sealing_key is not None and self.sealing_key_of(connection) != sealing_key:
                return False
            _put(connection, {authority_id: encrypted})
            return True

        return self._database.write(write)

    def get(self, authority_id: str) -> bytes:
        """Raises NotFound."""
        query = select(authority_keys.c.encrypted).where(authority_keys.c.authority_id == authority_id)
        found = self._database.read(lambda connection: connection.execute(query).scalar())
        if found is None:
            raise NotFound(kind="key of authority", key=authority_id)
        return bytes(found)

    def take_all(self) -> Mapping[str, bytes]:
        """Removes every authority's key, in one durable transaction, and hands them over: they shall lie in files."""
        return self._database.write(_take_all)

    def ids(self) -> tuple[str, ...]:
        query = select(authority_keys.c.authority_id).order_by(authority_keys.c.authority_id)
        return tuple(self._database.read(lambda connection: connection.execute(query).scalars().all()))

    def sealing_key(self) -> bytes | None:
        """As `Authorities.sealing_key` keeps it; None before the first start."""
        return self._database.read(self.sealing_key_of)

    @staticmethod
    def sealing_key_of(connection: Connection) -> bytes | None:
        """The same, as a transaction sees it."""
        found = connection.execute(_SEALING_KEY).scalar()
        return None if found is None else bytes(found)

    def replace(self, *, digest: bytes, sealing_key: bytes, encrypted: Mapping[str, bytes], event: AuditEvent) -> bool:
        """In one durable transaction: `sealing_key`, `encrypted` keys and `event`.

        Nothing where the sealing key is neither the one whose SHA-256 is `digest` nor the new one; returns False then. With
        the new one in place already nothing is left to do, and it returns True.
        """
        return self._database.write(
            lambda connection: _replace(connection, digest, sealing_key, dict(encrypted), event)
        )


def _take_all(connection: Connection) -> Mapping[str, bytes]:
    rows = connection.execute(select(authority_keys)).all()
    connection.execute(delete(authority_keys))
    return {row.authority_id: bytes(row.encrypted) for row in rows}


def _put(connection: Connection, encrypted: Mapping[str, bytes]) -> None:
    if encrypted:
        connection.execute(delete(authority_keys).where(authority_keys.c.authority_id.in_(encrypted)))
        rows = [{"authority_id": authority, "encrypted": octets} for authority, octets in encrypted.items()]
        connection.execute(insert(authority_keys), rows)


def _replace(
    connection: Connection, digest: bytes, sealing_key: bytes, encrypted: Mapping[str, bytes], event: AuditEvent
) -> bool:
    take_lock(connection, Lock.APPEND)
    present = KeysAtRest.sealing_key_of(connection)
    if present == sealing_key:
        return True
    if present is None or hashlib.sha256(present).digest() != digest:
        return False
    append_event(connection, event)
    connection.execute(update(sealing_keys).where(sealing_keys.c.name == "private-keys").values(wrapped=sealing_key))
    _put(connection, encrypted)
    return True
