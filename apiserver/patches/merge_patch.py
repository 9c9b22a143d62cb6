"""JSON merge patch, RFC 7386, as kube-apiserver applies it.

- Null removes. What is put in has no nulls in its objects, those in arrays included, unless an array takes an object's place:
  there kube-apiserver goes further than the RFC, and what clients send relies on it.
"""

from apiserver.documents import JsonValue
from apiserver.fields.depth import bounded
from apiserver.fields.values import copied


@bounded
def merge_patch(document: JsonValue, patch: JsonValue) -> JsonValue:
    """A new document that shares nothing with the two that are handed in (RFC 7386, section 2). Raises BadRequest."""
    return _merge(copied(document), patch)


def _merge(target: JsonValue, patch: JsonValue) -> JsonValue:
    """Changes `target`."""
    if not isinstance(patch, dict):
        return copied(patch) if isinstance(target, dict) else _without_nulls(patch)
    result = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result


def _without_nulls(value: JsonValue) -> JsonValue:
    """A copy; an element of an array may be null, a member of an object not."""
    if isinstance(value, dict):
        fields: dict[str, JsonValue] = {}
        for name, child in value.items():
            if child is not None:
                fields[name] = _without_nulls(child)
        return fields
    if isinstance(value, list):
        items: list[JsonValue] = []
        for child in value:
            items.append(_without_nulls(child))  # noqa: PERF401 - a comprehension would take two frames a level
        return items
    return value
