"""PostgreSQL, the engine for several replicas.

- Writes run at READ COMMITTED and take turns by advisory locks (`store.locks`) where order matters; reads see one snapshot.
- `synchronous_commit` is never weaker than `on`, whatever the server's configuration says.
- A transaction that was rolled back by no fault of its own, or whose connection went before the commit, is repeated.
  A connection that goes during the commit leaves the outcome unknown, and the error says so.
- The address, password included, goes to libpq alone; it is in no message.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from store.errors import StoreUnavailable, UnsupportedDatabase
from store.postgresql_faults import is_lost_connection, is_worth_repeating, translated_faults

T = TypeVar("T")

_ATTEMPTS = 4
_DEFAULTS = {
    "connect_timeout": "5",
    "application_name": "chancery",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Of libpq, for what the address does not say; in seconds, the last in milliseconds."""

_OWN_ROOTS = Path("~/.postgresql/root.crt")
"""Where libpq looks for CAs that nobody names."""

_SESSION = (
    "SET statement_timeout = '30s'; SET lock_timeout = '15s'; SET idle_in_transaction_session_timeout = '60s'; "
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
)
_WRITING_SESSION = "SET idle_in_transaction_session_timeout = '10s'"
"""Less than the lock_timeout: a process that is stopped in mid-transaction, or whose machine is gone, loses its locks before others
give up waiting for them."""


class PostgresqlDatabase:
    """The port on one PostgreSQL database."""

    def __init__(self, url: str, *, readers: int = 4, writers: int = 4, submitters: int = 2) -> None:
        """`readers` and `writers` bound the connections of this process, `submitters` the threads behind `submit`.

        Raises UnsupportedDatabase for an address that libpq does not understand, StoreUnavailable.
        """
        self._conninfo = _conninfo(url)
        self._closed = False
        self._readers = _engine(lambda: self._connect(reading=True), readers)
        self._writers = _engine(lambda: self._connect(reading=False), writers)
        self._threads = ThreadPoolExecutor(submitters, thread_name_prefix="store-writer")
        self.check()

    @property
    def dialect(self) -> str:
        return "postgresql"

    def read(self, operation: Callable[[Connection], T]) -> T:
        self._verify_open()
        return _repeating(lambda: self._read_once(operation))

    def write(self, operation: Callable[[Connection], T]) -> T:
        self._verify_open()
        return self._write(operation)

    def submit(self, operation: Callable[[Connection], T]) -> "Future[T]":
        self._verify_open()
        return self._threads.submit(self._write, operation)

    def listen(self, channel: str) -> "PostgresqlNotifications":
        self._verify_open()
        return PostgresqlNotifications(self._connect(reading=False), channel)

    def check(self) -> None:
        self.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())

    def verify_integrity(self) -> None:
        """The server looks after its files itself (checksums, `pg_amcheck`); this asks only whether it is there."""
        self.check()

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown()
        self._readers.dispose()
        self._writers.dispose()

    def _verify_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed; the process is stopping")

    def _write(self, operation: Callable[[Connection], T]) -> T:
        return _repeating(lambda: self._write_once(operation))

    def _read_once(self, operation: Callable[[Connection], T]) -> T:
        with self._readers.connect() as connection, connection.begin():
            return operation(connection)

    def _write_once(self, operation: Callable[[Connection], T]) -> T:
        with self._writers.connect() as connection:
            transaction = connection.begin()
            try:
                result = operation(connection)
            except BaseException:
                transaction.rollback()
                raise
            with _unknown_if_lost():
                transaction.commit()
            return result

    def _connect(self, *, reading: bool) -> psycopg.Connection[tuple[object, ...]]:
        """Raises StoreUnavailable, which is not repeated: a server that is not there takes a while to come back."""
        with translated_faults(connecting=True):
            connection = psycopg.connect(self._conninfo)
        with translated_faults():
            try:
                connection.execute(_SESSION)
                if not reading:
                    connection.execute(_WRITING_SESSION)
                connection.commit()
            except BaseException:
                connection.close()
                raise
        if reading:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        return connection


class PostgresqlNotifications:
    """LISTEN, on a connection of its own."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], channel: str) -> None:
        self._connection = connection
        with translated_faults():
            connection.autocommit = True
            connection.execute(SQL("LISTEN {}").format(Identifier(channel)))

    def wait(self, seconds: float) -> bool:
        with translated_faults():
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))

    def close(self) -> None:
        self._connection.close()


def _engine(connect: Callable[[], psycopg.Connection[tuple[object, ...]]], connections: int) -> Engine:
    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
        use_native_hstore=False,
    )


def _repeating(attempt: Callable[[], T]) -> T:
    with translated_faults():
        for _ in range(_ATTEMPTS - 1):
            try:
                return attempt()
            except (psycopg.Error, SQLAlchemyError) as err:
                if not is_worth_repeating(err):
                    raise
        return attempt()


def _conninfo(url: str) -> str:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Without a cause: libpq quotes the address, and that may hold a password.
        raise UnsupportedDatabase("the database address is not one that libpq understands; check its escapes") from None
    added = {name: value for name, value in _DEFAULTS.items() if name not in given}
    return make_conninfo(url, **added, **_system_roots(given))


def _system_roots(given: Mapping[str, object]) -> dict[str, str]:
    """Whom to believe where the server is verified and nobody says by whom: libpq would give up without a file of the user's.

    A weaker `sslmode` does not go with the system's CAs.
    """
    said = {one.keyword.decode(): one.val for one in Conninfo.get_defaults() if one.val} | dict(given)
    verifies = said.get("sslmode") in {"verify-full", b"verify-full"}
    return {"sslrootcert": "system"} if verifies and "sslrootcert" not in said and not _has_own_roots() else {}


def _has_own_roots() -> bool:
    try:
        return _OWN_ROOTS.expanduser().exists()
    except RuntimeError:  # a user without a home, as some clusters choose
        return False


@contextmanager
def _unknown_if_lost() -> Iterator[None]:
    """A commit whose answer never came may have happened."""
    try:
        yield
    except (psycopg.Error, SQLAlchemyError) as err:
        if not is_lost_connection(err):
            raise
        raise StoreUnavailable(
            "the database server went away during a commit that it may have done; repeat under the same request id",
            outcome_unknown=True,
        ) from err
