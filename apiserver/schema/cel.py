"""CEL, the language of validation rules: expressions compiled once, evaluated on documents.

- Google's own evaluator does the work; it is loaded where some kind has a rule, and nowhere else.
- It gives up after 10,000 steps of loops in all, and regular expressions are RE2. Every evaluation takes the whole value over,
  at 0.2 µs for each part, and cannot be interrupted: nothing else runs in the process meanwhile.
- Beside CEL's own functions there are those of Kubernetes that need no type of their own: for lists (isSorted, sum, min, max,
  indexOf, lastIndexOf), texts (find, findAll), sets (sets.contains, sets.equivalent, sets.intersects) and formats (isIP, isCIDR,
  isURL); and the extensions for texts, numbers, optional values, bindings, base64 and loops of two variables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from apiserver.schema.cel_functions import FUNCTIONS, Function

Declaration: TypeAlias = "tuple[str, *tuple[Declaration, ...]]"
"""The type of a variable: ("int",), ("list", ("string",)), ("map", ("dyn",)) with texts as keys."""

_WORDS = (
    (re.compile(r'Key not found in map : "(.*)"'), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"No matching overloads found.*"), "no such overload"),
)
_LOOPS_OF_TWO_VARIABLES = "extensions: [{name: two-var-comprehensions}]"
_MIXED_NUMBERS = re.compile(r"'_(?:[<>]=?|[!=]=)_' applied to '\((?:double, int|int, double)\)'")
_CODE = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")


class ExpressionInvalid(Exception):
    """The text is no expression, or not one of these variables."""


class EvaluationFailed(Exception):
    """The expression has no value for this document."""


class TooCostly(EvaluationFailed):
    """The evaluation was stopped."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Compiled; safe to use from any thread. `result` is the type that it yields: bool, string, … or dyn."""

    result: str
    _compiled: Any

    def evaluate(self, variables: Mapping[str, object]) -> object:
        """Raises EvaluationFailed."""
        from cel_expr_python import cel  # noqa: PLC0415 - see above

        try:
            outcome = self._compiled.eval(data=dict(variables))
            if outcome.type() in (cel.Type.ERROR, cel.Type.UNKNOWN):
                raise EvaluationFailed(_in_words(str(outcome.value())))
            return outcome.plain_value()
        except RuntimeError as err:
            if "Iteration budget exceeded" in str(err):
                raise TooCostly("operation cancelled: actual cost limit exceeded") from err
            raise EvaluationFailed(_in_words(str(err))) from err


@lru_cache(maxsize=4096)
def compile_expression(text: str, variables: tuple[tuple[str, Declaration], ...]) -> Expression:
    """Raises ExpressionInvalid."""
    try:
        compiled = _environment(variables).compile(text)
    except RuntimeError as err:
        dynamic = tuple((name, _with_any_number(declared)) for name, declared in variables)
        if dynamic != variables and _MIXED_NUMBERS.search(str(err)):
            return compile_expression(text, dynamic)
        raise ExpressionInvalid(_CODE.sub("", " ".join(str(err).split()))) from err
    return Expression(compiled.return_type().name().lower(), compiled)


def _with_any_number(declared: Declaration) -> Declaration:
    """A type that may be compared with numbers of another type, as Kubernetes allows and this compiler does not."""
    name, *inner = declared
    return ("dyn",) if name in {"int", "double"} else (name, *map(_with_any_number, inner))


@lru_cache(maxsize=512)
def _environment(variables: tuple[tuple[str, Declaration], ...]) -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - see above

    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_LOOPS_OF_TWO_VARIABLES),
        variables={name: _type(declared) for name, declared in variables},
        extensions=_extensions(),
    )


@lru_cache(maxsize=1)
def _extensions() -> list[Any]:
    from cel_expr_python import cel  # noqa: PLC0415 - see above
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings  # noqa: PLC0415 - as above

    return [
        ext_bindings.ExtBindings(),
        ext_encoders.ExtEncoders(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_strings.ExtStrings(),
        cel.CelExtension("kubernetes", [_declared(function) for function in FUNCTIONS]),
    ]


def _declared(function: Function) -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - see above

    parameters = [_type(parameter) for parameter in function.parameters]
    label = f"{function.name.replace('.', '_')}_{'_'.join(parameter[0] for parameter in function.parameters)}"
    overload = cel.Overload(label, _type((function.result,)), parameters, function.is_member, function.compute)
    return cel.FunctionDecl(function.name, [overload])


def _type(declared: Declaration) -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - see above

    name, *inner = declared
    if name == "list":
        return cel.Type.List(_type(inner[0]))
    if name == "map":
        return cel.Type.Map(cel.Type.STRING, _type(inner[0]))
    return getattr(cel.Type, name.upper())


def _in_words(text: str) -> str:
    """An error of the evaluator as kube-apiserver words it."""
    for pattern, words in _WORDS:
        if match := pattern.search(text):
            return match.expand(words)
    return _CODE.sub("", text)
