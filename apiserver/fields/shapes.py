"""How a schema says that a value is owned: as one leaf, field by field, or item by item.

- An object is granular unless its map type is atomic; an array is one leaf unless its list type is set or map.
- Where there is no schema the same holds with the defaults: objects granular, arrays atomic ("deduced").
- metadata is that of ObjectMeta, whatever a kind's schema says of it; so it is in an embedded resource.
- An item that cannot be told from the others (without a key, or no scalar in a set) is nobody's; validation refuses it elsewhere.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.elements import key_element, value_element
from apiserver.schema.object_meta import OBJECT_META
from apiserver.schema.structural import Schema


class Shape(Enum):
    """LEAF: one owner; OBJECT: an owner for each field; ITEMS: an owner for each item; NOTHING: null."""

    LEAF = "leaf"
    OBJECT = "object"
    ITEMS = "items"
    NOTHING = "nothing"


_TEXT = Schema(type="string")
_ENVELOPE = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": OBJECT_META}


def rooted(schema: Schema) -> Schema:
    """A kind's schema with what all objects have: apiVersion, kind and metadata."""
    return replace(schema, properties={**schema.properties, **_ENVELOPE})


def shape_of(schema: Schema | None, value: JsonValue) -> Shape:
    """`schema` is None where there is none."""
    if value is None:
        return Shape.NOTHING
    if isinstance(value, dict):
        if schema is None:
            return Shape.OBJECT
        return Shape.OBJECT if schema.type in ("object", "") and schema.map_type != "atomic" else Shape.LEAF
    if isinstance(value, list):
        if schema is None or schema.type not in ("array", ""):
            return Shape.LEAF
        return Shape.ITEMS if schema.list_type in ("set", "map") else Shape.LEAF
    return Shape.LEAF


def is_untyped(schema: Schema | None) -> bool:
    """Whether a value may have any shape."""
    return schema is None or schema.type == ""


def is_atomic(schema: Schema | None) -> bool:
    """Whether all values of a schema are one leaf."""
    if schema is None or schema.type == "":
        return False
    if schema.type == "object":
        return schema.map_type == "atomic"
    return schema.type != "array" or schema.list_type not in ("set", "map")


def field_schema(schema: Schema | None, name: str) -> tuple[Schema | None, bool]:
    """The schema of a field, and whether it is declared by name."""
    if schema is None:
        return None, False
    declared = schema.properties.get(name)
    if schema.embedded_resource:
        declared = _ENVELOPE.get(name, declared)
    if declared is not None:
        return declared, True
    more = schema.additional_properties
    return (more if isinstance(more, Schema) else None), False


def elements_of(schema: Schema, items: Sequence[JsonValue]) -> list[str]:
    """The elements of a set's or a list map's items, in their order; "" for an item that has none."""
    if schema.list_type == "set":
        return ["" if isinstance(item, (dict, list)) or item is None else value_element(item) for item in items]
    found = (item_keys(schema, item) if isinstance(item, dict) else {} for item in items)
    return [key_element(keys) if keys else "" for keys in found]


def item_keys(schema: Schema, item: JsonObject) -> JsonObject:
    """The keys of a list map's item: those it has, and the defaults of those it has not."""
    keys: JsonObject = {}
    for name in schema.list_map_keys:
        if name in item:
            keys[name] = item[name]
            continue
        declared = schema.items.properties.get(name) if schema.items is not None else None
        if declared is not None and declared.default is not None:
            keys[name] = declared.default
    return keys
