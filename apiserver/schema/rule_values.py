"""What a validation rule sees of a document: typed values, and only what a schema declares.

- A field that is null is one that is not there. Of a whole object apiVersion, kind and the name are seen; of metadata nothing else.
- A declared field has the name that CEL can write: `a-b` is `a__dash__b`, `in` is `__in__` (k8s.io/apiserver/pkg/cel Escape).
- Times, durations and octets are such where the rule is about them, and texts where they are within something else, where the
  evaluator takes nothing but what JSON has: `timestamp(self.end)` and `duration(self.length)` are right in both cases.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.schema.cel import Declaration
from apiserver.schema.formats import duration_seconds
from apiserver.schema.structural import Schema

_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED = re.compile(r"__|[./-]")
_NAME = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*", re.ASCII)
_TEXT = Schema(type="string")
_METADATA = Schema(type="object", properties={"name": _TEXT, "generateName": _TEXT})
_SCALARS: Mapping[str, Declaration] = {
    "integer": ("int",),
    "number": ("double",),
    "boolean": ("bool",),
    "string": ("string",),
}
_FORMATS: Mapping[str, Declaration] = {
    "byte": ("bytes",),
    "date": ("timestamp",),
    "date-time": ("timestamp",),
    "datetime": ("timestamp",),
    "duration": ("duration",),
}
_DYNAMIC: Declaration = ("dyn",)


def declaration(schema: Schema, *, within: bool = False) -> Declaration:
    """The type of a value in CEL. `within` says that the value is part of another."""
    if schema.int_or_string:
        return _DYNAMIC
    if schema.type == "array" and schema.items is not None:
        return ("list", _element(schema.items))
    if schema.type == "object":
        additional = schema.additional_properties
        return ("map", _element(additional) if isinstance(additional, Schema) else _DYNAMIC)
    if schema.type == "string" and not within:
        return _FORMATS.get(schema.format, _SCALARS["string"])
    return _SCALARS.get(schema.type, _DYNAMIC)


def _element(schema: Schema) -> Declaration:
    """Of an item, or a map's value, which may be null where a field cannot."""
    return _DYNAMIC if schema.nullable else declaration(schema, within=True)


@cache
def escaped(name: str) -> str | None:
    """A field's name in CEL; None where it has none."""
    if not _NAME.fullmatch(name):
        return None
    if name in _RESERVED:
        return f"__{name}__"
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


def visible_fields(schema: Schema, *, is_root: bool) -> Mapping[str, Schema]:
    """The declared fields of an object by their names in the document."""
    if is_root or schema.embedded_resource:
        return {**schema.properties, "apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA}
    return schema.properties


def typed(schema: Schema, value: JsonValue, *, is_root: bool = False) -> object:
    """A value as the evaluator takes it."""
    if isinstance(value, str) and schema.format in _FORMATS and declaration(schema) != _DYNAMIC:
        return _formatted(schema.format, value)
    return _within(schema, value, is_root=is_root)


def _within(schema: Schema, value: JsonValue, *, is_root: bool = False) -> object:
    if isinstance(value, dict):
        return _object(schema, value, is_root=is_root)
    if isinstance(value, list):
        return [_within(schema.items, child) for child in value] if schema.items is not None else []
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and (schema.type == "integer" or schema.int_or_string) and value.is_integer():
        return int(value)
    return value


def _object(schema: Schema, value: JsonObject, *, is_root: bool) -> dict[str, object]:
    additional = schema.additional_properties
    if isinstance(additional, Schema):
        return {name: _within(additional, child) for name, child in value.items()}
    fields: dict[str, object] = {}
    known = visible_fields(schema, is_root=is_root)
    for name, child in value.items():
        field = known.get(name)
        if field is None or child is None or isinstance(child, OpaqueJson) or (key := escaped(name)) is None:
            continue
        fields[key] = _within(field, child)
    return fields


def _formatted(name: str, text: str) -> object:
    """A text that is of the format; the text itself where Python has no such value."""
    try:
        if name == "byte":
            return base64.b64decode(text)
        if name == "duration":
            return timedelta(seconds=duration_seconds(text) or 0.0)
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper().replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
