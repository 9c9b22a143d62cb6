"""metadata: what it may hold, and what of it the server alone writes (meta/v1 ObjectMeta).

- Of documents whose metadata `metadata_types.read_metadata` has made plain and typed.
- Validation follows ValidateObjectMeta and ValidateObjectMetaUpdate of k8s.io/apimachinery.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from apiserver.documents import JsonObject
from apiserver.field_errors import FieldError, forbidden, invalid, required
from apiserver.kinds.kind import Kind
from apiserver.metadata_errors import (
    annotation_errors,
    finalizer_errors,
    finalizer_warnings,
    label_errors,
    owner_errors,
    without_duplicate_owners,
)
from apiserver.requests.names import label_faults, object_name_faults

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
_IMMUTABLE = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")


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


def metadata_errors(kind: Kind, metadata: JsonObject) -> list[FieldError]:
    """What is wrong with the metadata of an object to be stored."""
    errors: list[FieldError] = []
    name, base = text(metadata, "name"), text(metadata, "generateName")
    if base:
        errors += [invalid("metadata.generateName", base, fault) for fault in object_name_faults(base, is_prefix=True)]
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    errors += [invalid("metadata.name", name, fault) for fault in (object_name_faults(name) if name else ())]
    errors += _namespace_errors(kind, text(metadata, "namespace"))
    errors += label_errors(texts(metadata, "labels"), "metadata")
    errors += annotation_errors(texts(metadata, "annotations"), "metadata")
    errors += finalizer_errors(finalizers(metadata), "metadata")
    errors += owner_errors(_owners(metadata), "metadata")
    return errors


def tidy_owners(metadata: JsonObject, warn: Callable[[str], None]) -> None:
    """Leaves each owner once."""
    if "ownerReferences" in metadata:
        metadata["ownerReferences"], warning = without_duplicate_owners(_owners(metadata))
        if warning:
            warn(warning)


def warn_of_finalizers(new: JsonObject, old: JsonObject | None, warn: Callable[[str], None]) -> None:
    for warning in finalizer_warnings(finalizers(new), finalizers(old or {})):
        warn(warning)


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


def _owners(metadata: JsonObject) -> Sequence[JsonObject]:
    return cast("Sequence[JsonObject]", metadata.get("ownerReferences") or ())


def _namespace_errors(kind: Kind, namespace: str) -> list[FieldError]:
    if not kind.namespaced:
        return [forbidden("metadata.namespace", "not allowed on this type")] if namespace else []
    if not namespace:
        return [required("metadata.namespace")]
    return [invalid("metadata.namespace", namespace, fault) for fault in label_faults(namespace)]


def _go_list(names: Sequence[str]) -> str:
    """A []string as Go prints it with %#v."""
    return "[]string{" + ", ".join(f'"{name}"' for name in names) + "}"
