"""The DNS names of Services (Kubernetes DNS specification §2.3, §2.4): written for a Service, and read back to it.

- `<service>.<namespace>.svc`, the same below the cluster domain, and without `.svc` unless that is switched off: in a namespace
  named `com` it would be a name of somebody else's.
- Of a pod behind a headless Service `<host>.<service>.<namespace>.svc`, and the same below the cluster domain. Not without
  `.svc`: in a namespace named `svc` that would be the name of another's Service.
- The Service's name alone means another Service in each namespace, and whoever may make Services in one would be `kubernetes` to
  the others: it is read, as relative, and never written.
- The API server's own Service, `kubernetes` in `default`, has no names here: whoever may write in that namespace is not
  `kubernetes.default.svc` to the others.
- No two Services have a name in common, and no name has a wildcard.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeAlias

from certs.errors import MalformedName
from certs.names import parse_dns_name

Place: TypeAlias = tuple[str, str]
"""Namespace and name."""

_API_SERVER: Place = ("default", "kubernetes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceName:
    """Which Service would have to be there; whether it is, and for whom it stands, the cluster's state says. `host` is a pod's
    host name, empty for the Service itself; `is_relative`: the name has no namespace."""

    namespace: str
    service: str
    host: str = ""
    is_relative: bool = False

    @property
    def place(self) -> Place:
        return self.namespace, self.service


@dataclass(frozen=True, slots=True, kw_only=True)
class NameForms:
    """`cluster_domain` is in its normal form; with `short_names`, `.svc` may be left out."""

    cluster_domain: str = "cluster.local"
    short_names: bool = True

    @classmethod
    def of(cls, cluster_domain: str, *, short_names: bool) -> Self:
        """Raises MalformedName."""
        domain = parse_dns_name(cluster_domain)
        if domain.startswith("*") or domain == "svc":
            raise MalformedName(
                "cannot be the domain of a cluster, write one such as cluster.local", field="dns", value=cluster_domain
            )
        return cls(cluster_domain=domain, short_names=short_names)

    def names(self, namespace: str, service: str, *, host: str = "") -> Iterator[str]:
        """All of a Service, and with `host` those of that pod behind it. Without those that no certificate can have: a namespace
        may be named `42`, or a name be too long in one form."""
        if (namespace, service) == _API_SERVER:
            return
        short = f"{service}.{namespace}"
        if self.short_names:
            yield from _wellformed(short)
        for full in (f"{short}.svc", *((f"{host}.{short}.svc",) if host else ())):
            yield from _wellformed(full, f"{full}.{self.cluster_domain}")

    def read(self, name: str, *, namespace: str = "") -> ServiceName | None:
        """`namespace` is that of a name without one, empty where there is none. None: it is no name of a Service."""
        found = self._read(name.split("."), namespace)
        return None if found is None or found.place == _API_SERVER else found

    def _read(self, labels: list[str], namespace: str) -> ServiceName | None:
        if "*" in labels:
            return None
        if len(labels) == 1:
            return ServiceName(namespace=namespace, service=labels[0], is_relative=True) if namespace else None
        if len(labels) == 2:
            return ServiceName(namespace=labels[1], service=labels[0]) if self.short_names else None
        for end in (["svc", *self.cluster_domain.split(".")], ["svc"]):
            own = labels[: -len(end)]
            if labels[-len(end) :] == end and len(own) in {2, 3}:
                return ServiceName(namespace=own[-1], service=own[-2], host="".join(own[:-2]))
        return None


def _wellformed(*names: str) -> Iterator[str]:
    for name in names:
        try:
            yield parse_dns_name(name)
        except MalformedName:
            continue
