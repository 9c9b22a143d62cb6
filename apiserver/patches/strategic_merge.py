"""Strategic merge patch (k8s.io/apimachinery strategicpatch).

- The schema says how a list is merged: `patch_strategy` merge, replace, retainKeys (comma-separated), `patch_merge_key` for lists
  of objects. Where it says nothing an object is merged and a list replaced. metadata is that of ObjectMeta.
- Directives are `$patch` (replace, delete, merge), `$retainKeys`, `$deleteFromPrimitiveList/<list>` and `$setElementOrder/<list>`.
"""

from dataclasses import dataclass
from typing import cast

from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest, UnexpectedValue
from apiserver.fields.depth import bounded
from apiserver.fields.shapes import field_schema, rooted
from apiserver.fields.values import copied
from apiserver.patches.element_order import in_order, mark_of, verify_order
from apiserver.patches.go_values import go_text
from apiserver.schema.structural import Schema

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_SET_ORDER = "$setElementOrder"


@bounded
def strategic_merge(document: JsonValue, patch: JsonValue, schema: Schema) -> JsonObject:
    """A new document that shares nothing with the two that are handed in. `schema` is the kind's.

    Raises BadRequest for a malformed patch, UnexpectedValue for one that the document does not fit.
    """
    if not isinstance(document, dict) or not isinstance(patch, dict):
        raise BadRequest("invalid JSON document")
    return _merge_objects(cast("JsonObject", copied(document)), cast("JsonObject", copied(patch)), rooted(schema))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """How a field is merged. `schema` is what lies in it: of an array, its items'."""

    schema: Schema | None
    strategies: frozenset[str]
    merge_key: str


def _field(schema: Schema | None, name: str, *, is_list: bool) -> _Field:
    child = field_schema(schema, name)[0]
    if child is None:
        return _Field(schema=None, strategies=frozenset(), merge_key="")
    return _Field(
        schema=child.items if is_list else child,
        strategies=frozenset(child.patch_strategy),
        merge_key=child.patch_merge_key,
    )


def _merge_objects(target: JsonObject, patch: JsonObject, schema: Schema | None) -> JsonObject:
    """Changes and may return both."""
    if _PATCH in patch:
        return _directed(patch)
    _retain_keys(target, patch)
    _merge_ordered(target, patch, schema)
    for key in [key for key in patch if key.startswith(_DELETE_FROM)]:
        _delete_from(target, _named(key, _DELETE_FROM, "primitive list"), patch.pop(key))
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            how = _field(schema, key, is_list=False)
            below = cast("JsonObject", target[key])
            target[key] = value if "replace" in how.strategies else _merge_objects(below, value, how.schema)
        elif isinstance(value, list) and isinstance(target.get(key), list):
            how = _field(schema, key, is_list=True)
            items = cast("list[JsonValue]", target[key])
            target[key] = _merge_lists(items, value, how, key) if "merge" in how.strategies else value
        else:
            _place(target, key, value)
    return target


def _directed(patch: JsonObject) -> JsonObject:
    directive = patch[_PATCH]
    if directive == "replace":
        del patch[_PATCH]
        return patch
    if directive == "delete":
        return {}
    raise UnexpectedValue(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")


def _retain_keys(target: JsonObject, patch: JsonObject) -> None:
    if _RETAIN_KEYS not in patch:
        return
    keys = patch.pop(_RETAIN_KEYS)
    if not isinstance(keys, list):
        raise BadRequest("invalid patch format of retainKeys")
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE_FROM, _SET_ORDER)) and key not in keys:
            raise BadRequest("invalid patch format of retainKeys")
    for key in [key for key in target if key not in keys]:
        del target[key]


def _merge_ordered(target: JsonObject, patch: JsonObject, schema: Schema | None) -> None:
    """Merges the lists whose order the patch says, and takes them out of the patch."""
    for directive in [key for key in patch if key.startswith(_SET_ORDER)]:
        order = patch.pop(directive)
        key = _named(directive, _SET_ORDER, "setElementOrder list")
        how = _field(schema, key, is_list=True)
        old, new = target.get(key), patch.get(key)
        for value in (order, old if key in target else [], new if key in patch else []):
            if not isinstance(value, list):
                raise UnexpectedValue(f"expected a []interface {{}}, but received a {_go_type(value)}")
        wanted = cast("list[JsonValue]", order)
        verify_order(new if isinstance(new, list) else [], wanted, how.merge_key)
        if isinstance(old, list):
            merged = _merge_lists(old, new, how, key) if isinstance(new, list) and "merge" in how.strategies else old
            if isinstance(new, list) and "merge" not in how.strategies:
                merged = new
        elif isinstance(new, list):
            merged = cast("list[JsonValue]", _undirected(new)[0])
        else:
            continue
        patch.pop(key, None)
        target[key] = in_order(merged, wanted, old if isinstance(old, list) else [], how.merge_key)


def _delete_from(target: JsonObject, key: str, values: JsonValue) -> None:
    items = target.get(key)
    if isinstance(items, list) and isinstance(values, list):
        gone = {mark_of(value, "") for value in values}
        target[key] = [item for item in items if mark_of(item, "") not in gone]


def _place(target: JsonObject, key: str, value: JsonValue) -> None:
    """Puts a value in whole: there was none, one of another type, or a scalar."""
    if isinstance(value, (dict, list)):
        _discard_nulls(value)
    kept, keep = _undirected(value)
    if keep:
        target[key] = kept
    else:
        target.pop(key, None)


def _merge_lists(target: list[JsonValue], patch: list[JsonValue], how: _Field, name: str) -> list[JsonValue]:
    elements = [*target, *patch]
    if any(isinstance(element, list) for element in elements):
        raise UnexpectedValue("lists of lists are not supported")
    kinds = {isinstance(element, dict) for element in elements}
    if len(kinds) > 1:
        raise UnexpectedValue("list element types are not identical")
    if kinds == {False}:
        once: dict[bytes, JsonValue] = {}
        for element in elements:
            once.setdefault(mark_of(element, ""), element)
        return in_order(list(once.values()), patch, target, "")
    if kinds and not how.merge_key:
        raise UnexpectedValue(f"cannot merge lists without merge key for {name}")
    old, new = _special(target, cast("list[JsonObject]", patch), how.merge_key)
    merged = list(old)
    places = {mark_of(item, how.merge_key): index for index, item in reversed(list(enumerate(merged)))}
    for element in new:
        mark = mark_of(element, how.merge_key)
        if mark in places:
            below = cast("JsonObject", merged[places[mark]])
            merged[places[mark]] = _merge_objects(below, cast("JsonObject", element), how.schema)
        else:
            places[mark] = len(merged)
            merged.append(element)
    return in_order(merged, new, old, how.merge_key)


def _special(
    target: list[JsonValue], patch: list[JsonObject], merge_key: str
) -> tuple[list[JsonValue], list[JsonValue]]:
    """The two lists behind the elements of the patch that are directives."""
    plain: list[JsonValue] = []
    gone = set()
    replaces = False
    for element in patch:
        directive = element.get(_PATCH)
        if _PATCH not in element:
            plain.append(element)
        elif directive == "delete":
            gone.add(mark_of(element, merge_key))
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise UnexpectedValue("merging lists cannot yet be specified in the patch")
        else:
            raise UnexpectedValue(f"unknown patch type: {go_text(directive)} in map: {go_text(element)}")
    if replaces:
        return plain, []
    return [item for item in target if mark_of(item, merge_key) not in gone] if gone else target, plain


def _named(key: str, prefix: str, what: str) -> str:
    head, _, name = key.partition("/")
    if head != prefix or not name:
        raise BadRequest(f"invalid patch format of {what}")
    return name


def _undirected(value: JsonValue) -> tuple[JsonValue, bool]:
    """A value without directives, and whether it stays: one that is a directive itself does not."""
    if isinstance(value, dict):
        if _PATCH in value:
            return None, False
        for name in list(value):
            child, keep = _undirected(value[name])
            if keep:
                value[name] = child
            else:
                del value[name]
        return value, True
    if isinstance(value, list):
        items: list[JsonValue] = []
        for item in value:
            child, keep = _undirected(item)
            if keep:
                items.append(child)
        return items, True
    return value, True


def _discard_nulls(value: JsonValue) -> None:
    if isinstance(value, dict):
        for name in [name for name, child in value.items() if child is None]:
            del value[name]
        for child in value.values():
            _discard_nulls(child)
    elif isinstance(value, list):
        for child in value:
            _discard_nulls(child)


def _go_type(value: JsonValue) -> str:
    return {dict: "map[string]interface {}", str: "string", bool: "bool", int: "int64", float: "float64"}.get(
        type(value), "%!s(<nil>)"
    )
