"""CEL, the language of validation rules: expressions compiled once, evaluated on documents.

- Google's own evaluator does the work; it is loaded where some kind has a rule, and nowhere else.
- Beside CEL's own functions there are those of Kubernetes for lists: isSorted, sum, min, max, indexOf, lastIndexOf; and the
  extensions for texts and numbers.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_VARIABLES = ("self", "oldSelf")


class ExpressionInvalid(Exception):
    """The text is no expression, or not one of these variables."""


class EvaluationFailed(Exception):
    """The expression has no value for this document."""


class Expression:
    """Compiled; safe to use from any thread."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def evaluate(self, itself: object, former: object) -> object:
        """Raises EvaluationFailed."""
        from cel_expr_python import cel  # noqa: PLC0415 - see above

        outcome = self._compiled.eval(data={"self": itself, "oldSelf": former})
        if outcome.type() in (cel.Type.ERROR, cel.Type.UNKNOWN):
            raise EvaluationFailed(str(outcome.value()))
        return outcome.plain_value()


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """Raises ExpressionInvalid."""
    try:
        return Expression(_environment().compile(text))
    except RuntimeError as err:
        raise ExpressionInvalid(" ".join(str(err).split())) from err


@lru_cache(maxsize=1)
def _environment() -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - see above
    from cel_expr_python.ext import ext_math, ext_optional, ext_strings  # noqa: PLC0415 - as above

    kinds = cel.Type
    functions = [
        _member(cel, "isSorted", kinds.BOOL, _is_sorted),
        _member(cel, "sum", kinds.DYN, sum),
        _member(cel, "min", kinds.DYN, min),
        _member(cel, "max", kinds.DYN, max),
        _member(cel, "indexOf", kinds.INT, _index_of, of=kinds.DYN),
        _member(cel, "lastIndexOf", kinds.INT, _last_index_of, of=kinds.DYN),
    ]
    return cel.NewEnv(
        variables=dict.fromkeys(_VARIABLES, kinds.DYN),
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            cel.CelExtension("kubernetes", functions),
        ],
    )


def _member(cel: Any, name: str, result: Any, function: Any, *, of: Any = None) -> Any:
    parameters = [cel.Type.List(cel.Type.DYN), *([] if of is None else [of])]
    overload = cel.Overload(f"list_{name}", result, parameters, True, function)  # noqa: FBT003 - of a list
    return cel.FunctionDecl(name, [overload])


def _is_sorted(values: Sequence[Any]) -> bool:
    return all(values[index] <= values[index + 1] for index in range(len(values) - 1))


def _index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index, value in enumerate(values) if value == wanted), -1)


def _last_index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index in reversed(range(len(values))) if values[index] == wanted), -1)
