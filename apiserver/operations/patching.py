"""Patches in their formats, as something that can be applied to a document.

- Parsed once; applied as often as the object changes underneath.
- A field that its kind keeps opaque is opened for the patch and closed again: with the same octets where the patch left it alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import orjson

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.errors import BadRequest
from apiserver.kinds.kind import Kind
from apiserver.patches.json_patch import OPERATION_FIELDS, apply_json_patch, json_type
from apiserver.patches.merge_patch import merge_patch
from apiserver.patches.strategic_merge import strategic_merge
from apiserver.requests.bodies import decode_json, duplicate_fields, verify_depth


class PatchType(StrEnum):
    """The media type of a patch."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """`octets` is its length, for judging how much work it is; `oddities` what a strict reader would not take."""

    type: PatchType
    value: JsonValue
    octets: int
    oddities: tuple[str, ...] = ()

    @classmethod
    def from_body(cls, patch_type: PatchType, body: bytes, *, strictly: bool = True) -> "Patch":
        """`strictly`: whether oddities are looked for. Raises BadRequest."""
        value = decode_json(body)
        wanted, go_type = _GO_TYPES[patch_type]
        if not isinstance(value, wanted):
            raise BadRequest(
                f"error decoding patch: json: cannot unmarshal {json_type(value)} into Go value of type {go_type}"
            )
        return cls(
            type=patch_type,
            value=value,
            octets=len(body),
            oddities=tuple(_oddities(patch_type, value, body)) if strictly else (),
        )

    def applied_to(self, document: JsonObject, kind: Kind) -> JsonObject:
        """A new document. Raises Unprocessable, BadRequest, RequestEntityTooLarge."""
        opened = {name: _opened(value) for name, value in document.items()}
        patched = _APPLIERS[self.type](opened, self.value, kind)
        if not isinstance(patched, dict):
            raise BadRequest("the patch leaves no object")
        verify_depth(patched)
        for name in kind.opaque & patched.keys():
            if patched[name] == opened.get(name):
                patched[name] = document[name]
            elif patched[name] is not None:
                patched[name] = OpaqueJson(orjson.dumps(patched[name]))
        return patched


def _oddities(patch_type: PatchType, value: JsonValue, body: bytes) -> Iterator[str]:
    if patch_type is not PatchType.JSON:
        yield from (f'duplicate field "{path}"' for path in duplicate_fields(body))
        return
    yield from (f'json patch duplicate field "{path}"' for path in duplicate_fields(body))
    for index, operation in enumerate(value if isinstance(value, list) else ()):
        for name in operation if isinstance(operation, dict) else ():
            if name not in OPERATION_FIELDS:
                yield f'json patch unknown field "[{index}].{name}"'


def _opened(value: JsonValue) -> JsonValue:
    return cast("JsonValue", orjson.loads(value.octets)) if isinstance(value, OpaqueJson) else value


_GO_TYPES: Mapping[PatchType, tuple[type, str]] = {
    PatchType.JSON: (list, "[]handlers.jsonPatchOp"),
    PatchType.MERGE: (dict, "map[string]interface {}"),
    PatchType.STRATEGIC: (dict, "map[string]interface {}"),
}
_APPLIERS: Mapping[PatchType, Callable[[JsonObject, JsonValue, Kind], JsonValue]] = {
    PatchType.JSON: lambda document, patch, _kind: apply_json_patch(document, patch),
    PatchType.MERGE: lambda document, patch, _kind: merge_patch(document, patch),
    PatchType.STRATEGIC: lambda document, patch, kind: strategic_merge(document, patch, kind.schema),
}
