"""Defaulting: what a schema sets where a document is silent (apiextensions: structural defaulting).

- A null in a field that may not be null counts as silence: it becomes the default, or goes.
- Defaults are set within what is there; nothing makes an object just to fill it, unless the object itself has a default.
"""

from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.values import copied
from apiserver.schema.object_meta import OBJECT_META
from apiserver.schema.structural import Schema


def apply_defaults(schema: Schema, document: JsonObject) -> None:
    """Changes `document`."""
    _fill_object(schema, document)


def _fill(schema: Schema, value: JsonValue) -> None:
    if isinstance(value, dict):
        if schema.embedded_resource and isinstance(metadata := value.get("metadata"), dict):
            _fill_object(OBJECT_META, metadata)
        _fill_object(schema, value)
    elif isinstance(value, list) and schema.items is not None:
        _fill_list(schema.items, value)


def _fill_object(schema: Schema, value: JsonObject) -> None:
    properties, additional = schema.properties, schema.additional_properties
    for name, child in properties.items():
        if name in value:
            _fill_field(child, value, name)
        elif child.has_default:
            value[name] = copied(child.default)
            _fill(child, value[name])
    if isinstance(additional, Schema):
        for name in [name for name in value if name not in properties]:
            _fill_field(additional, value, name)


def _fill_field(schema: Schema, value: JsonObject, name: str) -> None:
    present = value[name]
    if present is None and not schema.nullable:
        if not schema.has_default:
            del value[name]
            return
        present = value[name] = copied(schema.default)
    if isinstance(present, (dict, list)):
        _fill(schema, present)


def _fill_list(items: Schema, value: list[JsonValue]) -> None:
    for index, child in enumerate(value):
        if child is None and not items.nullable and items.has_default:
            value[index] = copied(items.default)
        if isinstance(value[index], (dict, list)):
            _fill(items, value[index])
