"""Locks that writers on one database take turns by."""

from enum import IntEnum

from sqlalchemy import Connection, text


class Lock(IntEnum):
    """Part of the interface between releases that share a database: a number keeps its meaning."""

    MIGRATION = 1
    APPEND = 2
    """Whoever gives out a sequence number holds it until the commit: numbers appear in order and without gaps."""
    CHANGE = 3
    """As APPEND, for the revision of the storage API's objects."""
    COMPACTION = 4
    """Whoever removes history of the storage API; writers do not wait for it."""


_NAMESPACE = 0x43_48_4E_43  # "CHNC": other users of the same PostgreSQL database have advisory locks, too
_TAKE = text("SELECT pg_advisory_xact_lock(:namespace, :lock)")


def take_lock(connection: Connection, lock: Lock) -> None:
    """Waits for `lock` and holds it to the end of the transaction. SQLite has one writer at a time and needs none.

    Call it before the first query of a transaction: what was read earlier may be out of date once the lock is there.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE, {"namespace": _NAMESPACE, "lock": int(lock)})
