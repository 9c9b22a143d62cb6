"""A document without a set of fields, and what that set must hold (structured-merge-diff, TypedValue.RemoveItems).

- An object or array whose parts are all removed stays, empty; only being a member itself removes it.
- The result shares values with the document, which does not change.
"""

from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.sets import FieldSet, Tree, is_member
from apiserver.fields.shapes import Shape, elements_of, field_schema, rooted, shape_of
from apiserver.schema.structural import Schema


def remove(schema: Schema, document: JsonObject, fields: FieldSet) -> JsonObject:
    """`schema` is the kind's."""
    return _remove_fields(rooted(schema), document, fields.tree)


def with_declared(schema: Schema, fields: FieldSet) -> FieldSet:
    """`fields` and every declared field that has some of them below: a manager of `.spec.x` is one of `.spec` here."""
    return FieldSet(_with_declared(rooted(schema), fields.tree))


def _remove_fields(schema: Schema | None, document: JsonObject, tree: Tree) -> JsonObject:
    result: JsonObject = {}
    for name, value in document.items():
        node = tree.get(f"f:{name}")
        if node is None:
            result[name] = value
        elif not is_member(node):
            result[name] = _remove_parts(field_schema(schema, name)[0], value, node)
    return result


def _remove_items(schema: Schema, items: list[JsonValue], tree: Tree) -> list[JsonValue]:
    result: list[JsonValue] = []
    for element, item in zip(elements_of(schema, items), items, strict=True):
        node = tree.get(element)
        if node is None:
            result.append(item)
        elif not is_member(node):
            result.append(_remove_parts(schema.items, item, node))
    return result


def _remove_parts(schema: Schema | None, value: JsonValue, tree: Tree) -> JsonValue:
    shape = shape_of(schema, value)
    if shape is Shape.OBJECT and isinstance(value, dict):
        return _remove_fields(schema, value, tree)
    if shape is Shape.ITEMS and schema is not None and isinstance(value, list):
        return _remove_items(schema, value, tree)
    if isinstance(value, dict):
        return {}
    return [] if isinstance(value, list) else value


def _with_declared(schema: Schema | None, tree: Tree) -> Tree:
    result: Tree = {}
    for element, node in tree.items():
        if element == "." or not node:
            result[element] = node
            continue
        child, declared = _child_schema(schema, element)
        below = _with_declared(child, node)
        if declared and "." not in below:
            below["."] = {}
        result[element] = below
    return result


def _child_schema(schema: Schema | None, element: str) -> tuple[Schema | None, bool]:
    if element.startswith("f:"):
        return field_schema(schema, element[2:])
    return (schema.items if schema is not None else None), False
