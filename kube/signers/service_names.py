"""The DNS names of Services (Kubernetes DNS specification §2.3, §2.4), read backwards: which Service a name is of.

- Forms: `svc`, `svc.ns`, `svc.ns.svc`, `svc.ns.svc.<cluster domain>`; of a pod behind a headless Service
  `host.svc.ns.svc` and `host.svc.ns.svc.<cluster domain>`.
- The API server's own Service, `kubernetes` in `default`, is nobody's: its names count as no Service's.
- A name says which Service would have to be there; whether it is, and for whom it stands, the cluster's state says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube.documents import JsonObject, mapping, namespace_of, text, texts
from kube.pods.names import is_api_server
from kube.signers.pods import is_alive

Place = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceName:
    """`host` is a pod's host name, empty for the Service itself. `is_relative`: the name has no namespace, so that it means another
    Service in each: whoever may make one called `kubernetes` would be that to all."""

    namespace: str
    service: str
    host: str = ""
    is_relative: bool = False

    @property
    def place(self) -> Place:
        return self.namespace, self.service


def parse_service_name(
    name: str, *, cluster_domain: str, namespace: str, short_names: bool = True
) -> ServiceName | None:
    """`namespace` is that of a name without one, empty where there is none; without `short_names`, `svc.ns` is no form. None: it is
    no form of a Service's name."""
    found = _parse(name.split("."), cluster_domain.split("."), namespace)
    if found is None or is_api_server(*found.place):
        return None
    return None if name == f"{found.service}.{found.namespace}" and not short_names else found


def _parse(labels: list[str], suffix: list[str], namespace: str) -> ServiceName | None:
    if labels[-len(suffix) - 1 :] == ["svc", *suffix]:
        return _qualified(labels[: -len(suffix) - 1])
    if len(labels) > 2:
        return _qualified(labels[:-1]) if labels[-1] == "svc" else None
    service, of_namespace = labels[0], labels[1] if len(labels) == 2 else namespace
    if not of_namespace or "*" in service:
        return None
    return ServiceName(namespace=of_namespace, service=service, is_relative=len(labels) == 1)


def _qualified(labels: list[str]) -> ServiceName | None:
    if len(labels) not in {2, 3} or "*" in labels:
        return None
    return ServiceName(namespace=labels[-1], service=labels[-2], host="".join(labels[:-2]))


def stands_for(name: ServiceName, service: JsonObject, pods: Iterable[JsonObject]) -> bool:
    """Whether one of `pods`, of the Service's namespace, is behind the name."""
    return any(_is_behind(name, service, pod) for pod in pods)


def selects(service: JsonObject, pod: JsonObject) -> bool:
    """A Service without a selector, and one that is but another name (ExternalName), selects nothing."""
    selector = mapping(service, "spec", "selector")
    if not selector or text(service, "spec", "type") == "ExternalName":
        return False
    labels = texts(pod, "metadata", "labels")
    return namespace_of(service) == namespace_of(pod) and all(
        labels.get(label) == value for label, value in selector.items()
    )


def missing(names: Iterable[ServiceName], services: Mapping[Place, JsonObject]) -> ServiceName | None:
    """The first name whose Service is not there."""
    return next((name for name in names if name.place not in services), None)


def _is_behind(name: ServiceName, service: JsonObject, pod: JsonObject) -> bool:
    if not is_alive(pod) or not selects(service, pod):
        return False
    return not name.host or (
        text(service, "spec", "clusterIP") == "None"
        and text(pod, "spec", "subdomain") == name.service
        and text(pod, "spec", "hostname") == name.host
    )
