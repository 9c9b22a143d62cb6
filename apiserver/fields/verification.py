"""Whether an applied document is of its kind's types, in the words of structured-merge-diff.

- Types, undeclared fields, and items that are there twice; everything else is validation's, later.
"""

from collections.abc import Iterator, Mapping

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.errors import UnexpectedValue
from apiserver.fields.elements import shown
from apiserver.fields.shapes import elements_of, field_schema, rooted
from apiserver.fields.values import quoted
from apiserver.schema.structural import Schema


def verify_applied(schema: Schema, document: JsonObject, api_version: str) -> None:
    """Raises UnexpectedValue, with all faults: a server error to the caller, as from kube-apiserver."""
    faults = list(_object_faults(rooted(schema), document, preserves=False))
    if faults:
        metadata = document.get("metadata")
        names = metadata if isinstance(metadata, dict) else {}
        where = f"{names.get('namespace') or ''}/{names.get('name') or ''}; {api_version}, Kind={document.get('kind') or ''}"
        why = faults[0] if len(faults) == 1 else "errors:\n" + "\n".join(f"  {fault}" for fault in faults)
        raise UnexpectedValue(f"failed to create typed patch object ({where}): {why}")


def _object_faults(schema: Schema | None, document: JsonObject, *, preserves: bool) -> Iterator[str]:
    """Each with the path from here, which only a fault is worth."""
    preserves = preserves or (schema is not None and schema.preserve_unknown_fields)
    declared = schema.properties if schema is not None else {}
    for name, value in document.items():
        child = declared.get(name) or field_schema(schema, name)[0]
        if child is None:
            if schema is not None and not preserves and _is_closed(schema):
                yield f".{name}: field not declared in schema"
        elif type(value) not in _FITTING[child.type]:  # most values are scalars that fit
            for fault in _faults(child, value, preserves=preserves):
                yield f".{name}{fault}"


def _faults(schema: Schema, value: JsonValue, *, preserves: bool) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, dict) and schema.type in ("object", ""):
        yield from _object_faults(schema, value, preserves=preserves)
    elif isinstance(value, list) and schema.type in ("array", ""):
        yield from _item_faults(schema, value, preserves=preserves)
    elif type(value) not in _FITTING[schema.type] and not isinstance(value, OpaqueJson):
        yield f": {_expected(schema, value)}"


def _item_faults(schema: Schema, items: list[JsonValue], *, preserves: bool) -> Iterator[str]:
    elements = elements_of(schema, items) if schema.list_type in ("set", "map") else []
    if elements:
        yield from _identity_faults(schema, items, elements)
    if schema.items is None or "" in elements:
        return
    fitting = _FITTING[schema.items.type]
    for index, item in enumerate(items):
        if type(item) not in fitting:
            for fault in _faults(schema.items, item, preserves=preserves):
                yield f"{shown(elements[index]) if elements else f'[{index}]'}{fault}"


def _identity_faults(schema: Schema, items: list[JsonValue], elements: list[str]) -> Iterator[str]:
    seen = set()
    for index, (element, item) in enumerate(zip(elements, items, strict=True)):
        if not element:
            yield f": element {index}: {_unaddressable(schema, item)}"
            return
        if element in seen:
            yield f": duplicate entries for key {shown(element)}"
        seen.add(element)


def _unaddressable(schema: Schema, item: JsonValue) -> str:
    if schema.list_type == "set":
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        if isinstance(item, list):
            return "not supported: associative list with lists as elements"
        return "associative list without keys has an element that's an explicit null"
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    keys = " ".join(quoted(key) for key in schema.list_map_keys)
    return (
        f"associative list with keys has an element that omits all key fields [{keys}] "
        "(and doesn't have default values for any key fields)"
    )


def _is_closed(schema: Schema) -> bool:
    return schema.additional_properties is False and bool(schema.properties)


def _expected(schema: Schema, value: JsonValue) -> str:
    shown_value = quoted(value) if isinstance(value, str) else str(value)
    if schema.type in ("integer", "number"):
        return f"expected numeric (int or float), got {_GO_TYPES.get(type(value), 'object')}"
    if schema.type == "string":
        return f"expected string, got &value.valueUnstructured{{Value:{shown_value}}}"
    word = {"object": "map", "array": "list"}.get(schema.type, schema.type)
    return f"expected {word}, got &{{{value if isinstance(value, str) else shown_value}}}"


_FITTING: Mapping[str, frozenset[type]] = {
    "": frozenset({str, bool, int, float}),
    "array": frozenset(),
    "boolean": frozenset({bool}),
    "integer": frozenset({int, float}),
    "number": frozenset({int, float}),
    "object": frozenset(),
    "string": frozenset({str}),
}
_GO_TYPES = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}
