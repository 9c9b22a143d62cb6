"""What the components may do in the cluster, and what we may look at: asked by access reviews, judged here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kube.collections import Resource
from kube.diagnosis.findings import Cause, Finding, Severity
from kube.documents import JsonObject

OWN_REVIEWS = Resource(group="authorization.k8s.io", version="v1", plural="selfsubjectaccessreviews", namespaced=False)
REVIEWS = Resource(group="authorization.k8s.io", version="v1", plural="subjectaccessreviews", namespaced=False)
_ADMISSION = "admissionregistration.k8s.io"
_CERTIFICATES = "certificates.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """`namespace` is empty for all of them; `namespaced` ones are asked for in the product's."""

    verb: str
    group: str = ""
    resource: str
    subresource: str = ""
    name: str = ""
    namespaced: bool = False

    def __str__(self) -> str:
        resource = "/".join(filter(None, (self.resource, self.subresource)))
        resource += f".{self.group}" if self.group else ""
        return f"{self.verb} {resource}" + (f" {self.name}" if self.name else "")

    def attributes(self, namespace: str) -> JsonObject:
        """Of `spec.resourceAttributes`."""
        said = {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "name": self.name,
            "namespace": namespace if self.namespaced else "",
        }
        return {key: value for key, value in said.items() if value or key == "group"}


def _rights(verbs: str, resource: str, group: str = "", *, name: str = "", namespaced: bool = False) -> Sequence[Right]:
    return [
        Right(verb=verb, group=group, resource=resource, name=name, namespaced=namespaced) for verb in verbs.split()
    ]


def rights_of(component: str, *, features: frozenset[str], roots_secret: str = "", lease: str = "") -> Sequence[Right]:
    """Those without which a component does nothing that it is for; `features` are those of the controller that are on."""
    if component == "ca":
        return [
            Right(verb="create", group="authentication.k8s.io", resource="tokenreviews"),
            *_rights("get update", "secrets", name=roots_secret, namespaced=True),
        ]
    if component == "injector":
        return [*_rights("create", "podtemplates", namespaced=True), *_rights("list", "nodes")]
    if component == "apiserver":
        return [
            *_rights("list watch", "namespaces"),
            *_rights("create", "tokenreviews", "authentication.k8s.io"),
            *_rights("create", "subjectaccessreviews", "authorization.k8s.io"),
        ]
    if component != "controller":
        return []
    return [
        *_rights("create", "leases", "coordination.k8s.io", namespaced=True),
        *_rights("get update", "leases", "coordination.k8s.io", name=lease, namespaced=True),
        *(right for feature in sorted(features) for right in _OF_FEATURES.get(feature, ())),
    ]


_OF_FEATURES: Mapping[str, Sequence[Right]] = {
    "injection": [
        *_rights("list watch patch", "validatingwebhookconfigurations", _ADMISSION),
        *_rights("list watch patch", "mutatingwebhookconfigurations", _ADMISSION),
        *_rights("list watch patch", "apiservices", "apiregistration.k8s.io"),
        *_rights("list watch patch", "customresourcedefinitions", "apiextensions.k8s.io"),
    ],
    "trust": [
        *_rights("list watch", "namespaces"),
        *_rights("list watch patch", "configmaps", name="chancery-roots"),
        *_rights("list create patch", "clustertrustbundles", _CERTIFICATES),
        *_rights("attest", "signers", _CERTIFICATES, name="chancery.dev/workload"),
    ],
    "pods": [
        *_rights("list watch", "pods"),
        *_rights("list watch", "services"),
        *_rights("list watch", "serviceaccounts"),
    ],
    "signing": [
        *_rights("list watch", "certificatesigningrequests", _CERTIFICATES),
        Right(verb="update", group=_CERTIFICATES, resource="certificatesigningrequests", subresource="status"),
        *_rights("sign", "signers", _CERTIFICATES, name="chancery.dev/serving"),
    ],
}
FEATURES = frozenset(_OF_FEATURES)


def judge_rights(account: str, denied: Sequence[Right], *, asked: int) -> Finding:
    """Of a service account of ours, as `namespace/name`."""
    label = f"ServiceAccount/{account}"
    if not denied:
        return Finding(target=label, severity=Severity.OK, summary=f"has the {asked} rights that it needs")
    return Finding(
        target=label,
        severity=Severity.PROBLEM,
        cause=Cause.RIGHTS_MISSING,
        summary=f"may not {', '.join(map(str, denied))}",
        hint="install the chart's roles again (helm upgrade), or give it these by a Role of yours: docs/controller.md lists them",
    )
