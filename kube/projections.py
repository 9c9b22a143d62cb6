"""What is kept of objects that many controllers look at: a few fields of each document, in their places."""

import sys
from collections.abc import Collection

from kube.documents import JsonObject, JsonValue, mapping, metadata
from kube.vocabulary import INJECT_LABEL

_TIMES = ("creationTimestamp", "deletionTimestamp")


def kept_metadata(
    document: JsonObject, *, labels: Collection[str] = (), annotations: Collection[str] = ()
) -> JsonObject:
    """When it was made and deleted, and of labels and annotations those that are named."""
    kept = {key: value for key, value in metadata(document).items() if key in _TIMES}
    for field, names in (("labels", labels), ("annotations", annotations)):
        if some := kept_fields(mapping(document, "metadata", field), *names):
            kept[field] = some
    return kept


def kept_fields(fields: JsonObject, *names: str) -> JsonObject:
    return {name: once(fields[name]) for name in names if name in fields}


def once(value: JsonValue) -> JsonValue:
    """Text that many objects have in the same words is held once."""
    return sys.intern(value) if type(value) is str else value


def project_namespace(document: JsonObject) -> JsonObject:
    """Whether it opted in."""
    return {"metadata": kept_metadata(document, labels=(INJECT_LABEL,))}
