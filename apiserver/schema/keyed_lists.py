"""Lists whose items are told apart (x-kubernetes-list-type set and map): no item twice, and each one's predecessor.

- A map's items are told apart by their keys, a set's by all that they are.
- A list that was stored with duplicates may keep them: an update is not refused for what it finds.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import orjson

from apiserver.documents import JsonObject, JsonValue
from apiserver.field_errors import FieldError, duplicate, invalid
from apiserver.schema.structural import Schema


def duplicate_errors(schema: Schema, document: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    if not schema.bears_keyed_lists or (old is not None and next(_errors(schema, old, ""), None) is not None):
        return
    yield from _errors(schema, document, "")


def own_duplicate_errors(schema: Schema, value: Sequence[JsonValue], path: str) -> Iterator[FieldError]:
    """Of one list, without the lists within."""
    if schema.list_type == "set":
        yield from (duplicate(f"{path}[{index}]", value[index]) for index in _repeated(map(_mark, value)))
    elif schema.list_type == "map":
        yield from _map_errors(schema, value, path)


def former_items(schema: Schema, items: Sequence[JsonValue], old: Sequence[JsonValue]) -> Sequence[JsonValue]:
    """For each item of the new list the one of the old list that has its key; None where there is none, or the list is no map."""
    if schema.list_type != "map":
        return [None] * len(items)
    known = {key: item for item in reversed(old) if (key := _key(schema, item)) is not None}
    return [known.get(key) if (key := _key(schema, item)) is not None else None for item in items]


def _errors(schema: Schema, value: JsonValue, path: str) -> Iterator[FieldError]:
    if not schema.bears_keyed_lists:
        return
    if isinstance(value, dict):
        for name, child in value.items():
            known = schema.properties.get(name)
            if known is not None:
                yield from _errors(known, child, f"{path}.{name}" if path else name)
            elif isinstance(schema.additional_properties, Schema):
                yield from _errors(schema.additional_properties, child, f"{path}[{name}]")
    elif isinstance(value, list):
        yield from own_duplicate_errors(schema, value, path)
        if schema.items is not None:
            for index, child in enumerate(value):
                yield from _errors(schema.items, child, f"{path}[{index}]")


def _map_errors(schema: Schema, value: Sequence[JsonValue], path: str) -> Iterator[FieldError]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            yield invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            return
    for index in _repeated(_key(schema, item) for item in value):
        yield duplicate(f"{path}[{index}]", _key_fields(schema, value[index]))


def _repeated(marks: Iterable[object]) -> Iterator[int]:
    """Where something stands for the second time; a third time is not worth saying."""
    times: dict[object, int] = {}
    for index, mark in enumerate(marks):
        times[mark] = times.get(mark, 0) + 1
        if times[mark] == 2:
            yield index


def _key_fields(schema: Schema, item: JsonValue) -> JsonObject:
    fields = item if isinstance(item, dict) else {}
    return {name: fields[name] for name in schema.list_map_keys if name in fields}


def _key(schema: Schema, item: JsonValue) -> object:
    fields = _key_fields(schema, item)
    return tuple((name, _mark(value)) for name, value in fields.items())


def _mark(value: JsonValue) -> object:
    """Equal for equal values: numbers of the same type, objects whatever the order of their fields."""
    if isinstance(value, (dict, list)):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return type(value), cast("object", value)
