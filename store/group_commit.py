"""Group commit: whatever waits to be written is run in one transaction and made durable by one flush.

- One thread owns the one writing connection; operations run in the order in which they were submitted.
- Each operation has a savepoint: one that fails is rolled back alone.
- A future resolves after the commit that holds its operation has returned, never before.
- Where a full disk ends a whole transaction, each operation of the group is tried again by itself.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from sqlite3 import Connection as DriverConnection
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine

from store.errors import StoreFull, StoreUnavailable
from store.sqlite_faults import fault_of, is_input_output_error

T = TypeVar("T")

_GROUP_LIMIT = 128  # operations; bounds how long the first of a group waits for the last


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    operation: Callable[[Connection], object]
    future: "Future[Any]" = field(default_factory=Future)

    def fail(self, error: BaseException) -> None:
        self.future.set_exception(fault_of(error) or error)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class _TransactionLostError(Exception):
    """SQLite has rolled back everything, not only the statement that failed."""


class GroupCommit:
    """The writing thread. `on_commit` is called after each commit and must return at once."""

    def __init__(self, engine: Engine, *, on_commit: Callable[[], None]) -> None:
        """Opens the writing connection in the caller's thread, so that what is wrong with it is raised here."""
        self._engine = engine
        self._on_commit = on_commit
        self._connection: Connection | None = engine.connect()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Connection], T]) -> "Future[T]":
        job = _Job(operation)
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed; the process is stopping")
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Runs what was submitted, then ends the thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            jobs, closing = self._take()
            live = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if live:
                self._commit(live)
        self._disconnect()

    def _take(self) -> tuple[list[_Job], bool]:
        """Waits for a first job and takes along all that have come meanwhile; True once there will be no more."""
        jobs: list[_Job] = []
        try:
            item = self._queue.get()
            while item is not None:
                jobs.append(item)
                if len(jobs) == _GROUP_LIMIT:
                    return jobs, False
                item = self._queue.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            outcomes = self._transact(jobs)
        except BaseException as err:  # noqa: BLE001 - whatever ended the transaction is the answer to its jobs
            cause = err.__cause__ if isinstance(err, _TransactionLostError) and err.__cause__ else err
            self._clear_up(cause)
            if len(jobs) > 1 and isinstance(fault_of(cause), StoreFull):
                for job in jobs:
                    self._commit([job])
            else:
                for job in jobs:
                    job.fail(cause)
        else:
            self._on_commit()
            for job, outcome in zip(jobs, outcomes, strict=True):
                if isinstance(outcome, _Failure):
                    job.fail(outcome.error)
                else:
                    job.future.set_result(outcome)

    def _transact(self, jobs: Sequence[_Job]) -> list[object]:
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            driver = cast("DriverConnection", self._connection.connection.driver_connection)
            return [_attempt(job, self._connection, driver) for job in jobs]

    def _clear_up(self, error: BaseException) -> None:
        """Leaves no transaction open; after an I/O error the connection's view of the files is not trusted again."""
        if self._connection is not None and (self._connection.in_transaction() or is_input_output_error(error)):
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _attempt(job: _Job, connection: Connection, driver: DriverConnection) -> object:
    driver.execute("SAVEPOINT operation")
    try:
        value = job.operation(connection)
    except BaseException as err:
        if not driver.in_transaction:
            raise _TransactionLostError from err
        driver.execute("ROLLBACK TO operation")
        value = _Failure(err)
    driver.execute("RELEASE operation")
    return value
