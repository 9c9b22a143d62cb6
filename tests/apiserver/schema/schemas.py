"""Schemas for tests, from the properties of an object."""

from apiserver.errors import KindsInvalid
from apiserver.schema.openapi import read_schema
from apiserver.schema.validation import validate

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def schema_of(properties, **more):
    return read_schema({"type": "object", "properties": properties, **more})


def object_of(**properties):
    return {"type": "object", "properties": properties}


def list_of(items, **more):
    return {"type": "array", "items": items, **more}


def faults_of(properties, **more):
    """What is wrong with a schema; nothing where it can be read."""
    try:
        schema_of(properties, **more)
    except KindsInvalid as err:
        return list(err.faults)
    return []


def errors_of(node, value, old=None):
    """What is wrong with a field x of that schema, as text."""
    former = None if old is None else {"x": old}
    return [str(error) for error in validate(schema_of({"x": node}), {"x": value}, former)]
