"""Validation of a document against its schema, in kube-apiserver's words.

- Every fault is told, up to a number that a person can still read.
- JSON has one kind of number: 1.0 is an integer. True is none.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import orjson

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.field_errors import FieldError, FieldErrorType, duplicate, invalid, not_supported, required
from apiserver.schema.formats import is_format
from apiserver.schema.rules import rule_errors
from apiserver.schema.structural import Schema

_MOST_ERRORS = 100
_ENVELOPE = ("apiVersion", "kind", "metadata")


def validate(schema: Schema, document: JsonObject, old: JsonObject | None = None) -> list[FieldError]:
    """What is wrong with `document`; `old` is what it replaces, for rules about changes. metadata is not looked at."""
    errors = list(islice(_object_errors(schema, document, "", skipped=_ENVELOPE), _MOST_ERRORS))
    return errors or list(islice(rule_errors(schema, document, old), _MOST_ERRORS))


def _errors(schema: Schema, value: JsonValue, path: str) -> Iterator[FieldError]:
    if isinstance(value, OpaqueJson):
        return
    if value is None:
        if not schema.nullable and schema.type:
            yield _wrong_type(path, value, schema.type)
        return
    check = _TYPE_CHECKS.get("int-or-string" if schema.int_or_string else schema.type)
    if check is not None and not check(value):
        yield _wrong_type(path, value, "integer,string" if schema.int_or_string else schema.type)
        return
    yield from _content_errors(schema, value, path)
    if schema.enum and not any(_same(value, choice) for choice in schema.enum):
        yield not_supported(path, value, tuple(_shown(choice) for choice in schema.enum))
    if schema.has_junctors:
        yield from _junctor_errors(schema, value, path)


def _content_errors(schema: Schema, value: JsonValue, path: str) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from _text_errors(schema, value, path)
    elif isinstance(value, dict):
        yield from _object_errors(schema, value, path)
    elif isinstance(value, list):
        yield from _list_errors(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_errors(schema, value, path)


def _object_errors(
    schema: Schema, value: JsonObject, path: str, *, skipped: tuple[str, ...] = ()
) -> Iterator[FieldError]:
    for name in schema.required:
        if name not in value and name not in skipped:
            yield required(_below(path, name))
    properties = schema.properties
    additional = schema.additional_properties if isinstance(schema.additional_properties, Schema) else None
    for name, child in value.items():
        known = properties.get(name, additional)
        if known is not None and name not in skipped:
            yield from _errors(known, child, _below(path, name))
    yield from _size_errors(schema, value, path)
    if not path and schema.has_junctors:
        yield from _junctor_errors(schema, value, path)


def _size_errors(schema: Schema, value: JsonObject, path: str) -> Iterator[FieldError]:
    count = len(value)
    if schema.min_properties is not None and count < schema.min_properties:
        yield invalid(path, count, f"{path} in body should have at least {schema.min_properties} properties")
    if schema.max_properties is not None and count > schema.max_properties:
        yield _too_many(path, count, schema.max_properties)
    if schema.embedded_resource:
        for name in ("apiVersion", "kind"):
            if not value.get(name):
                yield required(_below(path, name), "must not be empty")


def _list_errors(schema: Schema, value: list[JsonValue], path: str) -> Iterator[FieldError]:
    if schema.items is not None:
        for index, child in enumerate(value):
            yield from _errors(schema.items, child, f"{path}[{index}]")
    count = len(value)
    if schema.min_items is not None and count < schema.min_items:
        yield invalid(path, count, f"{path} in body should have at least {schema.min_items} items")
    if schema.max_items is not None and count > schema.max_items:
        yield _too_many(path, count, schema.max_items)
    if schema.unique_items or schema.list_type == "set":
        yield from _duplicates(path, ((child, child) for child in value))
    elif schema.list_type == "map":
        yield from _duplicates(path, ((_list_key(schema, child), _list_key(schema, child)) for child in value))


def _list_key(schema: Schema, value: JsonValue) -> JsonValue:
    if not isinstance(value, dict) or schema.items is None:
        return value
    found: JsonObject = {}
    for name in schema.list_map_keys:
        child = schema.items.properties.get(name)
        key = value.get(name, child.default if child is not None else None)
        if key is not None:
            found[name] = key
    return found


def _duplicates(path: str, keyed: Iterator[tuple[JsonValue, JsonValue]]) -> Iterator[FieldError]:
    seen: set[bytes] = set()
    for index, (key, shown) in enumerate(keyed):
        mark = orjson.dumps(key, default=_octets, option=orjson.OPT_SORT_KEYS)
        if mark in seen:
            yield duplicate(f"{path}[{index}]", shown)
        seen.add(mark)


def _text_errors(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if schema.max_length is not None and len(value) > schema.max_length:
        detail = f"may not be more than {schema.max_length} bytes"
        yield FieldError(type=FieldErrorType.TOO_LONG, field=path, detail=detail)
    if schema.min_length is not None and len(value) < schema.min_length:
        yield invalid(path, value, f"{path} in body should be at least {schema.min_length} chars long")
    if schema.pattern is not None and not schema.pattern.search(value):
        written = schema.pattern.pattern.replace(r"\Z", "$")
        yield invalid(path, value, f"{path} in body should match '{written}'")
    if schema.format and not is_format(schema.format, value):
        yield invalid(path, value, f"{path} in body must be of type {schema.format}: {_shown(value)}")


def _number_errors(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    low, high = schema.minimum, schema.maximum
    if low is not None and (value <= low if schema.exclusive_minimum else value < low):
        words = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {low:g}")
    if high is not None and (value >= high if schema.exclusive_maximum else value > high):
        words = "less than" if schema.exclusive_maximum else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {high:g}")
    if schema.multiple_of and value % schema.multiple_of:
        yield invalid(path, value, f"{path} in body should be a multiple of {schema.multiple_of:g}")
    bits = {"int32": 31, "int64": 63}.get(schema.format)
    if bits is not None and not -(1 << bits) <= value < 1 << bits:
        yield invalid(path, value, f"{path} in body must be of type {schema.format}: {_shown(value)}")


def _junctor_errors(schema: Schema, value: JsonValue, path: str) -> Iterator[FieldError]:
    place = path or "<nil>"
    for one in schema.all_of:
        yield from _errors(one, value, path)
    if schema.any_of and all(_fails(one, value, path) for one in schema.any_of):
        yield invalid(place, "", f'"{path}" must validate at least one schema (anyOf)')
    if schema.one_of and sum(not _fails(one, value, path) for one in schema.one_of) != 1:
        yield invalid(place, "", f'"{path}" must validate one and only one schema (oneOf)')
    if schema.not_ is not None and not _fails(schema.not_, value, path):
        yield invalid(place, "", f'"{path}" must not validate the schema (not)')


def _fails(schema: Schema, value: JsonValue, path: str) -> bool:
    return next(_errors(schema, value, path), None) is not None


def _wrong_type(path: str, value: JsonValue, wanted: str) -> FieldError:
    detail = f'{path} in body must be of type {wanted}: "{_json_type(value)}"'
    return FieldError(type=FieldErrorType.TYPE_INVALID, field=path, value=_json_type(value), detail=detail)


def _too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError(type=FieldErrorType.TOO_MANY, field=path, value=count, detail=f"must have at most {most} items")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _same(value: JsonValue, choice: JsonValue) -> bool:
    """True is not 1 in JSON."""
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=_octets).decode()


def _octets(value: object) -> str:
    return repr(value)


def _json_type(value: JsonValue) -> str:
    kinds: Mapping[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return kinds.get(type(value), "null")


def _is_integer(value: JsonValue) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPE_CHECKS: Mapping[str, Callable[[JsonValue], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "int-or-string": lambda value: isinstance(value, str) or _is_integer(value),
}
