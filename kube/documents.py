"""JSON documents as values, and ways into them that take nothing for granted.

- What the API server sends was written by anybody who may write there: a field may lack, or be of another type than it should.
- Whoever is handed a document may keep it and must not change it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from kube.instants import instant_of

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, "JsonValue"]


def mapping(document: JsonValue, *path: str) -> JsonObject:
    """The object at `path`; an empty one where there is none."""
    found = _at(document, path)
    return found if isinstance(found, dict) else {}


def sequence(document: JsonValue, *path: str) -> Sequence[JsonValue]:
    """The list at `path`; an empty one where there is none."""
    found = _at(document, path)
    return found if isinstance(found, list) else ()


def objects(document: JsonValue, *path: str) -> Sequence[JsonObject]:
    """The objects in the list at `path`; what is no object is left out."""
    return [one for one in sequence(document, *path) if isinstance(one, dict)]


def text(document: JsonValue, *path: str) -> str:
    """The text at `path`; an empty one where there is none."""
    found = _at(document, path)
    return found if isinstance(found, str) else ""


def texts(document: JsonValue, *path: str) -> dict[str, str]:
    """The map of texts at `path`, as labels and annotations are; what is no text is left out."""
    return {name: value for name, value in mapping(document, *path).items() if isinstance(value, str)}


def metadata(document: JsonObject) -> JsonObject:
    return mapping(document, "metadata")


def name_of(document: JsonObject) -> str:
    return text(document, "metadata", "name")


def namespace_of(document: JsonObject) -> str:
    """Empty for what is in no namespace."""
    return text(document, "metadata", "namespace")


def uid_of(document: JsonObject) -> str:
    return text(document, "metadata", "uid")


def resource_version_of(document: JsonObject) -> str:
    """Of an object or of a list."""
    return text(document, "metadata", "resourceVersion")


def created_at(document: JsonObject) -> datetime | None:
    """None where the API server does not say."""
    return instant_of(text(document, "metadata", "creationTimestamp"))


def is_being_deleted(document: JsonObject) -> bool:
    return metadata(document).get("deletionTimestamp") is not None


def _at(document: JsonValue, path: Sequence[str]) -> JsonValue:
    for step in path:
        if not isinstance(document, dict):
            return None
        document = document.get(step)
    return document
