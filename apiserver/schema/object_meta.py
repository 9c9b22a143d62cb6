"""metadata of every object (meta/v1 ObjectMeta), whatever a kind's schema says of it; so it is in an embedded object."""

from apiserver.schema.structural import Schema

_TEXT = Schema(type="string")
_TRUTH = Schema(type="boolean")
_INTEGER = Schema(type="integer", format="int64")
_TIME = Schema(type="string", format="date-time", nullable=True)
_TEXTS = Schema(type="object", additional_properties=_TEXT)
_OWNER = Schema(
    type="object",
    map_type="atomic",
    required=("apiVersion", "kind", "name", "uid"),
    properties={
        **dict.fromkeys(("apiVersion", "kind", "name", "uid"), _TEXT),
        **dict.fromkeys(("blockOwnerDeletion", "controller"), _TRUTH),
    },
)
_MANAGER = Schema(
    type="object",
    properties={
        **dict.fromkeys(("apiVersion", "fieldsType", "manager", "operation", "subresource"), _TEXT),
        "fieldsV1": Schema(type="object", preserve_unknown_fields=True),
        "time": _TIME,
    },
)

OBJECT_META = Schema(
    type="object",
    properties={
        **dict.fromkeys(("generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"), _TEXT),
        **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), _INTEGER),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TIME),
        **dict.fromkeys(("annotations", "labels"), _TEXTS),
        "finalizers": Schema(type="array", items=_TEXT, list_type="set", patch_strategy=("merge",)),
        "managedFields": Schema(type="array", items=_MANAGER, list_type="atomic"),
        "ownerReferences": Schema(
            type="array",
            items=_OWNER,
            list_type="map",
            list_map_keys=("uid",),
            patch_strategy=("merge",),
            patch_merge_key="uid",
        ),
    },
)
