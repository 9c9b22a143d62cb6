"""From a document to the fields that it names (structured-merge-diff, TypedValue.ToFieldSet)."""

from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.sets import FieldSet, Tree
from apiserver.fields.shapes import Shape, elements_of, field_schema, rooted, shape_of
from apiserver.schema.structural import Schema


def extract(schema: Schema, document: JsonObject) -> FieldSet:
    """Leaves, items and undeclared fields. `schema` is the kind's."""
    return FieldSet(_fields(rooted(schema), document))


def _fields(schema: Schema | None, document: JsonObject) -> Tree:
    tree: Tree = {}
    for name, value in document.items():
        child, declared = field_schema(schema, name)
        leaf, below = _parts(child, value)
        # A declared object is there because of its fields, an empty one only because it was named.
        member = leaf or not declared or value is None or value == {}
        if member:
            tree[f"f:{name}"] = {".": {}, **below} if below else {}
        elif below:
            tree[f"f:{name}"] = below
    return tree


def _items(schema: Schema, items: list[JsonValue]) -> Tree:
    tree: Tree = {}
    for element, item in zip(elements_of(schema, items), items, strict=True):
        if element in tree:
            tree[element] = {}  # duplicates are owned as one, whatever is in them
        elif element:
            below = _parts(schema.items, item)[1]
            tree[element] = {".": {}, **below} if below else {}
    return tree


def _parts(schema: Schema | None, value: JsonValue) -> tuple[bool, Tree]:
    """Whether a value is one leaf, and otherwise what lies below it."""
    shape = shape_of(schema, value)
    if shape is Shape.OBJECT and isinstance(value, dict):
        return False, _fields(schema, value)
    if shape is Shape.ITEMS and schema is not None and isinstance(value, list):
        return False, _items(schema, value)
    return shape is Shape.LEAF, {}
