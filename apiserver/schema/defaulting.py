"""Defaulting: what a schema sets where a document is silent (apiextensions: structural defaulting).

- A null in a field that may not be null counts as silence: it becomes the default, or goes.
- Defaults are set within what is there; nothing makes an object just to fill it, unless the object itself has a default.
"""

from copy import deepcopy

from apiserver.documents import JsonObject, JsonValue
from apiserver.schema.structural import Schema


def apply_defaults(schema: Schema, document: JsonObject) -> None:
    """Changes `document`."""
    _fill_object(schema, document)


def has_defaults(schema: Schema) -> bool:
    """Whether there is a default anywhere in a schema."""
    children = [*schema.properties.values()]
    if isinstance(schema.additional_properties, Schema):
        children.append(schema.additional_properties)
    if schema.items is not None:
        children.append(schema.items)
    return any(child.has_default or has_defaults(child) for child in children)


def _fill(schema: Schema, value: JsonValue) -> None:
    if isinstance(value, dict):
        _fill_object(schema, value)
    elif isinstance(value, list) and schema.items is not None and schema.items.type in {"object", "array", ""}:
        for child in value:
            _fill(schema.items, child)


def _fill_object(schema: Schema, value: JsonObject) -> None:
    for name, child in schema.properties.items():
        _fill_field(child, value, name)
    additional = schema.additional_properties
    if isinstance(additional, Schema):
        for name in [name for name in value if name not in schema.properties]:
            _fill_field(additional, value, name, declared=False)


def _fill_field(schema: Schema, value: JsonObject, name: str, *, declared: bool = True) -> None:
    """`declared`: the field is one that the schema names, and so has a place even where the document is silent."""
    if name not in value:
        if declared and schema.has_default:
            value[name] = deepcopy(schema.default)
    elif value[name] is None and not schema.nullable:
        if schema.has_default:
            value[name] = deepcopy(schema.default)
        elif declared and schema.type and not schema.preserve_unknown_fields:
            del value[name]
    present = value.get(name)
    if isinstance(present, (dict, list)):
        _fill(schema, present)
