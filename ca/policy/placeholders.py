"""What a pattern may take from the caller: `{namespace}`, `{service_account}`, `{trust_domain}`, `{common_name}`.

- A value is text: a `*` or a `{` in it means itself.
- A caller that lacks the value matches no pattern that wants it.
"""

import re
from enum import StrEnum

from ca.callers import Caller

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

Pieces = tuple[str, ...]
"""The literal text before, between and behind the `*` of one DNS label, one path segment or one name."""


class Placeholder(StrEnum):
    NAMESPACE = "namespace"
    SERVICE_ACCOUNT = "service_account"
    TRUST_DOMAIN = "trust_domain"
    COMMON_NAME = "common_name"

    def of(self, caller: Caller) -> str | None:
        match self:
            case Placeholder.NAMESPACE:
                return caller.namespace
            case Placeholder.SERVICE_ACCOUNT:
                return caller.service_account
            case Placeholder.TRUST_DOMAIN:
                return caller.trust_domain
            case Placeholder.COMMON_NAME:
                return caller.common_name


def placeholders_in(pattern: str) -> tuple[str, ...]:
    return tuple(_PLACEHOLDER.findall(pattern))


def fill(pieces: Pieces, caller: Caller, *, separators: str = "") -> Pieces | None:
    """The pieces with the caller's values in place.

    None where the caller lacks a value, or where one holds a separator: it would reach into the next label or segment.
    """
    values = {name: Placeholder(name).of(caller) for piece in pieces for name in _PLACEHOLDER.findall(piece)}
    held = {name: value for name, value in values.items() if value and not any(mark in value for mark in separators)}
    if len(held) != len(values):
        return None
    return tuple(_PLACEHOLDER.sub(lambda found: held[found[1]], piece) for piece in pieces)
