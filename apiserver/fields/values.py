"""JSON values as Kubernetes compares, copies and shows them.

- Numbers are equal by value whatever their type; a boolean is never a number, though Python thinks so.
- An `OpaqueJson` is a value like a string: compared by its octets, never looked into.
"""

import orjson

from apiserver.documents import JsonValue

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def same(left: JsonValue, right: JsonValue) -> bool:
    """Whether two values are equal as JSON."""
    if left is right:
        return True
    if left != right:
        return False
    # Python's equality is right but for True == 1 and False == 0. Texts tell, and quickly, where fields stand in the same order.
    return (isinstance(left, (dict, list)) and _same_text(left, right)) or _same_booleans(left, right)


def copied(value: JsonValue) -> JsonValue:
    """A value that shares no object and no array with `value`."""
    if isinstance(value, dict):
        fields: dict[str, JsonValue] = {}
        for name, child in value.items():
            fields[name] = copied(child) if isinstance(child, (dict, list)) else child
        return fields
    if isinstance(value, list):
        items: list[JsonValue] = []
        for child in value:
            items.append(copied(child) if isinstance(child, (dict, list)) else child)  # noqa: PERF401 - one frame a level
        return items
    return value


def quoted(text: str) -> str:
    """As Go prints a string with %q."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() else _escaped(char)) for char in text) + '"'


def whole(number: float) -> int | float:
    """A float without a fraction as the integer that Go writes for it."""
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def _same_text(left: JsonValue, right: JsonValue) -> bool:
    try:
        return orjson.dumps(left) == orjson.dumps(right)
    except TypeError:  # something opaque is in it, or it is too deep to be written
        return False


def _same_booleans(left: JsonValue, right: JsonValue) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        for name, child in left.items():
            other = right[name]
            if child is not other and not _same_booleans(child, other):
                return False
        return True
    if isinstance(left, list) and isinstance(right, list):
        for child, other in zip(left, right, strict=True):  # noqa: SIM110 - a generator would take another frame a level
            if child is not other and not _same_booleans(child, other):
                return False
        return True
    return isinstance(left, bool) == isinstance(right, bool)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
