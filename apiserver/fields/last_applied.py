"""The way from `kubectl apply` to `kubectl apply --server-side` (k8s.io/apimachinery managedfields, lastApplied…).

- kubectl on the client remembers in an annotation what it applied. Fields that are still as it left them are no conflict for the
  manager `kubectl`, which may have another name in managedFields.
- Where there is such an annotation it is kept in step with what `kubectl` applies on the server, so that the way back is open.
"""

from collections.abc import Mapping

import orjson

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.errors import UnexpectedValue
from apiserver.fields.comparison import compare
from apiserver.fields.elements import escape_html
from apiserver.fields.entries import Identity
from apiserver.fields.extraction import extract
from apiserver.fields.sets import FieldSet
from apiserver.fields.verification import verify_applied
from apiserver.schema.structural import Schema

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

_AS_WRITTEN = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
_LARGEST_ANNOTATIONS = 256 << 10  # octets of all keys and values


def without_last_applied(
    schema: Schema, live: JsonObject, api_version: str, conflicts: Mapping[Identity, FieldSet]
) -> dict[Identity, FieldSet]:
    """The conflicts that kubectl's own former applies do not explain."""
    last = _last_applied(schema, live, api_version)
    if last is None:
        return dict(conflicts)
    difference = compare(schema, last, live)
    untouched = extract(schema, last).difference(difference.taken.union(difference.removed))
    left = {identity: fields.difference(untouched) for identity, fields in conflicts.items()}
    return {identity: fields for identity, fields in left.items() if fields}


def follow_last_applied(document: JsonObject, applied: JsonObject) -> None:
    """Brings the annotation of `document`, where it has one, up to date with `applied`; changes `document`."""
    annotations = _annotations(document)
    if not annotations.get(ANNOTATION):
        return
    annotations[ANNOTATION] = _encoded(applied)
    if sum(len(name.encode()) + len(str(value).encode()) for name, value in annotations.items()) > _LARGEST_ANNOTATIONS:
        del annotations[ANNOTATION]


def _last_applied(schema: Schema, live: JsonObject, api_version: str) -> JsonObject | None:
    text = _annotations(live).get(ANNOTATION)
    if not isinstance(text, str) or not text:
        return None
    try:
        last = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(last, dict) or last.get("apiVersion") != api_version:
        return None
    try:
        verify_applied(schema, last, api_version)
    except UnexpectedValue:
        return None
    return last


def _annotations(document: JsonObject) -> JsonObject:
    metadata = document.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def _encoded(applied: JsonObject) -> str:
    metadata = applied.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        others: JsonObject = {name: value for name, value in _annotations(applied).items() if name != ANNOTATION}
        applied = {**applied, "metadata": {**metadata, "annotations": others}}
    return escape_html(orjson.dumps(applied, default=_opaque, option=_AS_WRITTEN).decode()) + "\n"


def _opaque(value: JsonValue) -> orjson.Fragment:
    if isinstance(value, OpaqueJson):
        return orjson.Fragment(value.octets)
    raise TypeError(f"{type(value).__name__} is no JSON")
