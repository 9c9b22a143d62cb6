"""How large a request body may be, by kind: what the operator says goes before what a manifest says.

- A kind is named as its CustomResourceDefinition is, `<plural>.<group>`, and all of its versions are meant.
- Limits are checked before anything is served: a name that nobody knows is a slip of the pen, and a limit that the budget of bodies
  never lets through would be a promise that is not kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from apiserver.kinds.named_limits import read_limits, resource_of, verify_served

if TYPE_CHECKING:
    from apiserver.kinds.kind import Kind

MAXIMUM_BODY = "chancery.dev/maximum-body"
"""Annotation of a manifest: how large a request body may be, as a quantity (`20Mi`)."""

KIND_MAX_BODY = "kind_max_body"
DEFAULT_BODY = 3 << 20
LARGEST_BODY = 1 << 30
_QUANTITY = re.compile(r"(\d{1,10})(Ki|Mi|Gi)?", re.ASCII)
_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_SHOWN = "must be a quantity up to 1Gi, such as 20Mi"


def parse_octets(text: str) -> int:
    """Octets of a quantity. Raises ValueError for what is none, is nothing, or is beyond LARGEST_BODY."""
    match = _QUANTITY.fullmatch(text)
    octets = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < octets <= LARGEST_BODY:
        raise ValueError(_SHOWN)
    return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """`default` is of kinds whose manifest says none, in octets; `by_resource` of those that are named, whatever theirs says."""

    default: int = DEFAULT_BODY
    by_resource: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, default: str, by_resource: Sequence[str], *, largest: int) -> "tuple[BodyLimits, list[str]]":
        """From the settings, with all that is wrong with them. `largest` is what one caller may have of the budget of bodies."""
        faults: list[str] = []
        octets = _checked("max_body", default, largest, faults)
        named = read_limits(
            KIND_MAX_BODY, by_resource, lambda name, text: _checked(name, text, largest, faults), faults
        )
        return cls(default=octets, by_resource=named), faults

    def applied(self, kinds: "Sequence[Kind]") -> "tuple[Kind, ...]":
        """The kinds under these limits. Raises ApiSettingsInvalid for a resource that is none of them."""
        verify_served(KIND_MAX_BODY, self.by_resource, kinds)
        return tuple(replace(kind, maximum_octets=self._of(kind)) for kind in kinds)

    def _of(self, kind: "Kind") -> int:
        said = kind.maximum_octets if MAXIMUM_BODY in kind.annotations else self.default
        return self.by_resource.get(resource_of(kind), said)


def _checked(name: str, text: str, largest: int, faults: list[str]) -> int:
    try:
        octets = parse_octets(text)
    except ValueError as err:
        faults.append(f"{name}: {err}")
        return DEFAULT_BODY
    if octets > max(largest, DEFAULT_BODY):
        faults.append(
            f"{name}: one caller never gets more than {largest} octets of max_body_octets_inflight; raise that first"
        )
    return octets
