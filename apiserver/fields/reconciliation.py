"""Field sets from when a schema was another: what has become one leaf is owned as one leaf."""

from apiserver.fields.sets import FieldSet, Tree
from apiserver.fields.shapes import field_schema, is_atomic, rooted
from apiserver.schema.structural import Schema


def reconcile(schema: Schema, fields: FieldSet) -> FieldSet:
    """`fields` as `schema`, the kind's, would have them. The other way, from atomic to granular, nothing changes."""
    tree = _reconcile(rooted(schema), fields.tree)
    return fields if tree is fields.tree else FieldSet(tree)


def _reconcile(schema: Schema, tree: Tree) -> Tree:
    changed: Tree = {}
    for element, node in tree.items():
        if not node:
            continue
        child = field_schema(schema, element[2:])[0] if element.startswith("f:") else schema.items
        if child is None:
            continue
        below: Tree = {} if is_atomic(child) else _reconcile(child, node)
        if below is not node:
            changed[element] = below
    return {**tree, **changed} if changed else tree
