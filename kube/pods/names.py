"""Which DNS names a pod may have: those by which the Services that select it are reached.

- `<service>.<namespace>.svc`, the same below the cluster domain, and without `.svc` unless that is switched off: in a namespace
  named `com` it would be a name of somebody else's. The Service's name alone is none: it means another
  Service in each namespace, and whoever may make Services in one would be `kubernetes` to the others.
- A headless Service that is the pod's subdomain gives `<hostname>.<service>.<namespace>.svc` and the same below the cluster
  domain. Not without `.svc`: in a namespace named `svc` that would be the name of another's Service.
- No two namespaces have a name in common, and no name has a wildcard.
- The API server's own Service stands for no pod, whatever selector somebody gives it: whoever may write in namespace `default`
  is not `kubernetes.default.svc` to the others.
- The annotation takes names away, and never adds one. What it asks for without having it is told apart.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from certs.errors import MalformedName
from certs.names import MAX_NAMES, parse_dns_name
from kube.pods.records import PodRecord, ServiceRecord

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NameForms:
    """`cluster_domain` is as `verify_cluster_domain` returns it; with `short_names`, `.svc` may be left out."""

    cluster_domain: str
    short_names: bool = True


def verify_cluster_domain(text: str) -> str:
    """Its normal form. Raises MalformedName."""
    domain = parse_dns_name(text)
    if domain.startswith("*") or domain == "svc":
        raise MalformedName(
            "cannot be the domain of a cluster, write one such as cluster.local", field="dns", value=text
        )
    return domain


def names_of(pod: PodRecord, services: Iterable[ServiceRecord], forms: NameForms) -> PodNames:
    """Of a pod that takes part."""
    own = {
        name
        for service in services
        if service.selects(pod) and not is_api_server(service.namespace, service.name)
        for name in _forms(pod, service, forms)
    }
    asked = asked_names(pod.dns) if pod.dns is not None else None
    allowed = sorted(own if asked is None else own.intersection(asked))
    return PodNames(
        allowed=tuple(allowed[:MAX_DNS_NAMES]),
        refused=tuple(name for name in asked or () if name not in own),
        omitted=max(0, len(allowed) - MAX_DNS_NAMES),
    )


def is_api_server(namespace: str, service: str) -> bool:
    return (namespace, service) == ("default", "kubernetes")


def asked_names(annotation: str) -> Sequence[str]:
    """What `chancery.dev/dns` lists, between commas or blanks, in lower case; an empty one asks for no name at all."""
    return tuple(dict.fromkeys(name for name in _SEPARATORS.split(annotation.lower()) if name))


def _forms(pod: PodRecord, service: ServiceRecord, forms: NameForms) -> Iterable[str]:
    domain = forms.cluster_domain
    short = f"{service.name}.{service.namespace}"
    yield from _wellformed(f"{short}.svc", f"{short}.svc.{domain}", *((short,) if forms.short_names else ()))
    if service.is_headless and pod.hostname and pod.subdomain == service.name:
        host = f"{pod.hostname}.{short}.svc"
        yield from _wellformed(host, f"{host}.{domain}")


def _wellformed(*names: str) -> Iterable[str]:
    """Without those that no certificate can have: a namespace may be named `42`, or a name be too long in one form."""
    for name in names:
        try:
            yield parse_dns_name(name)
        except MalformedName:
            continue
