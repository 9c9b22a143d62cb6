"""Media types of request bodies.

- JSON is YAML, and what clients send as YAML is most often JSON: that is taken as it is.
"""

from collections.abc import Mapping

import orjson

from apiserver.errors import RequestEntityTooLarge, UnsupportedMediaType
from apiserver.kinds.kind import Kind
from apiserver.operations.patching import PatchType
from apiserver.representations.yaml import yaml_as_json

_JSON = frozenset(
    {"application/json", "application/octet-stream", "*/*", ""}
)  # the second is what aiohttp calls silence
_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
_OBJECTS = ("application/json", "application/yaml")
_MOST_YAML = 3 << 20  # octets, as kube-apiserver bounds every body: a megabyte takes more than a second to read
_PATCHES: Mapping[str, PatchType] = {one.value: one for one in PatchType}


def body_as_json(content_type: str, octets: bytes) -> bytes:
    """The document of a body; YAML takes a while. Raises UnsupportedMediaType, BadRequest, RequestEntityTooLarge."""
    if content_type in _YAML:
        return _yaml_as_json(octets)
    if content_type not in _JSON:
        raise UnsupportedMediaType(_OBJECTS)
    return octets


def is_yaml(content_type: str) -> bool:
    return content_type in _YAML


def patch_type(content_type: str, kind: Kind) -> PatchType:
    """Raises UnsupportedMediaType for a patch that there is not, or not for this kind."""
    found = _PATCHES.get(content_type)
    if found is None or (found is PatchType.STRATEGIC and not kind.merges_strategically):
        raise UnsupportedMediaType([one.value for one in patch_types(kind)])
    return found


def patch_types(kind: Kind) -> tuple[PatchType, ...]:
    """What a kind can be patched with."""
    return tuple(one for one in PatchType if one is not PatchType.STRATEGIC or kind.merges_strategically)


def _yaml_as_json(octets: bytes) -> bytes:
    if octets.lstrip().startswith((b"{", b"[")):
        try:
            orjson.loads(octets)
        except orjson.JSONDecodeError:
            pass  # a flow mapping of YAML, or nothing at all: the reader of YAML says which
        else:
            return octets
    if len(octets) > _MOST_YAML:
        raise RequestEntityTooLarge(_MOST_YAML)
    return yaml_as_json(octets)
