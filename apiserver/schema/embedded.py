"""Embedded objects (x-kubernetes-embedded-resource): an object within an object has a kind and metadata of its own.

- apiVersion and kind must be there; metadata holds the fields of ObjectMeta, and obeys its rules.
"""

from collections.abc import Iterator, Mapping, Sequence

from apiserver.documents import JsonObject, JsonValue
from apiserver.field_errors import FieldError, invalid, required
from apiserver.metadata_errors import annotation_errors, finalizer_errors, label_errors, owner_errors
from apiserver.requests.names import label_faults
from apiserver.schema.labels import mixed_case_faults
from apiserver.schema.structural import Schema

TYPE_META = frozenset({"apiVersion", "kind", "metadata"})


def embedded_errors(schema: Schema, value: JsonValue, path: str = "") -> Iterator[FieldError]:
    """What is wrong with kind and apiVersion of the objects embedded in `value`, and with names and labels in their metadata."""
    if not schema.bears_embedded:
        return
    if isinstance(value, dict):
        if schema.embedded_resource:
            yield from _errors(value, path)
        for name, child in value.items():
            known = schema.properties.get(name)
            if known is not None:
                yield from embedded_errors(known, child, f"{path}.{name}" if path else name)
            elif isinstance(schema.additional_properties, Schema):
                yield from embedded_errors(schema.additional_properties, child, f"{path}[{name}]")
    elif isinstance(value, list) and schema.items is not None:
        for index, child in enumerate(value):
            yield from embedded_errors(schema.items, child, f"{path}[{index}]")


def _errors(value: JsonObject, path: str) -> Iterator[FieldError]:
    for name, look in (("apiVersion", _api_version_faults), ("kind", mixed_case_faults)):
        place = f"{path}.{name}"
        if name not in value:
            yield required(place)
            continue
        text = value[name]
        if not isinstance(text, str):
            yield invalid(place, text, "must be a string")
        elif not text:
            yield invalid(place, text, "must not be empty")
        else:
            for fault in look(text):
                yield invalid(place, text, fault)
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        yield from _metadata_errors(metadata, f"{path}.metadata")
    elif metadata is not None:
        yield invalid(f"{path}.metadata", metadata, "must be an object")


def _api_version_faults(text: str) -> Iterator[str]:
    if text.count("/") > 1:
        yield f"unexpected GroupVersion string: {text}"


def _metadata_errors(metadata: JsonObject, path: str) -> Iterator[FieldError]:
    for name in ("name", "generateName"):
        text = metadata.get(name)
        if isinstance(text, str) and text:
            for fault in _path_segment_faults(text, is_prefix=name == "generateName"):
                yield invalid(f"{path}.{name}", text, fault)
    namespace = metadata.get("namespace")
    if isinstance(namespace, str) and namespace:
        yield from (invalid(f"{path}.namespace", namespace, fault) for fault in label_faults(namespace))
    yield from label_errors(_texts(metadata, "labels"), path)
    yield from annotation_errors(_texts(metadata, "annotations"), path)
    yield from finalizer_errors([name for name in _items(metadata, "finalizers") if isinstance(name, str)], path)
    yield from owner_errors([owner for owner in _items(metadata, "ownerReferences") if isinstance(owner, dict)], path)


def _texts(metadata: JsonObject, name: str) -> Mapping[str, str]:
    value = metadata.get(name)
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _items(metadata: JsonObject, name: str) -> Sequence[JsonValue]:
    value = metadata.get(name)
    return value if isinstance(value, list) else ()


def _path_segment_faults(text: str, *, is_prefix: bool) -> Iterator[str]:
    if not is_prefix and text in {".", ".."}:
        yield f"may not be '{text}'"
    yield from (f"may not contain '{character}'" for character in "/%" if character in text)
