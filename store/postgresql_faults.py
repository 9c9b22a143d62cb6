"""What PostgreSQL's errors mean to the one who runs the service.

- Texts of the server or of libpq are not passed on: they may name hosts, users and values.
"""

from contextlib import AbstractContextManager

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from store.errors import StorageFault, StoreCorrupt, StoreFull, StoreUnavailable
from store.faults import translated

_RETRIED = (errors.SerializationFailure, errors.DeadlockDetected)
_FAULTS: tuple[tuple[tuple[type[psycopg.Error], ...], type[StorageFault], str], ...] = (
    ((errors.DiskFull,), StoreFull, "the disk of the database server is full; make room there, no restart is needed"),
    (
        (errors.DataCorrupted, errors.IndexCorrupted),
        StoreCorrupt,
        "the database server reports damaged data; stop the service and restore the newest backup",
    ),
    (
        (
            errors.InvalidAuthorizationSpecification,
            errors.InvalidPassword,
            errors.InsufficientPrivilege,
            errors.InvalidCatalogName,
        ),
        StoreUnavailable,
        "the database server refuses this user; check name, password, database and privileges",
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        StoreUnavailable,
        "the database server is a read-only standby; point the service at the primary",
    ),
    (
        (errors.QueryCanceled, errors.LockNotAvailable, errors.IdleInTransactionSessionTimeout),
        StoreUnavailable,
        "the database server took too long; look for long transactions and a loaded disk",
    ),
    (
        (psycopg.OperationalError, psycopg.InterfaceError),
        StoreUnavailable,
        "the database server cannot be reached; check that it runs, and the way to it",
    ),
)
"""The first row that fits holds."""


def translated_faults() -> AbstractContextManager[None]:
    """Raises storage faults in place of the driver's errors; lets everything else through."""
    return translated(psycopg.Error, fault_of)


def fault_of(error: BaseException) -> StorageFault | None:
    """The fault behind an error of the driver or of SQLAlchemy; None where it is no fault of the storage."""
    if isinstance(error, PoolTimeout):
        return StoreUnavailable("every connection to the database is in use; try again in a moment")
    cause = _cause(error)
    return next((fault(text) for kinds, fault, text in _FAULTS if isinstance(cause, kinds)), None)


def is_worth_repeating(error: BaseException) -> bool:
    """Whether the transaction was rolled back for a reason that may be gone already. Never true of a commit cut off."""
    return isinstance(_cause(error), _RETRIED) or is_lost_connection(error)


def is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if isinstance(cause, (errors.AdminShutdown, errors.CrashShutdown)):
        return True
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None


def _cause(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
