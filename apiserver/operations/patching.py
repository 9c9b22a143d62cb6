"""Patches in their formats, as something that can be applied to a document.

- Parsed once; applied as often as the object changes underneath.
- A field that its kind keeps opaque is opened for the patch and closed again: with the same octets where the patch left it alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import orjson

from apiserver.documents import JsonObject, JsonValue, OpaqueJson
from apiserver.errors import BadRequest
from apiserver.kinds.kind import Kind
from apiserver.patches.json_patch import apply_json_patch
from apiserver.patches.merge_patch import merge_patch
from apiserver.patches.strategic_merge import strategic_merge
from apiserver.requests.bodies import decode_json, verify_depth


class PatchType(StrEnum):
    """The media type of a patch."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """`octets` is its length, for judging how much work it is."""

    type: PatchType
    value: JsonValue
    octets: int

    @classmethod
    def from_body(cls, patch_type: PatchType, body: bytes) -> "Patch":
        """Raises BadRequest."""
        value = decode_json(body)
        if patch_type is PatchType.JSON:
            if not isinstance(value, list):
                raise BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        elif not isinstance(value, dict):
            raise BadRequest("error decoding patch: the patch must be an object")
        return cls(type=patch_type, value=value, octets=len(body))

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


def _opened(value: JsonValue) -> JsonValue:
    return cast("JsonValue", orjson.loads(value.octets)) if isinstance(value, OpaqueJson) else value


_APPLIERS: Mapping[PatchType, Callable[[JsonObject, JsonValue, Kind], JsonValue]] = {
    PatchType.JSON: lambda document, patch, _kind: apply_json_patch(document, patch),
    PatchType.MERGE: lambda document, patch, _kind: merge_patch(document, patch),
    PatchType.STRATEGIC: lambda document, patch, kind: strategic_merge(document, patch, kind.schema),
}
