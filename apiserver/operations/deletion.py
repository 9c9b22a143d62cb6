"""Deletion: preconditions, propagation and finalizers (meta/v1 DeleteOptions).

- Pure: from a stored version and options to what is to be done.
- An object with finalizers is marked and stays; whoever takes the last finalizer away ends it.
- Orphan and Foreground add a finalizer that the cluster's garbage collector takes away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import cast

from apiserver.ambient import format_time
from apiserver.documents import JsonObject, JsonValue
from apiserver.errors import BadRequest, Conflict, Invalid, Subject
from apiserver.field_errors import FieldError, invalid, not_supported
from apiserver.operations.object_meta import finalizers, metadata_of, text
from apiserver.operations.targets import Target
from apiserver.operations.versions import Stored
from apiserver.patches.json_patch import json_type
from apiserver.requests.options import dry_run_errors, grace_period
from apiserver.requests.path import truth


class Propagation(StrEnum):
    ORPHAN = "Orphan"
    BACKGROUND = "Background"
    FOREGROUND = "Foreground"


_FINALIZERS: Mapping[str, str] = {Propagation.ORPHAN: "orphan", Propagation.FOREGROUND: "foregroundDeletion"}

_FIELDS: Mapping[str, tuple[type, str]] = {
    "apiVersion": (str, "string"),
    "kind": (str, "string"),
    "dryRun": (list, "[]string"),
    "gracePeriodSeconds": (int, "int64"),
    "orphanDependents": (bool, "bool"),
    "preconditions": (dict, "v1.Preconditions"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
}
_PRECONDITIONS: Mapping[str, tuple[type, str]] = {"uid": (str, "string"), "resourceVersion": (str, "string")}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """`uid` and `resource_version` are preconditions. `propagation` None: the server's default, which leaves dependents to the
    garbage collector. `cascades`: by orphanDependents=false, whose callers are told (202) where the object is not gone at once."""

    uid: str | None = None
    resource_version: str | None = None
    propagation: Propagation | None = None
    cascades: bool = False
    dry_run: bool = False

    @classmethod
    def from_document(cls, document: JsonObject) -> "DeleteOptions":
        """From a body. Raises BadRequest, Invalid."""
        _verify_types("DeleteOptions", document, _FIELDS)
        if document.get("kind") not in {None, "", "DeleteOptions"}:
            raise BadRequest(f"{document['kind']} cannot be handled as a DeleteOptions")
        preconditions = cast("JsonObject", document.get("preconditions") or {})
        _verify_types("Preconditions", preconditions, _PRECONDITIONS)
        dry_run = cast("list[JsonValue]", document.get("dryRun") or [])
        if not all(isinstance(value, str) for value in dry_run):
            wrong = next(value for value in dry_run if not isinstance(value, str))
            raise _not_of_type("DeleteOptions.dryRun", "string", wrong)
        return cls._verified(
            uid=cast("str | None", preconditions.get("uid")),
            resource_version=cast("str | None", preconditions.get("resourceVersion")),
            policy=cast("str | None", document.get("propagationPolicy")),
            orphan=cast("bool | None", document.get("orphanDependents")),
            dry_run=cast("list[str]", dry_run),
        )

    @classmethod
    def from_query(cls, query: Mapping[str, str], dry_run: Sequence[str]) -> "DeleteOptions":
        """From a query, which counts where there is no body. Raises Invalid."""
        orphan = query.get("orphanDependents")
        grace_period(query)
        return cls._verified(
            uid=None,
            resource_version=None,
            policy=query.get("propagationPolicy"),
            orphan=None if orphan is None else truth(orphan),
            dry_run=dry_run,
        )

    @classmethod
    def _verified(
        cls,
        *,
        uid: str | None,
        resource_version: str | None,
        policy: str | None,
        orphan: bool | None,
        dry_run: Sequence[str],
    ) -> "DeleteOptions":
        errors: list[FieldError] = dry_run_errors(dry_run)
        if policy and orphan is not None:
            errors.append(
                invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")
            )
        if policy is not None and policy not in set(Propagation):
            choices = (Propagation.FOREGROUND, Propagation.BACKGROUND, Propagation.ORPHAN)
            errors.append(not_supported("propagationPolicy", policy, (*(one.value for one in choices), "nil")))
        if errors:
            raise Invalid(Subject(group="meta.k8s.io", kind="DeleteOptions"), errors)
        chosen = Propagation(policy) if policy else None
        if orphan is not None:
            chosen = Propagation.ORPHAN if orphan else Propagation.BACKGROUND
        return cls(
            uid=uid,
            resource_version=resource_version,
            propagation=chosen,
            cascades=orphan is False,
            dry_run=bool(dry_run),
        )


def verify_preconditions(target: Target, options: DeleteOptions, stored: Stored) -> None:
    """Raises Conflict."""
    metadata = metadata_of(stored.document)
    uid, revision = text(metadata, "uid"), str(stored.record.revision)
    if options.uid is not None and options.uid != uid:
        raise Conflict.object(
            target.kind.kind_subject(target.name),
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated",
        )
    if options.resource_version is not None and options.resource_version != revision:
        raise Conflict.object(
            target.kind.kind_subject(target.name),
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion in record "
            f"({revision}). The object might have been modified",
        )


def marked(stored: Stored, options: DeleteOptions, now: datetime) -> JsonObject | None:
    """The document that waits for finalizers; None where nothing holds the object any more."""
    metadata = dict(metadata_of(stored.document))
    wanted = _finalizers(finalizers(metadata), options.propagation)
    if not wanted:
        return None
    metadata["finalizers"] = cast("list[JsonValue]", wanted)
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = format_time(now)
        metadata["deletionGracePeriodSeconds"] = 0
        metadata["generation"] = cast("int", metadata.get("generation") or 0) + 1
    return {**stored.document, "metadata": metadata}


def _verify_types(name: str, document: JsonObject, fields: Mapping[str, tuple[type, str]]) -> None:
    """Null is as if it were not there. Raises BadRequest."""
    for field, (expected, go_type) in fields.items():
        value = document.get(field)
        if value is not None and type(value) is not expected:
            raise _not_of_type(f"{name}.{field}", go_type, value)


def _not_of_type(field: str, go_type: str, value: JsonValue) -> BadRequest:
    return BadRequest(f"json: cannot unmarshal {json_type(value)} into Go struct field {field} of type {go_type}")


def _finalizers(present: Sequence[str], propagation: Propagation | None) -> list[str]:
    """Those of the object, with the one that the policy asks for and without the ones that it does not."""
    if propagation is None:
        return list(present)
    kept = [name for name in present if name not in _FINALIZERS.values()]
    wanted = _FINALIZERS.get(propagation)
    return [*kept, wanted] if wanted else kept
