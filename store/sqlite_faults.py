"""What SQLite's errors mean to the one who runs the service."""

import sqlite3
from contextlib import AbstractContextManager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from store.errors import StorageFault, StoreCorrupt, StoreFull, StoreUnavailable
from store.faults import translated

_PRIMARY = 0xFF  # extended result codes keep the primary one in the low octet


def translated_faults() -> AbstractContextManager[None]:
    """Raises storage faults in place of the driver's errors; lets everything else through."""
    return translated(sqlite3.Error, fault_of)


def fault_of(error: BaseException) -> StorageFault | None:
    """The fault behind an error of the driver or of SQLAlchemy; None where it is no fault of the storage."""
    if isinstance(error, PoolTimeout):
        return StoreUnavailable("too many reads are waiting for the database; try again in a moment")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.Error) or isinstance(cause, sqlite3.IntegrityError):
        return None
    code = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else _fault(code & _PRIMARY)


def is_input_output_error(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (getattr(cause, "sqlite_errorcode", 0) & _PRIMARY) == sqlite3.SQLITE_IOERR


def _fault(code: int) -> StorageFault | None:
    match code:
        case sqlite3.SQLITE_FULL:
            return StoreFull("the disk that holds the database is full; make room, no restart is needed")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreCorrupt("the database file is damaged; stop the service and restore the newest backup")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable("another process holds the database; stop it, or try again in a moment")
        case sqlite3.SQLITE_IOERR:
            return StoreUnavailable(
                "the disk that holds the database reports an error; look for a full, over-quota or failing disk",
                outcome_unknown=True,
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return StoreUnavailable(
                "the database file cannot be opened for writing; check the owner and mode of its directory"
            )
        case _:
            return None
