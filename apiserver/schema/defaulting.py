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
        if name in value:
            if value[name] is None and not child.nullable:
                if child.has_default:
                    value[name] = deepcopy(child.default)
                elif not (child.preserve_unknown_fields or child.type == ""):
                    del value[name]
        elif child.has_default:
            value[name] = deepcopy(child.default)
        present = value.get(name)
        if isinstance(present, (dict, list)):
            _fill(child, present)
    additional = schema.additional_properties
    if isinstance(additional, Schema):
        for name in [name for name in value if name not in schema.properties]:
            present = value[name]
            if present is None and not additional.nullable and additional.has_default:
                value[name] = deepcopy(additional.default)
            elif isinstance(present, (dict, list)):
                _fill(additional, present)
