"""Path elements: one step from a value to one of its parts, in the wire form of FieldsV1.

- `f:<name>` is a field of an object, `k:<json>` the item of a list map with these keys, `v:<json>` the item of a set with this
  value, `i:<n>` the item at an index. The text is canonical: equal elements are equal strings.
- Elements are ordered as structured-merge-diff orders them: fields, keys, values, indices.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

import orjson

from apiserver.documents import JsonValue
from apiserver.errors import BadRequest
from apiserver.fields.values import quoted, whole

Order: TypeAlias = tuple[object, ...]

_RANKS = {"f": 0, "k": 1, "v": 2, "i": 3}
_SPECIAL = re.compile("[<>&\u2028\u2029]")
_HTML = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def key_element(keys: Mapping[str, JsonValue]) -> str:
    """The item of a list map."""
    pairs = (f"{_text(name)}:{value_text(keys[name])}" for name in sorted(keys))
    return "k:{" + ",".join(pairs) + "}"


def value_element(value: JsonValue) -> str:
    """The item of a set."""
    return f"v:{value_text(value)}"


@lru_cache(maxsize=8192)
def canonical_element(text: str) -> str:
    """The one form of an element; "" for a kind of element that is not known and to be passed over. Raises BadRequest."""
    if len(text) < 2:
        raise BadRequest("key must be 2 characters long:")
    if text[1] != ":":
        raise BadRequest(f"missing colon: {text}")
    kind, rest = text[0], text[2:]
    if kind == "f":
        return text
    if kind == "v":
        return value_element(_parsed(rest))
    if kind == "k":
        keys = _parsed(rest)
        if not isinstance(keys, dict):
            raise BadRequest(f"parsing key as path element: {text}")
        return key_element(keys)
    if kind == "i":
        if not rest.removeprefix("-").isascii() or not rest.removeprefix("-").isdigit() or len(rest) > 19:
            raise BadRequest(f"strconv.Atoi: parsing {quoted(rest)}: invalid syntax")
        return f"i:{int(rest)}"
    return ""


def ordered(elements: Iterable[str]) -> list[str]:
    """Sorted; `.`, the value itself, comes first."""
    result = sorted(elements)
    # Fields are in order already: code points sort as UTF-8 does.
    if result and result[-1][0] == "f" and result[0][0] in ".f":
        return result
    return sorted(result, key=_order)


def shown(element: str) -> str:
    """As messages print it: `.name`, `[name="a"]`, `[="x"]`, `[0]`."""
    kind, rest = element[0], element[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "i":
        return f"[{rest}]"
    value = orjson.loads(rest)
    if kind == "v":
        return f"[={_shown_value(value)}]"
    return "[" + ",".join(f"{name}={_shown_value(child)}" for name, child in value.items()) + "]"


def value_text(value: JsonValue) -> str:
    """As Go writes a scalar or a small value."""
    if isinstance(value, float):
        value = whole(value)
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return escape_html(text)


def escape_html(text: str) -> str:
    """JSON text with the characters escaped that Go escapes in it."""
    return text.translate(_HTML) if _SPECIAL.search(text) else text


def _text(name: str) -> str:
    return orjson.dumps(name).decode()


def _parsed(text: str) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError as err:
        raise BadRequest(f"parsing key as path element: {err}") from err
    return value


def _shown_value(value: JsonValue) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ",".join(_shown_value(child) for child in value) + "]"
    if isinstance(value, dict):
        return "".join(f"{name}={_shown_value(child)}" for name, child in value.items())
    return value_text(value)


@lru_cache(maxsize=8192)
def _order(element: str) -> Order:
    if element == ".":
        return (-1,)
    kind, rest = element[0], element[2:]
    rank = _RANKS[kind]
    if kind == "f":
        return (rank, rest)
    if kind == "i":
        return (rank, int(rest))
    value = orjson.loads(rest)
    if kind == "v":
        return (rank, *_value_order(value))
    return (rank, *((name, *_value_order(child)) for name, child in value.items()))


def _value_order(value: JsonValue) -> Order:
    """Numbers, strings, booleans, arrays, objects, null."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, (int, float)):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, list):
        return (3, tuple(_value_order(child) for child in value))
    if isinstance(value, dict):
        return (4, tuple((name, _value_order(child)) for name, child in sorted(value.items())))
    return (5, 0)
