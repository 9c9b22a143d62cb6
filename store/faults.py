"""Storage faults in place of a driver's errors, for either engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from store.errors import StorageFault


@contextmanager
def translated(
    driver_error: type[Exception], fault_of: Callable[[BaseException], StorageFault | None]
) -> Iterator[None]:
    """Raises what `fault_of` makes of an error of the driver or of SQLAlchemy; lets everything else through."""
    try:
        yield
    except (driver_error, SQLAlchemyError) as err:
        fault = fault_of(err)
        if fault is None:
            raise
        raise fault from err
