"""Functions that Kubernetes adds to CEL (k8s.io/apiserver/pkg/cel/library), as far as they need no type of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from itertools import islice
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


def _min(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def _max(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


def _index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index, value in enumerate(values) if _mark(value) == _mark(wanted)), -1)


def _last_index_of(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index in reversed(range(len(values))) if _mark(values[index]) == _mark(wanted)), -1)


def _find(text: str, expression: str) -> str:
    return next(Pattern.compile(expression).occurrences(text), "")


def _find_all(text: str, expression: str, most: int = -1) -> list[str]:
    found = Pattern.compile(expression).occurrences(text)
    return list(found if most < 0 else islice(found, most))


def _contains(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return set(map(_mark, others)) <= set(map(_mark, values))


def _is_equivalent(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return set(map(_mark, others)) == set(map(_mark, values))


def _intersects(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return not set(map(_mark, others)).isdisjoint(map(_mark, values))


def _mark(value: Any) -> object:
    """Equal for what CEL calls equal: numbers whatever their type, of which true is none."""
    if isinstance(value, list):
        return ("list", *map(_mark, value))
    if isinstance(value, dict):
        return frozenset((_mark(key), _mark(child)) for key, child in value.items())
    return ("bool", value) if isinstance(value, bool) else value


def _is_ip(text: str) -> bool:
    """Stricter than the formats: no zone, no leading zeros, no IPv4 address written as one of IPv6 (net/netip ParseAddr)."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return "%" not in text and getattr(address, "ipv4_mapped", None) is None


def _is_cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    return bool(slash) and _is_ip(address) and is_format("cidr", text) and str(int(bits)) == bits


FUNCTIONS = (
    Function(name="isSorted", parameters=(_LIST,), result="bool", compute=_is_sorted),
    Function(name="sum", parameters=(_LIST,), result="dyn", compute=sum),
    Function(name="min", parameters=(_LIST,), result="dyn", compute=_min),
    Function(name="max", parameters=(_LIST,), result="dyn", compute=_max),
    Function(name="indexOf", parameters=(_LIST, _ANYTHING), result="int", compute=_index_of),
    Function(name="lastIndexOf", parameters=(_LIST, _ANYTHING), result="int", compute=_last_index_of),
    Function(name="find", parameters=(_TEXT, _TEXT), result="string", compute=_find),
    Function(name="findAll", parameters=(_TEXT, _TEXT), result="dyn", compute=_find_all),
    Function(name="findAll", parameters=(_TEXT, _TEXT, ("int",)), result="dyn", compute=_find_all),
    Function(name="sets.contains", parameters=(_LIST, _LIST), result="bool", compute=_contains, is_member=False),
    Function(name="sets.equivalent", parameters=(_LIST, _LIST), result="bool", compute=_is_equivalent, is_member=False),
    Function(name="sets.intersects", parameters=(_LIST, _LIST), result="bool", compute=_intersects, is_member=False),
    Function(name="isIP", parameters=(_TEXT,), result="bool", compute=_is_ip, is_member=False),
    Function(name="isCIDR", parameters=(_TEXT,), result="bool", compute=_is_cidr, is_member=False),
    Function(name="isURL", parameters=(_TEXT,), result="bool", compute=partial(is_format, "uri"), is_member=False),
)
