"""What is wrong with metadata, of an object and of one embedded in it (k8s.io/apimachinery ValidateObjectMeta).

- `path` says where the metadata stands.
"""

from collections.abc import Mapping, Sequence

import orjson

from apiserver.documents import JsonObject, JsonValue
from apiserver.field_errors import FieldError, FieldErrorType, Verbatim, invalid
from apiserver.requests.names import label_key_faults, label_value_faults, qualified_name_faults

_LARGEST_ANNOTATIONS = 256 << 10  # octets of all keys and values
_STANDARD_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})
_OWNER = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_NO_OWNERS = frozenset({("v1", "Event")})


def label_errors(labels: Mapping[str, str], path: str) -> list[FieldError]:
    errors = [invalid(f"{path}.labels", key, fault) for key in labels for fault in label_key_faults(key)]
    errors += [
        invalid(f"{path}.labels", value, fault) for value in labels.values() for fault in label_value_faults(value)
    ]
    return errors


def annotation_errors(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    errors = [
        invalid(f"{path}.annotations", key, fault) for key in annotations for fault in label_key_faults(key.lower())
    ]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _LARGEST_ANNOTATIONS:
        detail = f"may not be more than {_LARGEST_ANNOTATIONS} bytes"
        errors.append(FieldError(type=FieldErrorType.TOO_LONG, field=f"{path}.annotations", detail=detail))
    return errors


def finalizer_errors(names: Sequence[str], path: str) -> list[FieldError]:
    place = f"{path}.finalizers"
    errors = [invalid(place, name, fault) for name in names for fault in qualified_name_faults(name)]
    if {"orphan", "foregroundDeletion"} <= set(names):
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(place, list(names), detail))
    return errors


def finalizer_warnings(new: Sequence[str], old: Sequence[str] = ()) -> list[str]:
    """Of finalizers that an object did not have yet, and that others could choose, too."""
    return [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name to avoid accidental conflicts with other '
        "finalizer writers"
        for name in sorted(set(new) - set(old))
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def owner_errors(owners: Sequence[JsonObject], path: str) -> list[FieldError]:
    place = f"{path}.ownerReferences"
    errors = []
    for owner in owners:
        api_version = owner.get("apiVersion") or ""
        if not api_version or str(api_version).count("/") > 1:
            errors.append(invalid(f"{place}.apiVersion", api_version, "version must not be empty"))
        errors += [
            invalid(f"{place}.{name}", owner.get(name) or "", "must not be empty")
            for name in ("kind", "name", "uid")
            if not owner.get(name)
        ]
        if (api_version, owner.get("kind")) in _NO_OWNERS:
            detail = f"/{api_version}, Kind={owner.get('kind')} is disallowed from being an owner"
            errors.append(invalid(place, _as_go_writes([owner])[0], detail))
    controllers = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller") is True]
    for other in controllers[1:]:
        detail = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {other}"
        )
        errors.append(invalid(place, Verbatim(f"[{','.join(_as_go_writes(owners))}]"), detail))
    return errors


def without_duplicate_owners(owners: Sequence[JsonObject]) -> tuple[list[JsonValue], str]:
    """The owners, each once, and a warning where one stood there again; "" for none."""
    kept: list[JsonValue] = []
    again: dict[str, None] = {}
    for owner in owners:
        if owner in kept:
            again[str(owner.get("uid", ""))] = None
        else:
            kept.append(owner)
    if not again:
        return kept, ""
    return kept, (
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such "
        f"requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {', '.join(again)}"
    )


def _as_go_writes(owners: Sequence[JsonObject]) -> list[Verbatim]:
    """In the order of the fields of OwnerReference."""
    return [
        Verbatim(orjson.dumps({name: owner[name] for name in _OWNER if name in owner}).decode()) for owner in owners
    ]
