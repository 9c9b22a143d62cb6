"""Which DNS names a pod may have: those of the Services that select it, in all forms that `kube.service_names` writes.

- A headless Service that is the pod's subdomain gives it names of its own as well.
- The annotation takes names away, and never adds one. What it asks for without having it is told apart.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from certs.names import MAX_NAMES
from kube.pods.records import PodRecord, ServiceRecord
from kube.service_names import NameForms

MAX_DNS_NAMES = MAX_NAMES - 1
"""A certificate has the identity of the workload beside them."""

_SEPARATORS = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNames:
    """`allowed` in order and without repetition; `refused` is what the annotation asks for and is no name of the pod;
    `omitted` counts those that are more than a certificate has room for."""

    allowed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    omitted: int = 0


NO_NAMES = PodNames()


def names_of(pod: PodRecord, services: Iterable[ServiceRecord], forms: NameForms) -> PodNames:
    """Of a pod that takes part."""
    own = {
        name
        for service in services
        if service.selects(pod)
        for name in forms.names(service.namespace, service.name, host=service.host_of(pod))
    }
    asked = asked_names(pod.dns) if pod.dns is not None else None
    allowed = sorted(own if asked is None else own.intersection(asked))
    return PodNames(
        allowed=tuple(allowed[:MAX_DNS_NAMES]),
        refused=tuple(name for name in asked or () if name not in own),
        omitted=max(0, len(allowed) - MAX_DNS_NAMES),
    )


def asked_names(annotation: str) -> Sequence[str]:
    """What `chancery.dev/dns` lists, between commas or blanks, in lower case; an empty one asks for no name at all."""
    return tuple(dict.fromkeys(name for name in _SEPARATORS.split(annotation.lower()) if name))
