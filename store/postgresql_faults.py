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
_REFUSALS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("certificate verify failed",),
        "the certificate of the database server is not valid now, or of no CA in sslrootcert; name the CA that issued it",
    ),
    (
        ("does not match host name",),
        "the certificate of the database server is for another name; address the server by a name in it",
    ),
    (
        ("root certificate file", "could not read root certificate"),
        "the CA certificates of the database server cannot be read; name them with sslrootcert=FILE, or sslrootcert=system",
    ),
    (
        ("server does not support ssl", "server does not support tls"),
        "the database server does not speak TLS, and sslmode asks for it; turn ssl on there",
    ),
    (
        ("no encryption", "ssl off", "no ssl encryption"),
        "the database server takes no connection without TLS from here; add sslmode=verify-full to the database address",
    ),
    (
        ("private key file", "could not read certificate file", "certificate present, but not private key"),
        "the client certificate for the database server or its key cannot be used; check sslcert and sslkey (mode 0600)",
    ),
    (
        ("valid client certificate", "certificate authentication failed", "alert unknown ca", "certificate required"),
        "the database server does not take this client certificate; check sslcert, sslkey and the user name in it",
    ),
    (
        (
            "authentication failed",
            "no pg_hba.conf entry",
            "does not exist",
            "permission denied",
            "no password supplied",
        ),
        "the database server refuses this user; check name, password, database and privileges",
    ),
    (
        ("the database system is", "recovery mode", "starting up", "shutting down"),
        "the database server is starting or stopping; try again in a moment",
    ),
    (
        ("session is read-only", "session is not read-only", "server is in hot standby mode"),
        "no server of the database address is the primary; promote one, or add its address",
    ),
)
"""What libpq says, in lower case, where no connection comes about, and what it means: such errors have no code. The first that
fits holds."""


def translated_faults(*, connecting: bool = False) -> AbstractContextManager[None]:
    """Raises storage faults in place of the driver's errors; lets everything else through."""
    return translated(psycopg.Error, _refusal_of if connecting else fault_of)


def fault_of(error: BaseException) -> StorageFault | None:
    """The fault behind an error of the driver or of SQLAlchemy; None where it is no fault of the storage."""
    if isinstance(error, PoolTimeout):
        return StoreUnavailable("every connection to the database is in use; try again in a moment")
    cause = _cause(error)
    return next((fault(text) for kinds, fault, text in _FAULTS if isinstance(cause, kinds)), None)


def _refusal_of(error: BaseException) -> StorageFault | None:
    """The fault behind a connection that did not come about."""
    said = str(error).lower()
    meant = next((meaning for marks, meaning in _REFUSALS if any(mark in said for mark in marks)), None)
    return fault_of(error) if meant is None else StoreUnavailable(meant)


def is_worth_repeating(error: BaseException) -> bool:
    """Whether the transaction was rolled back for a reason that may be gone already. Never true of a commit cut off."""
    return isinstance(_cause(error), _RETRIED) or is_lost_connection(error)


def is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if isinstance(cause, (errors.AdminShutdown, errors.CrashShutdown, errors.IdleInTransactionSessionTimeout)):
        return True
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None


def _cause(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
