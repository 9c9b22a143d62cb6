"""Limits that an operator sets by kind, `<plural>.<group>=<limit>`: as its CustomResourceDefinition is called, for all versions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from apiserver.errors import ApiSettingsInvalid

if TYPE_CHECKING:
    from apiserver.kinds.kind import Kind

KIND_MAX_REQUESTS_INFLIGHT = "kind_max_requests_inflight"
_MOST_REQUESTS = 1_000_000


def read_limits(
    setting: str, entries: Iterable[str], parse: Callable[[str, str], int], faults: list[str]
) -> dict[str, int]:
    """By resource. `parse` gets what a fault shall be said of, and the limit."""
    named: dict[str, int] = {}
    for entry in entries:
        resource, _, limit = (part.strip() for part in entry.partition("="))
        if resource in named:
            faults.append(f"{setting}: {resource} is named twice")
        named[resource] = parse(f"{setting}: {entry!r}", limit)
    return named


def read_requests(setting: str, entries: Iterable[str], *, most: int) -> tuple[dict[str, int], list[str]]:
    """Numbers of requests by resource, and all that is wrong with them."""
    faults: list[str] = []

    def parse(name: str, text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(_MOST_REQUESTS)) else 0
        if not 0 < number <= most:
            faults.append(f"{name}: must be a number from 1 to {most}, the bound for all kinds together")
        return number

    return read_limits(setting, entries, parse, faults), faults


def verify_served(setting: str, named: Mapping[str, int], kinds: "Sequence[Kind]") -> None:
    """Raises ApiSettingsInvalid for what is none of the kinds: it is a slip of the pen."""
    known = {resource_of(kind) for kind in kinds}
    if unknown := sorted(named.keys() - known):
        served = ", ".join(sorted(known))
        raise ApiSettingsInvalid([f"{setting}: {name!r} is not served; there are {served}" for name in unknown])


def resource_of(kind: "Kind") -> str:
    return f"{kind.names.plural}.{kind.group}"
