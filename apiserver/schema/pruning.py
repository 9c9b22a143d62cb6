"""Pruning: fields that a schema does not know are dropped, and named (apiextensions: structural pruning).

- Below x-kubernetes-preserve-unknown-fields only what is specified is pruned further down.
- apiVersion, kind and metadata belong to every object, also to one that is embedded.
"""

from collections.abc import Mapping

from apiserver.documents import JsonObject, JsonValue
from apiserver.schema.structural import Schema

_TYPE_META = frozenset({"apiVersion", "kind", "metadata"})


def prune(schema: Schema, document: JsonObject) -> list[str]:
    """Removes unknown fields from `document` and returns their paths, as `spec.a[0].b`."""
    removed: list[str] = []
    _prune_object(schema, document, "", removed, kept=_TYPE_META)
    return removed


def _prune(schema: Schema, value: JsonValue, path: str, removed: list[str]) -> None:
    if isinstance(value, dict):
        _prune_object(schema, value, path, removed, kept=_TYPE_META if schema.embedded_resource else frozenset())
    elif isinstance(value, list) and schema.items is not None:
        items = schema.items
        if _is_leaf(items):
            return
        for index, child in enumerate(value):
            _prune(items, child, f"{path}[{index}]", removed)


def _prune_object(schema: Schema, value: JsonObject, path: str, removed: list[str], *, kept: frozenset[str]) -> None:
    properties: Mapping[str, Schema] = schema.properties
    additional = schema.additional_properties
    unknown = []
    for name, child in value.items():
        known = properties.get(name)
        if known is None:
            if name in kept:
                continue
            if isinstance(additional, Schema):
                known = additional
            elif additional or schema.preserve_unknown_fields:
                continue
            else:
                unknown.append(name)
                continue
        elif name in kept and name == "metadata":
            continue
        if isinstance(child, (dict, list)):
            _prune(known, child, f"{path}.{name}" if path else name, removed)
    for name in unknown:
        del value[name]
        removed.append(f"{path}.{name}" if path else name)


def _is_leaf(schema: Schema) -> bool:
    return schema.type not in {"object", "array", ""}
