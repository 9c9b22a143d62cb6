"""Definitions that every API has (meta/v1), in the form of OpenAPI 3 schemas.

- Said as far as clients need them: to show `explain`, to check what they send, to merge what they patch.
"""

from collections.abc import Mapping

PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1"
_REF = "#/components/schemas/"

Json = dict[str, object]


def ref(name: str) -> Json:
    """A reference to a definition of meta/v1."""
    return {"$ref": f"{_REF}{PREFIX}.{name}"}


def text(description: str) -> Json:
    return {"type": "string", "description": description}


def _texts(description: str, **more: object) -> Json:
    return {"type": "array", "description": description, "items": {"type": "string"}, **more}


def _time(description: str) -> Json:
    return {"type": "string", "format": "date-time", "nullable": True, "description": description}


def _object(description: str, properties: Mapping[str, object], *required: str) -> Json:
    document: Json = {"type": "object", "description": description, "properties": dict(properties)}
    if required:
        document["required"] = list(required)
    return document


_TYPE_META = {
    "apiVersion": text("Version of the schema of this object."),
    "kind": text("Kind of this object."),
}

META_DEFINITIONS: Mapping[str, Json] = {
    "ObjectMeta": _object(
        "What every stored object has.",
        {
            "annotations": {
                "type": "object",
                "description": "Texts that tools keep with the object; not for selecting.",
                "additionalProperties": {"type": "string"},
            },
            "creationTimestamp": _time("When the server stored the object first. Read-only."),
            "deletionGracePeriodSeconds": {
                "type": "integer",
                "format": "int64",
                "description": "How long the object may take to end. Read-only.",
            },
            "deletionTimestamp": _time("When the deletion of the object was asked for. Read-only."),
            "finalizers": _texts(
                "Who must agree before the object goes.",
                **{"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"},
            ),
            "generateName": text("Beginning of a name that the server makes up where there is none."),
            "generation": {
                "type": "integer",
                "format": "int64",
                "description": "Counts the changes of what is wanted. Read-only.",
            },
            "labels": {
                "type": "object",
                "description": "Texts by which objects are selected.",
                "additionalProperties": {"type": "string"},
            },
            "managedFields": {
                "type": "array",
                "description": "Who manages which fields.",
                "items": ref("ManagedFieldsEntry"),
                "x-kubernetes-list-type": "atomic",
            },
            "name": text("Name of the object, unique within its namespace. Cannot be changed."),
            "namespace": text("Namespace of the object. Cannot be changed."),
            "ownerReferences": {
                "type": "array",
                "description": "Objects that this one depends on; when all are gone, it is collected.",
                "items": ref("OwnerReference"),
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "uid",
            },
            "resourceVersion": text("The version that this is. Opaque; comparable as a number."),
            "selfLink": text("Not set any more."),
            "uid": text("Identifies the object in time and space. Read-only."),
        },
    ),
    "OwnerReference": {
        **_object(
            "Names an owning object in the same namespace, or of cluster scope.",
            {
                "apiVersion": text("API version of the owner."),
                "blockOwnerDeletion": {
                    "type": "boolean",
                    "description": "Whether the owner waits for this object in a foreground deletion.",
                },
                "controller": {"type": "boolean", "description": "Whether the owner controls this object."},
                "kind": text("Kind of the owner."),
                "name": text("Name of the owner."),
                "uid": text("UID of the owner."),
            },
            "apiVersion",
            "kind",
            "name",
            "uid",
        ),
        "x-kubernetes-map-type": "atomic",
    },
    "ManagedFieldsEntry": _object(
        "What one manager manages.",
        {
            "apiVersion": text("API version that the fields are of."),
            "fieldsType": text("FieldsV1."),
            "fieldsV1": {
                "type": "object",
                "description": "The fields, as a tree.",
                "x-kubernetes-preserve-unknown-fields": True,
            },
            "manager": text("Who manages the fields."),
            "operation": text("Apply or Update."),
            "subresource": text("The subresource through which they were written."),
            "time": _time("When the set changed last."),
        },
    ),
    "ListMeta": _object(
        "What every list has.",
        {
            "continue": text("Where there is more: what to hand in as `continue`."),
            "remainingItemCount": {"type": "integer", "format": "int64", "description": "How many objects follow."},
            "resourceVersion": text("The version of everything that the list shows."),
            "selfLink": text("Not set any more."),
        },
    ),
    "Preconditions": _object(
        "What must hold before a deletion.",
        {"resourceVersion": text("The version that the object has."), "uid": text("The UID that the object has.")},
    ),
    "DeleteOptions": _object(
        "How to delete.",
        {
            **_TYPE_META,
            "dryRun": _texts("`All`: change nothing.", **{"x-kubernetes-list-type": "atomic"}),
            "gracePeriodSeconds": {"type": "integer", "format": "int64", "description": "Not used for these objects."},
            "orphanDependents": {"type": "boolean", "description": "Deprecated: use propagationPolicy."},
            "preconditions": ref("Preconditions"),
            "propagationPolicy": text("Orphan, Background or Foreground."),
        },
    ),
    "StatusCause": _object(
        "One of several things that were wrong.",
        {
            "field": text("The field, as a path."),
            "message": text("What was wrong, for people."),
            "reason": text("What was wrong, for programs."),
        },
    ),
    "StatusDetails": _object(
        "More about a Status.",
        {
            "causes": {"type": "array", "description": "What was wrong.", "items": ref("StatusCause")},
            "group": text("Group of the resource."),
            "kind": text("The resource, or its kind."),
            "name": text("Name of the object."),
            "retryAfterSeconds": {"type": "integer", "format": "int32", "description": "When to try again."},
            "uid": text("UID of the object."),
        },
    ),
    "Status": {
        **_object(
            "The outcome of a request that answers with nothing else.",
            {
                **_TYPE_META,
                "code": {"type": "integer", "format": "int32", "description": "The HTTP status."},
                "details": ref("StatusDetails"),
                "message": text("What happened, for people."),
                "metadata": ref("ListMeta"),
                "reason": text("What happened, for programs."),
                "status": text("Success or Failure."),
            },
        ),
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Status"}],
    },
    "Patch": {"type": "object", "description": "A patch; its form depends on its media type."},
    "JsonPatch": {
        "type": "array",
        "description": "A patch of RFC 6902.",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "properties": {
                "op": {"type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": {"type": "string"},
                "from": {"type": "string"},
                "value": {},
            },
        },
    },
    "WatchEvent": _object(
        "One event of a watch.",
        {
            "object": {
                "type": "object",
                "description": "What it is about.",
                "x-kubernetes-preserve-unknown-fields": True,
            },
            "type": text("ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."),
        },
        "type",
        "object",
    ),
}
