"""Defaults that a schema itself would not accept.

- A default is whole: pruning leaves it as it is, and it is valid where it stands, rules included.
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
    for place, child in schema.children:
        yield from default_faults(child, f"{path}.{place}")


def _faults(schema: Schema, path: str) -> Iterator[str]:
    holder = Schema(type="object", properties={"default": schema})
    document: JsonObject = {"default": copied(schema.default)}
    prune(holder, document)
    if not same(document["default"], schema.default):
        yield f"{path}.default: must not have unknown fields"
    for error in validate(holder, {"default": copied(schema.default)}):
        yield f"{path}.{error}"
