"""Schemas as documents tell them: what Kubernetes' extensions mean is said in words of OpenAPI, too, for those who know no other.

- As the CustomResourceDefinitions of kube-apiserver are published (apiextensions-apiserver, pkg/controller/openapi/builder).
"""

from collections.abc import Mapping
from typing import cast

from apiserver.openapi.definitions import Json, ref

_INT_OR_STRING: list[Json] = [{"type": "integer"}, {"type": "string"}]

_OF_OBJECTS: Mapping[str, Json] = {
    "apiVersion": {"type": "string", "description": "Version of the schema of this object."},
    "kind": {"type": "string", "description": "Kind of this object."},
}
_METADATA: Json = {"description": "What every object has.", "allOf": [ref("ObjectMeta")]}


def published_object(schema: Mapping[str, object]) -> Json:
    """That of a kind: with the fields that every object has."""
    told = published(schema)
    properties = {**_OF_OBJECTS, **cast("Json", told.get("properties", {})), "metadata": _METADATA}
    return {**told, "properties": properties}


def published(schema: Mapping[str, object]) -> Json:
    """That of a value, and of all below it."""
    told = {name: _below(name, value) for name, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        told.setdefault("anyOf", _INT_OR_STRING)
    if schema.get("x-kubernetes-embedded-resource") is True:
        told["properties"] = {**cast("Json", told.get("properties", {})), **_OF_OBJECTS, "metadata": _METADATA}
        required = cast("list[str]", told.get("required", []))
        told["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
    return told


def _below(name: str, value: object) -> object:
    """The keywords whose schemas describe what is there (allOf and its like only say more of it)."""
    if not isinstance(value, Mapping):
        return value
    if name == "properties":
        return {key: published(cast("Mapping[str, object]", child)) for key, child in value.items()}
    return published(value) if name in {"items", "additionalProperties"} else value
