"""Views: kinds of several groups or versions that show the same stored objects (ADR 6).

- A view shows what its schema knows. A write through it keeps what only the other views know.
- Fields that mean the same have the same name and place in all of them; there is nothing to convert.
"""

from apiserver.documents import JsonObject
from apiserver.kinds.kind import Kind
from apiserver.schema.structural import Schema

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})


def visible(kind: Kind, fields: JsonObject) -> JsonObject:
    """The stored fields that `kind` shows; top level only, as schemas of views differ there alone."""
    if _shows_everything(kind.schema):
        return fields
    return {name: value for name, value in fields.items() if name in kind.schema.properties}


def hides(kind: Kind, other: Kind) -> bool:
    """Whether an object written as `other` may hold top-level fields that `kind` does not show."""
    return not _shows_everything(kind.schema) and not (other.schema.properties.keys() <= kind.schema.properties.keys())


def carry_over(kind: Kind, *, stored: JsonObject | None, new: JsonObject) -> JsonObject:
    """`new`, with what `stored` holds and `kind` cannot express."""
    if stored is None or _shows_everything(kind.schema):
        return new
    return {**{name: value for name, value in stored.items() if name not in kind.schema.properties}, **new}


def nested_differences(one: Schema, other: Schema, path: str = "") -> list[str]:
    """Where two views differ below the top level: paths that one knows and the other does not."""
    found = []
    for name in sorted(one.properties.keys() | other.properties.keys()):
        below = f"{path}.{name}"
        mine, theirs = one.properties.get(name), other.properties.get(name)
        if mine is None or theirs is None:
            if path:
                found.append(below)
        elif name not in _ENVELOPE:
            found += nested_differences(_inside(mine), _inside(theirs), below)
    return found


def _inside(schema: Schema) -> Schema:
    return schema.items if schema.items is not None else schema


def _shows_everything(schema: Schema) -> bool:
    return schema.preserve_unknown_fields or bool(schema.additional_properties)
