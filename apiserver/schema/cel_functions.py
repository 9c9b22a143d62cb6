"""Functions that Kubernetes adds to CEL (k8s.io/apiserver/pkg/cel/library), as far as they need no type of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.schema.formats import is_format
from apiserver.schema.patterns import Pattern

_ANYTHING = ("dyn",)
_TEXT = ("string",)
_LIST = ("list", _ANYTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """`is_member` says that the first parameter stands before the dot. Types are those of `cel.Declaration`."""

    name: str
    parameters: tuple[Any, ...]
    result: str
    compute: Callable[..., object]
    is_member: bool = True


def _is_sorted(values: Sequence[Any]) -> bool:
    return all(values[index] <= values[index + 1] for index in range(len(values) - 1))


def _index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index, value in enumerate(values) if value == wanted), -1)


def _last_index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index in reversed(range(len(values))) if values[index] == wanted), -1)


def _find(text: str, expression: str) -> str:
    return next(iter(Pattern.compile(expression).occurrences(text)), "")


def _find_all(text: str, expression: str) -> list[str]:
    return list(Pattern.compile(expression).occurrences(text))


def _find_most(text: str, expression: str, most: int) -> list[str]:
    found = _find_all(text, expression)
    return found if most < 0 else found[:most]


def _contains(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(other in values for other in others)


def _is_equivalent(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return _contains(values, others) and _contains(others, values)


def _intersects(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return any(other in values for other in others)


FUNCTIONS = (
    Function(name="isSorted", parameters=(_LIST,), result="bool", compute=_is_sorted),
    Function(name="sum", parameters=(_LIST,), result="dyn", compute=sum),
    Function(name="min", parameters=(_LIST,), result="dyn", compute=min),
    Function(name="max", parameters=(_LIST,), result="dyn", compute=max),
    Function(name="indexOf", parameters=(_LIST, _ANYTHING), result="int", compute=_index_of),
    Function(name="lastIndexOf", parameters=(_LIST, _ANYTHING), result="int", compute=_last_index_of),
    Function(name="find", parameters=(_TEXT, _TEXT), result="string", compute=_find),
    Function(name="findAll", parameters=(_TEXT, _TEXT), result="dyn", compute=_find_all),
    Function(name="findAll", parameters=(_TEXT, _TEXT, ("int",)), result="dyn", compute=_find_most),
    Function(name="sets.contains", parameters=(_LIST, _LIST), result="bool", compute=_contains, is_member=False),
    Function(name="sets.equivalent", parameters=(_LIST, _LIST), result="bool", compute=_is_equivalent, is_member=False),
    Function(name="sets.intersects", parameters=(_LIST, _LIST), result="bool", compute=_intersects, is_member=False),
    Function(
        name="isIP",
        parameters=(_TEXT,),
        result="bool",
        compute=lambda text: is_format("ipv4", text) or is_format("ipv6", text),
        is_member=False,
    ),
    Function(
        name="isCIDR", parameters=(_TEXT,), result="bool", compute=lambda text: is_format("cidr", text), is_member=False
    ),
    Function(
        name="isURL", parameters=(_TEXT,), result="bool", compute=lambda text: is_format("uri", text), is_member=False
    ),
)
