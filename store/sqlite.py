"""SQLite, the engine that needs nothing installed.

- Write-ahead log with `synchronous=FULL`: what was acknowledged survives a kill and a power cut. Writers are grouped
  (`store.group_commit`), so that one flush serves all who wait.
- Checkpoints run beside the writer, never inside a commit (`store.checkpoints`).
- Readers see a snapshot and never wait for the writer.
- Several processes may share the file, on one machine and a local file system; they take turns at writing.
"""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from store.checkpoints import Checkpointer
from store.errors import StoreCorrupt, StoreUnavailable, UnsupportedDatabase
from store.group_commit import GroupCommit
from store.sqlite_faults import translated_faults
from store.sqlite_file import APPLICATION_ID, prepare_file

T = TypeVar("T")

_QUICK_CHECK_OCTETS = 16 << 20  # a larger file is not read through at every start; verify_integrity does that
_LOG_OCTETS = 64 << 20  # a longer write-ahead log is cut when it starts again
_WRITER_CACHE_KIB = 16 << 10
_READER_CACHE_KIB = 2 << 10


class SqliteDatabase:
    """The port on one SQLite file."""

    def __init__(self, path: str | Path, *, readers: int = 4, busy_timeout: float = 5.0) -> None:
        """`readers` bounds concurrent reads; `busy_timeout`, in seconds, is how long to wait for another process.

        Raises StoreExposed, StoreCorrupt, StoreUnavailable, StoreFull, UnsupportedDatabase.
        """
        self._path = Path(path)
        self._busy_timeout = busy_timeout
        self._closed = False
        prepare_file(self._path)
        with translated_faults():
            self._prepare_database()
        self._readers = self._reading_engine(readers)
        self._checkpointer = Checkpointer(lambda: self._connect(writing=True))
        with translated_faults():
            self._writer = GroupCommit(self._writing_engine(), on_commit=self._checkpointer.notice)

    @property
    def dialect(self) -> str:
        return "sqlite"

    def read(self, operation: Callable[[Connection], T]) -> T:
        self._verify_open()
        with translated_faults(), self._readers.connect() as connection, connection.begin():
            return operation(connection)

    def write(self, operation: Callable[[Connection], T]) -> T:
        return self._writer.submit(operation).result()

    def submit(self, operation: Callable[[Connection], T]) -> "Future[T]":
        return self._writer.submit(operation)

    def listen(self, channel: str) -> None:
        """SQLite tells nobody."""

    def check(self) -> None:
        self.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar())

    def verify_integrity(self) -> None:
        self.read(lambda connection: _verify(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._checkpointer.close()
        self._readers.dispose()

    def _verify_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed; the process is stopping")

    def _prepare_database(self) -> None:
        driver = self._connect(writing=True)
        try:
            _claim(driver, self._path)
            driver.execute("PRAGMA journal_mode=WAL")
            if self._path.stat().st_size <= _QUICK_CHECK_OCTETS:
                _verify(driver.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            driver.close()

    def _connect(self, *, writing: bool) -> sqlite3.Connection:
        driver = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            self._configure(driver, writing=writing)
        except BaseException:
            driver.close()
            raise
        return driver

    @staticmethod
    def _configure(driver: sqlite3.Connection, *, writing: bool) -> None:
        driver.execute("PRAGMA synchronous=FULL")
        driver.execute("PRAGMA foreign_keys=ON")
        driver.execute("PRAGMA wal_autocheckpoint=0")
        driver.execute("PRAGMA mmap_size=0")
        driver.execute(f"PRAGMA journal_size_limit={_LOG_OCTETS}")
        driver.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB if writing else _READER_CACHE_KIB}")
        driver.execute(f"PRAGMA query_only={'OFF' if writing else 'ON'}")

    def _writing_engine(self) -> Engine:
        engine = create_engine(
            "sqlite://", creator=lambda: self._connect(writing=True), poolclass=NullPool, hide_parameters=True
        )
        event.listen(engine, "begin", _begin_immediate)
        return engine

    def _reading_engine(self, readers: int) -> Engine:
        engine = create_engine(
            "sqlite://",
            creator=lambda: self._connect(writing=False),
            poolclass=QueuePool,
            pool_size=readers,
            max_overflow=0,
            pool_timeout=10,
            hide_parameters=True,
        )
        event.listen(engine, "begin", _begin_deferred)
        return engine


def _begin_immediate(connection: Connection) -> None:
    """Takes the write lock at once: a transaction that reads first and writes later could not wait for it any more."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _claim(driver: sqlite3.Connection, path: Path) -> None:
    """Marks an empty database as ours. Raises UnsupportedDatabase where it holds somebody else's tables."""
    (owner,) = driver.execute("PRAGMA application_id").fetchone()
    if owner == APPLICATION_ID:
        return
    (tables,) = driver.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner or tables:
        raise UnsupportedDatabase(f"{path} belongs to another application; choose another path")
    driver.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _verify(finding: object) -> None:
    if finding != "ok":
        raise StoreCorrupt("the database file is damaged; stop the service and restore the newest backup")
