"""Validation rules in CEL (x-kubernetes-validations)."""

from collections.abc import Iterator

from apiserver.documents import JsonObject
from apiserver.field_errors import FieldError
from apiserver.schema.structural import Schema


def rule_errors(schema: Schema, document: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """What the rules say against `document`."""
    yield from ()
