"""A kind with every way that fields can be managed, and documents of it."""

from apiserver.schema.openapi import read_schema

API_VERSION = "example.com/v1"

TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}

CONTAINER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": TEXT,
        "image": TEXT,
        "args": {"type": "array", "items": TEXT},
        "env": TEXTS,
        "limits": {"type": "object", "properties": {"cpu": TEXT, "memory": TEXT}},
    },
}
PORT = {
    "type": "object",
    "required": ["port"],
    "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "name": TEXT},
}
CONDITION = {"type": "object", "required": ["type"], "properties": {"type": TEXT, "status": TEXT}}

SPEC = {
    "name": TEXT,
    "count": {"type": "integer"},
    "on": {"type": "boolean"},
    "labels": TEXTS,
    "atomicMap": {**TEXTS, "x-kubernetes-map-type": "atomic"},
    "atomicStruct": {
        "type": "object",
        "properties": {"a": TEXT, "b": {"type": "integer"}},
        "x-kubernetes-map-type": "atomic",
    },
    "list": {"type": "array", "items": TEXT},
    "set": {
        "type": "array",
        "items": TEXT,
        "x-kubernetes-list-type": "set",
        "x-kubernetes-patch-strategy": "merge",
    },
    "numbers": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-list-type": "set"},
    "containers": {
        "type": "array",
        "items": CONTAINER,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "name",
    },
    "ports": {
        "type": "array",
        "items": PORT,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
    },
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
    "nested": {"type": "object", "additionalProperties": TEXTS},
    "template": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": TEXT, "b": TEXT}}}},
    "union": {
        "type": "object",
        "properties": {"a": TEXT, "b": TEXT},
        "x-kubernetes-patch-strategy": "retainKeys",
    },
}

OPENAPI = {
    "type": "object",
    "properties": {
        "data": TEXTS,
        "spec": {"type": "object", "properties": SPEC},
        "status": {
            "type": "object",
            "properties": {
                "phase": TEXT,
                "conditions": {
                    "type": "array",
                    "items": CONDITION,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                },
            },
        },
    },
}

THING = read_schema(OPENAPI)


def thing(*, metadata=None, **fields):
    return {
        "apiVersion": API_VERSION,
        "kind": "Thing",
        "metadata": {"name": "a", "namespace": "gold", **(metadata or {})},
        **fields,
    }


def without_entries(document):
    metadata = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    return {**document, "metadata": metadata}


def with_entries(document, entries):
    document = without_entries(document)
    return {**document, "metadata": {**document["metadata"], "managedFields": entries}} if entries else document


def entries_of(document):
    """managedFields as {(manager, operation): fieldsV1}."""
    return {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in document["metadata"].get("managedFields", [])
    }
