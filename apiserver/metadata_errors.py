"""What is wrong with metadata, of an object and of one embedded in it (k8s.io/apimachinery ValidateObjectMeta).

- `path` says where the metadata stands.
"""

from collections.abc import Mapping, Sequence

from apiserver.documents import JsonObject
from apiserver.field_errors import FieldError, FieldErrorType, invalid
from apiserver.requests.names import label_value_faults, qualified_name_faults

_LARGEST_ANNOTATIONS = 256 << 10  # octets of all keys and values
_STANDARD_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def label_errors(labels: Mapping[str, str], path: str) -> list[FieldError]:
    errors = [invalid(f"{path}.labels", key, fault) for key in labels for fault in qualified_name_faults(key)]
    errors += [
        invalid(f"{path}.labels", value, fault) for value in labels.values() for fault in label_value_faults(value)
    ]
    return errors


def annotation_errors(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    errors = [
        invalid(f"{path}.annotations", key, fault)
        for key in annotations
        for fault in qualified_name_faults(key.lower())
    ]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _LARGEST_ANNOTATIONS:
        detail = f"may not be more than {_LARGEST_ANNOTATIONS} bytes"
        errors.append(FieldError(type=FieldErrorType.TOO_LONG, field=f"{path}.annotations", detail=detail))
    return errors


def finalizer_errors(names: Sequence[str], path: str) -> list[FieldError]:
    errors = [
        invalid(f"{path}.finalizers[{index}]", name, fault)
        for index, name in enumerate(names)
        for fault in qualified_name_faults(name)
    ]
    errors += [
        invalid(
            f"{path}.finalizers[{index}]", name, "name is neither a standard finalizer name nor is it fully qualified"
        )
        for index, name in enumerate(names)
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]
    if {"orphan", "foregroundDeletion"} <= set(names):
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(f"{path}.finalizers", list(names), detail))
    return errors


def owner_errors(owners: Sequence[JsonObject], path: str) -> list[FieldError]:
    errors = []
    for index, owner in enumerate(owners):
        place = f"{path}.ownerReferences[{index}]"
        api_version = owner.get("apiVersion") or ""
        if not api_version or str(api_version).count("/") > 1:
            errors.append(invalid(f"{place}.apiVersion", api_version, "version must not be empty"))
        errors += [
            invalid(f"{place}.{name}", owner.get(name) or "", f"{name} must not be empty")
            for name in ("kind", "name", "uid")
            if not owner.get(name)
        ]
    controllers = [owner for owner in owners if owner.get("controller") is True]
    if len(controllers) > 1:
        first, second = (str(owner.get("name")) for owner in controllers[:2])
        detail = (
            f'Only one reference can have Controller set to true. Found "true" in references for {first} and {second}'
        )
        errors.append(invalid(f"{path}.ownerReferences", list(owners), detail))
    return errors
