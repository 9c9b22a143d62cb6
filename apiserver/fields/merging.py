"""An applied document merged into the live one (structured-merge-diff, TypedValue.Merge).

- Nothing is taken away: what the applied document leaves out stays. An applied null clears a leaf, and leaves a container alone.
- Items that both have stand in the applied order, the others where they were.
- The result shares values with both documents, of which neither changes.
"""

from collections import Counter
from collections.abc import Sequence

from apiserver.documents import JsonObject, JsonValue
from apiserver.fields.shapes import Shape, elements_of, field_schema, is_untyped, rooted, shape_of
from apiserver.schema.structural import Schema


def merge(schema: Schema, live: JsonObject, applied: JsonObject) -> JsonObject:
    """`schema` is the kind's; `applied` has no two items of one element."""
    return _merge_objects(rooted(schema), live, applied)


def _merge_objects(schema: Schema | None, live: JsonObject, applied: JsonObject) -> JsonObject:
    result = dict(live)
    for name, value in applied.items():
        result[name] = _merge_values(field_schema(schema, name)[0], live[name], value) if name in live else value
    return result


def _merge_values(schema: Schema | None, live: JsonValue, applied: JsonValue) -> JsonValue:
    shape = shape_of(schema, applied)
    if shape is Shape.NOTHING:
        shape = shape_of(schema, live)
        if shape is Shape.OBJECT or (shape is Shape.ITEMS and not is_untyped(schema)):
            return live or None
        return None
    if shape is Shape.OBJECT and isinstance(applied, dict) and isinstance(live, dict):
        return _merge_objects(schema, live, applied)
    if shape is Shape.ITEMS and schema is not None and isinstance(applied, list) and isinstance(live, list):
        return _merge_items(schema, live, applied)
    return applied


def _merge_items(schema: Schema, live: list[JsonValue], applied: list[JsonValue]) -> list[JsonValue]:
    olds, news = elements_of(schema, live), elements_of(schema, applied)
    before = {element: item for element, item in zip(olds, live, strict=True) if element}
    after = dict(zip(news, applied, strict=True))
    doubled = {element for element, count in Counter(olds).items() if count > 1} if len(before) < len(olds) else set()
    result: list[JsonValue] = []

    def put(element: str) -> None:
        # Of several live items of one element none is the one that was meant: the applied item takes their place.
        mergeable = element in before and element not in doubled
        result.append(_merge_values(schema.items, before[element], after[element]) if mergeable else after[element])

    for origin, element, index in _interleaved(olds, news):
        if origin == "live":
            result.append(live[index])
        else:
            put(element)
    return result


def _interleaved(olds: Sequence[str], news: Sequence[str]) -> list[tuple[str, str, int]]:
    """The order of a merged list: (which list, element, index there)."""
    known, given = set(olds), set(news)
    awaited = [element for element in news if element in known][::-1]  # shared ones still to come, the next one last
    placed: set[str] = set()
    result = []
    old = new = 0
    while old < len(olds) or new < len(news):
        if old < len(olds) and new < len(news):
            element = olds[old]
            if element == news[new]:
                result.append(("applied", element, new))
                placed.add(element)
                old, new = old + 1, new + 1
                awaited[-1:] = []
                continue
            if element in given and awaited and awaited[-1] != element:
                old += 1  # shared, and not its turn
                continue
        if old < len(olds):
            element = olds[old]
            if element not in given:
                result.append(("live", element, old))
                old += 1
                continue
            if element in placed:
                old += 1
        if new < len(news):
            element = news[new]
            result.append(("applied", element, new))
            placed.add(element)
            new += 1
            if awaited and awaited[-1] == element:
                awaited.pop()
    return result
