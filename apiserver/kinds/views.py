"""Views: kinds of several groups or versions that show the same stored objects (ADR 6).

- A view shows what its schema knows. A write through it keeps what only the other views know.
- Fields that mean the same have the same name, place and type in all of them; there is nothing to convert. Only at the top level
  may one view have a field that another lacks.
"""

from collections.abc import Iterator

from apiserver.documents import JsonObject
from apiserver.kinds.kind import Kind
from apiserver.schema.structural import Schema

_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})
_ANYTHING = Schema(preserve_unknown_fields=True)


def visible(kind: Kind, fields: JsonObject) -> JsonObject:
    """The stored fields that `kind` shows; top level only, as schemas of views differ there alone."""
    if _shows_everything(kind.schema):
        return fields
    return {name: value for name, value in fields.items() if name in kind.schema.properties}


def hides(kind: Kind, other: Kind) -> bool:
    """Whether an object written as `other` may hold top-level fields that `kind` does not show."""
    return not _shows_everything(kind.schema) and (
        _shows_everything(other.schema) or not other.schema.properties.keys() <= kind.schema.properties.keys()
    )


def carry_over(kind: Kind, *, stored: JsonObject | None, new: JsonObject) -> JsonObject:
    """`new`, with what `stored` holds and `kind` cannot express."""
    if stored is None or _shows_everything(kind.schema):
        return new
    return {**{name: value for name, value in stored.items() if name not in kind.schema.properties}, **new}


def differences(one: Schema, other: Schema) -> Iterator[tuple[str, str]]:
    """Where two views do not fit together: a path, and how it is with the first as against the second."""
    for name in sorted((one.properties.keys() & other.properties.keys()) - _ENVELOPE):
        yield from _differences(one.properties[name], other.properties[name], f".{name}")


def _differences(one: Schema, other: Schema, path: str) -> Iterator[tuple[str, str]]:
    if (one.type, one.int_or_string, one.nullable) != (other.type, other.int_or_string, other.nullable):
        yield path, "is of another type than in"
        return
    if (one.preserve_unknown_fields, one.is_opaque) != (other.preserve_unknown_fields, other.is_opaque):
        yield path, "preserves unknown fields otherwise than in"
    for name in sorted(one.properties.keys() | other.properties.keys()):
        mine, theirs = one.properties.get(name), other.properties.get(name)
        if mine is None or theirs is None:
            yield f"{path}.{name}", "is not known to both it and"
        else:
            yield from _differences(mine, theirs, f"{path}.{name}")
    for mine, theirs, step in (
        (one.items, other.items, "[*]"),
        (_additional(one), _additional(other), ".*"),
    ):
        if mine is not None and theirs is not None:
            yield from _differences(mine, theirs, f"{path}{step}")
        elif mine is not theirs:
            yield f"{path}{step}", "is not known to both it and"


def _additional(schema: Schema) -> Schema | None:
    additional = schema.additional_properties
    if isinstance(additional, Schema):
        return additional
    return _ANYTHING if additional else None


def _shows_everything(schema: Schema) -> bool:
    return schema.preserve_unknown_fields or bool(schema.additional_properties)
