"""Content negotiation: what the caller takes, and what of that there is (k8s.io/apiserver endpoints/handlers/negotiation).

- Accept is tried in its order, as kube-apiserver does; q only ever excludes. Parts that nobody offers are passed over.
- Offered: JSON and YAML; of objects also as Table (JSON, YAML) and as metadata alone.
"""

import re
from dataclasses import dataclass
from enum import Enum

from apiserver.errors import NotAcceptable

JSON = "application/json"
YAML = "application/yaml"
OFFERED = (JSON, YAML)

_META_GROUP = "meta.k8s.io"
_LONGEST = 4096
_MOST_PARTS = 64
_BROWSERS = re.compile(r"^(curl|Wget|Mozilla)/", re.IGNORECASE)


class Shape(Enum):
    """What of an object is shown; the value is the kind that `as=` names, for one object and for a list."""

    OBJECT = ("", "")
    TABLE = ("Table", "Table")
    PARTIAL = ("PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """`version` is that of meta.k8s.io where the shape is not the object's own; `pretty`: indented, for people."""

    media_type: str = JSON
    shape: Shape = Shape.OBJECT
    version: str = "v1"
    pretty: bool = False

    @property
    def is_yaml(self) -> bool:
        return self.media_type == YAML


def negotiate(accept: str, *, pretty: str | None = None, user_agent: str = "") -> Representation:
    """`pretty` is the query parameter. Raises NotAcceptable."""
    indented = pretty.lower() not in {"0", "false"} if pretty is not None else bool(_BROWSERS.match(user_agent))
    for part in accept[:_LONGEST].split(",")[:_MOST_PARTS] if accept.strip() else ["*/*"]:
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        given = dict(_parameter(parameter) for parameter in parameters if parameter)
        offered = _offered(media_type.lower())
        if offered is None or re.fullmatch(r"0(\.0*)?", given.get("q", "1")):
            continue
        found = _shape(given)
        if found is not None:
            shape, version = found
            return Representation(media_type=offered, shape=shape, version=version, pretty=indented)
    raise NotAcceptable(OFFERED)


def _offered(media_type: str) -> str | None:
    if media_type in {"*/*", "application/*", JSON, ""}:
        return JSON
    return YAML if media_type == YAML else None


def _shape(given: dict[str, str]) -> tuple[Shape, str] | None:
    name = given.get("as", "")
    if not name:
        return None if {"g", "v"} & given.keys() else (Shape.OBJECT, "v1")
    if given.get("g") != _META_GROUP or given.get("v") not in {"v1", "v1beta1"}:
        return None
    shape = next((shape for shape in Shape if name in shape.value), None)
    return None if shape is None else (shape, given["v"])


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')
