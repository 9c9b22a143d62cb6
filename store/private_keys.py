"""Private keys that the CA made, sealed, on their way to the one who asked.

- A key is stored with its certificate by `Inventory.record` and taken once; `purge` removes what nobody took.
- The store sees sealed octets only.
"""

from sqlalchemy import Connection, delete, select

from store.audit import append_event
from store.database import Database
from store.errors import NotFound
from store.records import AuditEvent, SealedKey
from store.schema import private_keys


class PrivateKeys:
    """Sealed private keys, by the id of their certificate."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def owner(self, certificate_id: str) -> str:
        """Who asked for the key: to be checked before it is taken. Raises NotFound."""
        return self._database.read(lambda connection: _find(connection, certificate_id)).owner

    def take(self, certificate_id: str, *, at: int, event: AuditEvent) -> SealedKey:
        """Removes the key and appends `event`, in one durable transaction: of two who take, one gets it.

        Raises NotFound where it was taken, has expired at `at`, or never was; nothing is appended then.
        """
        return self._database.write(lambda connection: _take(connection, certificate_id, at, event))

    def purge(self, before: int) -> int:
        """Removes keys that expired before `before`, durably; returns how many."""
        query = delete(private_keys).where(private_keys.c.expires_at < before)
        return self._database.write(lambda connection: connection.execute(query).rowcount)


def _take(connection: Connection, certificate_id: str, at: int, event: AuditEvent) -> SealedKey:
    append_event(connection, event)
    key = _find(connection, certificate_id)
    if key.expires_at <= at:
        raise NotFound(kind="private key of certificate", key=certificate_id)
    connection.execute(delete(private_keys).where(private_keys.c.certificate_id == certificate_id))
    return key


def _find(connection: Connection, certificate_id: str) -> SealedKey:
    try:
        query = select(private_keys).where(private_keys.c.certificate_id == _id(certificate_id))
    except ValueError as err:
        raise NotFound(kind="private key of certificate", key=certificate_id) from err
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(kind="private key of certificate", key=certificate_id)
    return SealedKey(**row)


def _id(text: str) -> str:
    """Raises ValueError for what cannot be an id."""
    return bytes.fromhex(text).hex()
