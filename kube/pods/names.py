"""Which DNS names a pod may have: those of the Services that select it, in all forms that `kube.service_names` writes.

- A headless Service that is the pod's subdomain gives it names of its own as well.
- The annotation takes names away, and never adds one. What it asks for without having it is told apart.
- Whoever may make Services can make thousands: no more of them are looked at closely than a certificate has room for.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from certs.names import MAX_NAMES
from kube.pods.records import PodRecord, ServiceRecord
from kube.service_names import NameForms

MAX_DNS_NAMES = MAX_NAMES - 1
"""A certificate has the identity of the workload beside them."""

_SEPARATORS = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNames:
    """`allowed` in order and without repetition; `refused` is what the annotation asks for and is no name of the pod;
    `omitted` is how many there are at least beyond those that a certificate has room for."""

    allowed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    omitted: int = 0


NO_NAMES = PodNames()


def names_of(pod: PodRecord, services: Iterable[ServiceRecord], forms: NameForms) -> PodNames:
    """Of a pod that takes part."""
    asked = asked_names(pod.dns) if pod.dns is not None else None
    behind = [service for service in _considered(services, asked, forms) if service.selects(pod)]
    behind.sort(key=attrgetter("name"))
    own = {
        name
        for service in behind[:MAX_DNS_NAMES]
        for name in forms.names(service.namespace, service.name, host=service.host_of(pod))
    }
    allowed = sorted(own if asked is None else own.intersection(asked))
    return PodNames(
        allowed=tuple(allowed[:MAX_DNS_NAMES]),
        refused=tuple(name for name in asked or () if name not in own),
        omitted=max(0, len(allowed) - MAX_DNS_NAMES) + max(0, len(behind) - MAX_DNS_NAMES),
    )


def _considered(
    services: Iterable[ServiceRecord], asked: Sequence[str] | None, forms: NameForms
) -> Iterable[ServiceRecord]:
    """Where names are asked for, the Services that these are of: no two have a name in common."""
    if asked is None:
        return services
    wanted = {found.place for found in map(forms.read, asked) if found is not None}
    return (service for service in services if (service.namespace, service.name) in wanted)


def asked_names(annotation: str) -> Sequence[str]:
    """What `chancery.dev/dns` lists, between commas or blanks, in lower case; an empty one asks for no name at all."""
    return tuple(dict.fromkeys(name for name in _SEPARATORS.split(annotation.lower()) if name))
