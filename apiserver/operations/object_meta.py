"""metadata: what it may hold, and what of it the server alone writes (meta/v1 ObjectMeta).

- `read_metadata` makes a document's metadata plain and typed; behind it no type has to be asked again.
- Validation follows ValidateObjectMeta and ValidateObjectMetaUpdate of k8s.io/apimachinery.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest
from apiserver.field_errors import FieldError, forbidden, invalid, required
from apiserver.kinds.kind import Kind
from apiserver.metadata_errors import annotation_errors, finalizer_errors, label_errors, owner_errors
from apiserver.requests.names import label_faults, subdomain_faults

SYSTEM_FIELDS = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def metadata_of(document: JsonObject) -> JsonObject:
    """The metadata of a document that `read_metadata` has seen."""
    return cast("JsonObject", document["metadata"])


def texts(metadata: JsonObject, name: str) -> Mapping[str, str]:
    """labels or annotations."""
    return cast("Mapping[str, str]", metadata.get(name) or {})


def finalizers(metadata: JsonObject) -> Sequence[str]:
    return cast("Sequence[str]", metadata.get("finalizers") or ())


def text(metadata: JsonObject, name: str) -> str:
    return cast("str", metadata.get(name) or "")


def read_metadata(document: JsonObject) -> list[str]:
    """Puts a plain, typed metadata into `document`, without nulls, empty fields and unknown ones; returns the unknown ones' paths.

    Raises BadRequest where a field has a type that ObjectMeta does not have.
    """
    given = document.get("metadata")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise _mismatch("metadata", given, "v1.ObjectMeta")
    metadata: JsonObject = {}
    unknown = []
    for name, value in given.items():
        check = _FIELDS.get(name)
        if check is None:
            unknown.append(f"metadata.{name}")
        elif value is not None:
            check(f"metadata.{name}", value)
            if value not in ("", [], {}) or name == "managedFields":  # empty, it resets
                metadata[name] = value
    document["metadata"] = metadata
    return unknown


def metadata_errors(kind: Kind, metadata: JsonObject) -> list[FieldError]:
    """What is wrong with the metadata of an object to be stored."""
    errors: list[FieldError] = []
    name = text(metadata, "name")
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    errors += [invalid("metadata.name", name, fault) for fault in (subdomain_faults(name) if name else ())]
    errors += _namespace_errors(kind, text(metadata, "namespace"))
    errors += label_errors(texts(metadata, "labels"), "metadata")
    errors += annotation_errors(texts(metadata, "annotations"), "metadata")
    errors += finalizer_errors(finalizers(metadata), "metadata")
    errors += owner_errors(cast("Sequence[JsonObject]", metadata.get("ownerReferences") or ()), "metadata")
    return errors


def immutable_errors(new: JsonObject, old: JsonObject) -> list[FieldError]:
    """What an update may not change (ValidateObjectMetaUpdate)."""
    errors = [
        invalid(f"metadata.{name}", new.get(name), "field is immutable")
        for name in _IMMUTABLE
        if new.get(name) != old.get(name)
    ]
    if "deletionTimestamp" in old:
        added = sorted(set(finalizers(new)) - set(finalizers(old)))
        if added:
            detail = (
                f"no new finalizers can be added if the object is being deleted, found new finalizers {_go_list(added)}"
            )
            errors.append(forbidden("metadata.finalizers", detail))
    return errors


def _namespace_errors(kind: Kind, namespace: str) -> list[FieldError]:
    if not kind.namespaced:
        return [forbidden("metadata.namespace", "not allowed on this type")] if namespace else []
    if not namespace:
        return [required("metadata.namespace")]
    return [invalid("metadata.namespace", namespace, fault) for fault in label_faults(namespace)]


def _go_list(names: Sequence[str]) -> str:
    """A []string as Go prints it with %#v."""
    return "[]string{" + ", ".join(f'"{name}"' for name in names) + "}"


def _text(path: str, value: JsonValue) -> None:
    if not isinstance(value, str):
        raise _mismatch(path, value, "string")


def _integer(path: str, value: JsonValue) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(path, value, "int64")


def _boolean(path: str, value: JsonValue) -> None:
    if not isinstance(value, bool):
        raise _mismatch(path, value, "bool")


def _text_map(path: str, value: JsonValue) -> None:
    if not isinstance(value, dict):
        raise _mismatch(path, value, "map[string]string")
    for child in value.values():
        _text(path, child)


def _text_list(path: str, value: JsonValue) -> None:
    if not isinstance(value, list):
        raise _mismatch(path, value, "[]string")
    for child in value:
        _text(path, child)


def _owners(path: str, value: JsonValue) -> None:
    if not isinstance(value, list):
        raise _mismatch(path, value, "[]v1.OwnerReference")
    for owner in value:
        if not isinstance(owner, dict):
            raise _mismatch(path, owner, "v1.OwnerReference")
        for name, child in owner.items():
            if child is not None:
                (_boolean if name in {"controller", "blockOwnerDeletion"} else _text)(f"{path}.{name}", child)


def _entries(path: str, value: JsonValue) -> None:
    """managedFields: what stands in an entry is `apiserver.fields`' concern."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise _mismatch(path, value, "[]v1.ManagedFieldsEntry")


def _mismatch(path: str, value: JsonValue, wanted: str) -> BadRequest:
    kinds: Mapping[type, str] = {
        bool: "bool",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    found = kinds.get(type(value), "null")
    return BadRequest(f"json: cannot unmarshal {found} into Go struct field ObjectMeta.{path} of type {wanted}")


_FIELDS: Mapping[str, Callable[[str, JsonValue], None]] = {
    "annotations": _text_map,
    "creationTimestamp": _text,
    "deletionGracePeriodSeconds": _integer,
    "deletionTimestamp": _text,
    "finalizers": _text_list,
    "generateName": _text,
    "generation": _integer,
    "labels": _text_map,
    "managedFields": _entries,
    "name": _text,
    "namespace": _text,
    "ownerReferences": _owners,
    "resourceVersion": _text,
    "selfLink": _text,
    "uid": _text,
}
