"""The port to a database: operations run in a transaction, and what was written is durable on return.

- Synchronous and safe to call from any thread; callers are the signing thread and worker threads.
- An operation is a function of a SQLAlchemy connection. It may run more than once: it has no effect outside of it.
- Two engines implement the port, and one contract suite holds both: `store.sqlite` and `store.postgresql`.
"""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from store.errors import UnsupportedDatabase
from store.migrations import AUTHORITY, Lineage, migrate
from store.notifications import Notifications

T = TypeVar("T")


class Database(Protocol):
    """Transactions on one database. Every method raises StorageFault leaves where the machinery fails."""

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""

    def read(self, operation: Callable[[Connection], T]) -> T:
        """Runs `operation` on one consistent snapshot. It cannot write."""

    def write(self, operation: Callable[[Connection], T]) -> T:
        """Runs `operation` in a transaction and returns only after its commit is durable.

        An exception rolls back this operation alone, and is raised here.
        """

    def submit(self, operation: Callable[[Connection], T]) -> "Future[T]":
        """As `write`, without waiting: the future resolves once the commit is durable."""

    def listen(self, channel: str) -> Notifications | None:
        """Hears what other processes notify on `channel`, a name of ours; None where the engine knows no such thing (SQLite)."""

    def check(self) -> None:
        """Raises StorageFault leaves when the database cannot be used now; cheap enough for a health check."""

    def verify_integrity(self) -> None:
        """Reads everything; raises StoreCorrupt where a file contradicts itself. As slow as the database is large."""

    def close(self) -> None:
        """Finishes what was submitted and lets go of the database. Afterwards every call raises StoreUnavailable."""


def open_database(url: str, lineage: Lineage = AUTHORITY, *, migrating: bool = True) -> Database:
    """Opens, checks and migrates the database at `sqlite:///absolute/path` or `postgresql://user@host/name?parameters`.

    The address of PostgreSQL is handed to libpq as it is, so its TLS parameters (`sslmode=verify-full`, …) hold.
    Without `migrating` its schema is left as it is. Raises UnsupportedDatabase, SchemaTooNew and the other StorageFault leaves.
    """
    database = _engine(url)
    try:
        if migrating:
            migrate(database, lineage)
    except BaseException:
        database.close()
        raise
    return database


def sqlite_path(url: str) -> Path | None:
    """The file behind the address; None for another engine's."""
    scheme, _, rest = url.partition("://")
    return Path("/" + rest.lstrip("/")) if scheme == "sqlite" and rest.startswith("/") else None


def _engine(url: str) -> Database:
    scheme = url.partition("://")[0]
    path = sqlite_path(url)
    if path is not None:
        from store.sqlite import SqliteDatabase  # noqa: PLC0415 - an engine is loaded only where it is asked for

        return SqliteDatabase(path)
    if scheme in {"postgresql", "postgres"}:
        from store.postgresql import PostgresqlDatabase  # noqa: PLC0415 - as above

        return PostgresqlDatabase(url)
    raise UnsupportedDatabase("the database must be sqlite:///absolute/path or postgresql://user@host/name")
