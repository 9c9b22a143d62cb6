"""The bound of every walk over a document: one nested too deeply is refused, and never ends the process or the thread."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from apiserver.errors import BadRequest

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def bounded(walk: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Raises BadRequest where `walk` would run out of stack. Walks change nothing that they were handed, so none is half done."""

    @wraps(walk)
    def within_bounds(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return walk(*arguments, **named)
        except RecursionError as err:
            raise BadRequest("the document is nested too deeply") from err

    return within_bounds
