"""Pruning: fields that a schema does not know are dropped, and named (apiextensions: structural pruning).

- Below x-kubernetes-preserve-unknown-fields only what is specified is pruned further down.
- apiVersion, kind and metadata belong to every object, also to one that is embedded; of an embedded one's metadata the fields of
  ObjectMeta stay. Those of the object itself are for whoever reads metadata.
"""

from apiserver.documents import JsonObject, JsonValue
from apiserver.schema.embedded import TYPE_META
from apiserver.schema.object_meta import OBJECT_META
from apiserver.schema.structural import Schema

_NOTHING: frozenset[str] = frozenset()
_EMPTY = Schema()  # what stands under `additionalProperties: true`, where no object has a field


def prune(schema: Schema, document: JsonObject) -> list[str]:
    """Removes unknown fields from `document` and returns their paths in order, as `spec.a[0].b`."""
    removed: list[str] = []
    _prune_object(schema, document, "", removed, kept=TYPE_META, preserves=schema.preserve_unknown_fields)
    removed.sort()
    return removed


def _prune(schema: Schema, value: JsonValue, path: str, removed: list[str], *, preserved: bool = False) -> None:
    """`preserved` says that the list around it preserves unknown fields, and so do its items."""
    preserves = preserved or schema.preserve_unknown_fields
    if isinstance(value, dict):
        kept = TYPE_META if schema.embedded_resource else _NOTHING
        _prune_object(schema, value, path, removed, kept=kept, preserves=preserves)
    elif isinstance(value, list) and (schema.items is not None or not preserves):
        items = schema.items or _EMPTY
        for index, child in enumerate(value):
            if isinstance(child, (dict, list)):
                _prune(items, child, f"{path}[{index}]", removed, preserved=preserves)


def _prune_object(
    schema: Schema, value: JsonObject, path: str, removed: list[str], *, kept: frozenset[str], preserves: bool
) -> None:
    properties, additional = schema.properties, schema.additional_properties
    unknown = []
    for name, child in value.items():
        if name in kept:
            if path and name == "metadata" and isinstance(child, dict):
                _prune_object(OBJECT_META, child, f"{path}.metadata", removed, kept=_NOTHING, preserves=False)
            continue
        known = properties.get(name)
        if known is None:
            if additional:
                known = additional if isinstance(additional, Schema) else _EMPTY
            elif preserves:
                continue
            else:
                unknown.append(name)
                continue
        if isinstance(child, (dict, list)):
            _prune(known, child, f"{path}.{name}" if path else name, removed)
    for name in unknown:
        del value[name]
        removed.append(f"{path}.{name}" if path else name)
