"""Defaults that a schema itself would not accept.

- A default is whole: pruning leaves it as it is, and it is valid where it stands.
"""

from collections.abc import Iterator

from apiserver.documents import JsonObject
from apiserver.fields.values import copied, same
from apiserver.schema.pruning import prune
from apiserver.schema.structural import Schema
from apiserver.schema.validation import validate


def default_faults(schema: Schema, path: str) -> Iterator[str]:
    """Of a schema that is structural, and of all that is in it."""
    if schema.has_default:
        yield from _faults(schema, path)
    for name, child in schema.properties.items():
        yield from default_faults(child, f"{path}.properties[{name}]")
    if isinstance(schema.additional_properties, Schema):
        yield from default_faults(schema.additional_properties, f"{path}.additionalProperties")
    if schema.items is not None:
        yield from default_faults(schema.items, f"{path}.items")


def _faults(schema: Schema, path: str) -> Iterator[str]:
    holder = Schema(
        type="object",
        properties={"default": schema},
        bears_keyed_lists=schema.bears_keyed_lists,
        bears_embedded=schema.bears_embedded,
    )
    document: JsonObject = {"default": copied(schema.default)}
    prune(holder, document)
    if not same(document["default"], schema.default):
        yield f"{path}.default: must not have unknown fields"
    for error in validate(holder, {"default": copied(schema.default)}):
        yield f"{path}.{error}"
