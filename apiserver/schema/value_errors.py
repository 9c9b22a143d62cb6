"""One value against one node of a schema: its type, its enumeration, its size, in kube-apiserver's words.

- JSON has one kind of number: 1.0 is an integer. True is none, and neither is what a 64-bit integer cannot hold.
- Nothing here looks into an object or an array.
"""

from collections.abc import Callable, Mapping

import orjson

from apiserver.documents import JsonValue, OpaqueJson
from apiserver.field_errors import FieldError, FieldErrorType, go_number, invalid, not_supported
from apiserver.fields.values import quoted, same
from apiserver.schema.formats import is_format
from apiserver.schema.structural import Schema

_LARGEST_EXACT_FLOAT = (1 << 53) - 1
_LARGEST_SINGLE = 3.4028234663852886e38  # of float32
_MULTIPLE_TOLERANCE = 1e-9
_ROOT = "<nil>"  # the field of errors that stand for no single one


def scalar_errors(schema: Schema, value: JsonValue, path: str) -> list[FieldError]:
    """All that can be wrong with a value that is no object and no array, junctors and rules apart."""
    errors = type_errors(schema, value, path)
    if schema.enum:
        errors += enum_errors(schema, value, path)
    if isinstance(value, str):
        return errors + _text_errors(schema, value, path)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return errors + _number_errors(schema, value, path)
    return errors


def type_errors(schema: Schema, value: JsonValue, path: str) -> list[FieldError]:
    """At most one error; where there is none, the value has the type that the schema asks for."""
    wanted = "integer,string" if schema.int_or_string else schema.type
    if value is None:
        return [] if schema.nullable or not wanted else [_wrong_type(path, wanted, "null")]
    if not wanted or _TYPE_CHECKS[wanted](value):
        return []
    shown = _type_name(value)
    if schema.format and not isinstance(value, (str, list)):
        return [_wrong_type(path, schema.format, {"integer": "int64", "number": "float64"}.get(shown, ""))]
    return [_wrong_type(path, wanted, shown)]


def enum_errors(schema: Schema, value: JsonValue, path: str) -> list[FieldError]:
    if not schema.enum or (value is not None and any(same(value, choice) for choice in schema.enum)):
        return []
    return [not_supported(path, value, tuple(_choice(choice) for choice in schema.enum))]


def object_size_errors(schema: Schema, count: int, path: str) -> list[FieldError]:
    if schema.min_properties is not None and count < schema.min_properties:
        return [
            invalid(path or _ROOT, count, f"{path} in body should have at least {schema.min_properties} properties")
        ]
    if schema.max_properties is not None and count > schema.max_properties:
        return [_too_many(path, count, schema.max_properties)]
    return []


def list_size_errors(schema: Schema, count: int, path: str) -> list[FieldError]:
    if schema.min_items is not None and count < schema.min_items:
        return [invalid(path, count, f"{path} in body should have at least {schema.min_items} items")]
    if schema.max_items is not None and count > schema.max_items:
        return [_too_many(path, count, schema.max_items)]
    return []


def _text_errors(schema: Schema, value: str, path: str) -> list[FieldError]:
    """Length in characters, then pattern; the first that is wrong. And the format."""
    errors: list[FieldError] = []
    if schema.max_length is not None and len(value) > schema.max_length:
        detail = f"may not be more than {schema.max_length} byte{'' if schema.max_length == 1 else 's'}"
        errors.append(FieldError(type=FieldErrorType.TOO_LONG, field=path, detail=detail))
    elif schema.min_length is not None and len(value) < schema.min_length:
        errors.append(invalid(path, value, f"{path} in body should be at least {schema.min_length} chars long"))
    elif schema.pattern is not None and not schema.pattern.occurs_in(value):
        errors.append(invalid(path, value, f"{path} in body should match '{schema.pattern.text}'"))
    if schema.format and not is_format(schema.format, value):
        errors.append(_wrong_type(path, schema.format, value))
    return errors


def _number_errors(schema: Schema, value: float, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not _is_in_range(schema, value):
        named = f"with format {schema.format}" if schema.format else "(default format)"
        errors.append(invalid(_ROOT, "", f"Checked value must be of type {schema.type} {named} in {path}"))
    if schema.multiple_of is not None and not _is_multiple(value, schema.multiple_of):
        errors.append(invalid(path, value, f"{path} in body should be a multiple of {go_number(schema.multiple_of)}"))
    low, high = schema.minimum, schema.maximum
    if low is not None and (value <= low if schema.exclusive_minimum else value < low):
        words = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        errors.append(invalid(path, value, f"{path} in body should be {words} {go_number(low)}"))
    if high is not None and (value >= high if schema.exclusive_maximum else value > high):
        words = "less than" if schema.exclusive_maximum else "less than or equal to"
        errors.append(invalid(path, value, f"{path} in body should be {words} {go_number(high)}"))
    return errors


def _wrong_type(path: str, wanted: str, shown: str) -> FieldError:
    detail = f"{path} in body must be of type {wanted}: {quoted(shown)}"
    return FieldError(type=FieldErrorType.TYPE_INVALID, field=path or _ROOT, value=shown, detail=detail)


def _too_many(path: str, count: int, most: int) -> FieldError:
    detail = f"must have at most {most} item{'' if most == 1 else 's'}"
    return FieldError(type=FieldErrorType.TOO_MANY, field=path or _ROOT, value=count, detail=detail)


def _choice(value: JsonValue) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _is_in_range(schema: Schema, value: float) -> bool:
    """Whether the type, in its format, has such a number."""
    if schema.type == "integer":
        return float(value).is_integer() and (schema.format != "int32" or -(1 << 31) <= value < 1 << 31)
    return schema.format != "float" or abs(value) <= _LARGEST_SINGLE


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and float(factor).is_integer():
        return value % int(factor) == 0
    times = 1 / factor * value if factor < 1 else value / factor
    return abs(times - round(times)) <= _MULTIPLE_TOLERANCE * max(1.0, abs(times))


def _is_integer(value: JsonValue) -> bool:
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _LARGEST_EXACT_FLOAT
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63


def _type_name(value: JsonValue) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and not _is_integer(value):
        return "number"
    return _TYPE_NAMES.get(type(value), "object")


_TYPE_NAMES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    OpaqueJson: "object",
}
_TYPE_CHECKS: Mapping[str, Callable[[JsonValue], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer,string": lambda value: isinstance(value, str) or _is_integer(value),
}
