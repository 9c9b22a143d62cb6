"""Sets of field paths, and their wire form FieldsV1 (structured-merge-diff, fieldpath.Set).

- A set is a tree whose edges are path elements. An empty node is a member; `.` in a node says that a node with children is a member
  as well. The tree is the wire form itself, with canonical elements.
- A tree is never changed once a set has it: sets share their subtrees.
- The empty path, the whole document, is in no set.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest
from apiserver.fields.elements import canonical_element, ordered, shown

Tree: TypeAlias = "dict[str, Tree]"
Path: TypeAlias = tuple[str, ...]

_DEEPEST = 250
_MOST = 500_000  # elements of one set: more than the largest body has leaves

LEAF: Tree = {}


@dataclass(frozen=True, slots=True)
class FieldSet:
    """`tree` is as the module says; whoever makes one keeps its invariants and never changes it afterwards."""

    tree: Tree

    @classmethod
    def of(cls, *paths: Iterable[str]) -> "FieldSet":
        """Of paths of canonical elements."""
        tree: Tree = {}
        for path in paths:
            steps = tuple(path)
            node: Tree = {}
            for step in reversed(steps):
                node = {step: node}
            if steps:
                tree = unite(tree, node)
        return cls(tree)

    @classmethod
    def from_document(cls, document: JsonValue) -> "FieldSet":
        """From FieldsV1. Raises BadRequest."""
        if not isinstance(document, dict):
            raise BadRequest("fieldsV1 must be an object")
        return cls(_parsed(document, [_MOST], 0))

    @property
    def document(self) -> JsonObject:
        """As FieldsV1, in order."""
        return cast("JsonObject", _sorted(self.tree))

    def __bool__(self) -> bool:
        return bool(self.tree)

    def __len__(self) -> int:
        return _size(self.tree)

    def __contains__(self, path: object) -> bool:
        node = self.tree
        for step in cast("Path", path):
            child = node.get(step)
            if child is None:
                return False
            node = child
        return bool(path) and is_member(node)

    def below(self, element: str) -> "FieldSet":
        """What the set has behind one step, without the step itself."""
        return FieldSet({step: child for step, child in self.tree.get(element, LEAF).items() if step != "."})

    def union(self, other: "FieldSet") -> "FieldSet":
        if not self.tree or not other.tree:
            return self if self.tree else other
        return FieldSet(unite(self.tree, other.tree))

    def intersection(self, other: "FieldSet") -> "FieldSet":
        return FieldSet(_common(self.tree, other.tree))

    def difference(self, other: "FieldSet") -> "FieldSet":
        """Member by member: what lies below a member of `other` stays."""
        return FieldSet(_without(self.tree, other.tree)) if other.tree else self

    def recursive_difference(self, other: "FieldSet") -> "FieldSet":
        """A member of `other` takes all that lies below it away, too."""
        return FieldSet(_without_below(self.tree, other.tree)) if other.tree else self

    def leaves(self) -> "FieldSet":
        """The members that have none below them."""
        return FieldSet(_leaves(self.tree))

    def paths(self) -> Iterator[Path]:
        """All members: at each level first the members there, then what lies below, in order."""
        return _walk(self.tree, ())


EMPTY = FieldSet({})


def show_path(path: Path) -> str:
    """As conflicts print it: `.spec.containers[name="a"].image`."""
    return "".join(map(shown, path))


def is_member(node: Tree) -> bool:
    """Whether the path to a node that stands in a tree is a member."""
    return not node or "." in node


def insert(tree: Tree, element: str) -> None:
    """Makes an element a member of a tree that is being made."""
    node = tree.get(element)
    if node is None:
        tree[element] = {}
    elif node:
        node["."] = {}


def attach(tree: Tree, element: str, below: Tree) -> None:
    """Puts what lies below an element into a tree that is being made; nothing, where that is empty."""
    if below:
        node = tree.get(element)
        tree[element] = below if node is None else _joined(node, below)


def unite(left: Tree, right: Tree) -> Tree:
    """The union of two trees, of which neither changes."""
    result = dict(left)
    for element, node in right.items():
        present = result.get(element)
        result[element] = node if present is None or present is node else _joined(present, node)
    return result


def _joined(left: Tree, right: Tree) -> Tree:
    if not left or not right:
        rest = left or right
        return {".": {}, **rest} if rest else rest
    return unite(left, right)


def _common(left: Tree, right: Tree) -> Tree:
    result: Tree = {}
    for element, node in left.items():
        if element == "." or element not in right:
            continue
        other = right[element]
        if node is other:
            result[element] = node
            continue
        both = is_member(node) and is_member(other)
        below = _common(node, other) if node and other else {}
        if both or below:
            result[element] = _node(below, member=both)
    return result


def _without(left: Tree, right: Tree) -> Tree:
    result: Tree = {}
    for element, node in left.items():
        if element == ".":
            continue
        other = right.get(element)
        if other is None:
            result[element] = node
            continue
        member = is_member(node) and not is_member(other)
        below = _without(node, other) if node else {}
        if member or below:
            result[element] = _node(below, member=member)
    return result


def _without_below(left: Tree, right: Tree) -> Tree:
    result: Tree = {}
    for element, node in left.items():
        if element == ".":
            continue
        other = right.get(element)
        if other is None:
            result[element] = node
        elif not is_member(other):
            below = _without_below(node, other)
            if below or is_member(node):
                result[element] = _node(below, member=is_member(node))
    return result


def _leaves(tree: Tree) -> Tree:
    result: Tree = {}
    for element, node in tree.items():
        if element != ".":
            result[element] = _leaves(node) if node else node
    return result


def _node(below: Tree, *, member: bool) -> Tree:
    return {".": {}, **below} if member and below else below


def _parsed(document: JsonObject, left: list[int], depth: int) -> Tree:
    if depth > _DEEPEST:
        raise BadRequest(f"fieldsV1 is nested more than {_DEEPEST} levels deep")
    tree: Tree = {}
    for text, child in document.items():
        left[0] -= 1
        if left[0] < 0:
            raise BadRequest(f"fieldsV1 has more than {_MOST} elements")
        if text == ".":
            tree["."] = {}
            continue
        element = canonical_element(text)
        if child is None:
            child = {}  # noqa: PLW2901 - null is an empty object, as in every map of the API
        if not isinstance(child, dict):
            raise BadRequest(f"fieldsV1: {text} must be an object")
        if element:
            node = _parsed(child, left, depth + 1)
            present = tree.get(element)
            tree[element] = node if present is None else _joined(present, node)
    if len(tree) == 1 and "." in tree:
        return {}
    if depth == 0:
        tree.pop(".", None)
    return tree


def _sorted(tree: Tree) -> Tree:
    if len(tree) < 2:
        return {element: _sorted(node) if node else {} for element, node in tree.items()}
    return {element: _sorted(tree[element]) if tree[element] else {} for element in ordered(tree)}


def _size(tree: Tree) -> int:
    return sum((1 if not node else _size(node)) for element, node in tree.items() if element != ".") + ("." in tree)


def _walk(tree: Tree, path: Path) -> Iterator[Path]:
    elements = [element for element in ordered(tree) if element != "."]
    for element in elements:
        if is_member(tree[element]):
            yield (*path, element)
    for element in elements:
        if tree[element]:
            yield from _walk(tree[element], (*path, element))
