"""What differs between two documents (structured-merge-diff, TypedValue.Compare).

- Added and removed hold every path that came or went, containers included; modified holds leaves only.
- The order of items is nobody's: moving one changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.sets import FieldSet, Tree, attach, insert
from apiserver.fields.shapes import Shape, elements_of, field_schema, rooted, shape_of
from apiserver.fields.values import same
from apiserver.schema.structural import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Paths that came, that changed, and that went."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def taken(self) -> FieldSet:
        """What whoever made the change now manages."""
        return self.added.union(self.modified)

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.modified or self.removed)


def compare(schema: Schema, old: JsonObject, new: JsonObject) -> Comparison:
    """`schema` is the kind's; the documents are without managedFields."""
    trees = _Trees(added={}, modified={}, removed={})
    _compare_objects(rooted(schema), old, new, trees)
    return Comparison(added=FieldSet(trees.added), modified=FieldSet(trees.modified), removed=FieldSet(trees.removed))


@dataclass(frozen=True, slots=True)
class _Trees:
    """What is found below one path; changed while it is being found."""

    added: Tree
    modified: Tree
    removed: Tree


def _compare_objects(schema: Schema | None, old: JsonObject, new: JsonObject, trees: _Trees) -> None:
    for name, before in old.items():
        child, _ = field_schema(schema, name)
        if name in new:
            after = new[name]
            if before is not after:
                _compare_values(child, before, after, f"f:{name}", trees)
        else:
            trees.removed[f"f:{name}"] = _whole(child, before)
    for name, after in new.items():
        if name not in old:
            trees.added[f"f:{name}"] = _whole(field_schema(schema, name)[0], after)


def _compare_values(schema: Schema | None, old: JsonValue, new: JsonValue, element: str, trees: _Trees) -> None:
    before, after = shape_of(schema, old), shape_of(schema, new)
    shapes = {before, after} - {Shape.NOTHING}  # null is what the other one is
    if before is after or len(shapes) == 1:
        _compare_as(shapes.pop() if shapes else Shape.LEAF, schema, old, new, element, trees)
        return
    # Of two shapes: what the old one had went, what the new one has came, and the value itself changed where either is a leaf.
    _compare_as(before, schema, old, new, element, trees)
    _compare_as(after, schema, old, new, element, trees)


def _compare_as(
    shape: Shape, schema: Schema | None, old: JsonValue, new: JsonValue, element: str, trees: _Trees
) -> None:
    below = _Trees(added={}, modified={}, removed={})
    if shape is Shape.OBJECT:
        before, after = _fields(old), _fields(new)
        if before or after:
            _compare_objects(schema, before, after, below)
            _attach(trees, element, below)
            return
    elif shape is Shape.ITEMS and schema is not None:
        old_items, new_items = _items(old), _items(new)
        if old_items or new_items:
            _compare_items(schema, old_items, new_items, below)
            _attach(trees, element, below)
            return
    if not same(old, new):
        insert(trees.modified, element)


def _compare_items(schema: Schema, old: list[JsonValue], new: list[JsonValue], trees: _Trees) -> None:
    before, after = _indexed(schema, old), _indexed(schema, new)
    for element in dict.fromkeys((*before, *after)):
        olds, news = before.get(element, ()), after.get(element, ())
        if len(olds) == 1 and len(news) == 1:
            if olds[0] is not news[0]:
                _compare_values(schema.items, olds[0], news[0], element, trees)
        elif len(olds) > 1 and len(news) > 1:
            if not same(list(olds), list(news)):
                insert(trees.modified, element)
        else:
            # One comes or goes; of several with one element only the element itself is known.
            if olds:
                trees.removed[element] = _whole(schema.items, olds[0]) if len(olds) == 1 else {}
            if news:
                trees.added[element] = _whole(schema.items, news[0]) if len(news) == 1 else {}


def _indexed(schema: Schema, items: list[JsonValue]) -> dict[str, Sequence[JsonValue]]:
    indexed: dict[str, list[JsonValue]] = {}
    for element, item in zip(elements_of(schema, items), items, strict=True):
        if element:
            indexed.setdefault(element, []).append(item)
    return {**indexed}


def _whole(schema: Schema | None, value: JsonValue) -> Tree:
    """All paths of a value that is there on one side only, as the node of its own path."""
    tree: Tree = {}
    shape = shape_of(schema, value)
    if shape is Shape.OBJECT and isinstance(value, dict):
        for name, child in value.items():
            tree[f"f:{name}"] = _whole(field_schema(schema, name)[0], child)
    elif shape is Shape.ITEMS and schema is not None and isinstance(value, list):
        for element, items in _indexed(schema, value).items():
            tree[element] = _whole(schema.items, items[0]) if len(items) == 1 else {}
    if tree:
        tree["."] = {}
    return tree


def _attach(trees: _Trees, element: str, below: _Trees) -> None:
    attach(trees.added, element, below.added)
    attach(trees.modified, element, below.modified)
    attach(trees.removed, element, below.removed)


def _fields(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
