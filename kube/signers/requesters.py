"""Who made a request, by the word of the API server that wrote it into the object (certificates.k8s.io/v1 `spec.username`).

- Who is in the groups of nodes is a node, whatever its name: a node may create requests for every signer, and none is for it.
- A name of a service account counts only together with the groups that go with it.
"""

from dataclasses import dataclass
from typing import TypeAlias

from certs.errors import MalformedName
from certs.names import SpiffeId
from kube.documents import JsonObject, mapping, sequence, text
from kube.signers.settings import SignerSettings

_SERVICE_ACCOUNT = "system:serviceaccount:"
_NODE = "system:node:"
_EXTRA = "authentication.kubernetes.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """`pod_name` and `pod_uid` are empty for a token that is bound to no pod."""

    namespace: str
    name: str
    pod_name: str = ""
    pod_uid: str = ""

    @property
    def is_of_pod(self) -> bool:
        return bool(self.pod_name and self.pod_uid)

    def __str__(self) -> str:
        return f"service account {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    name: str

    def __str__(self) -> str:
        return f"node {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """A person, or a program that is not a service account."""

    username: str

    def __str__(self) -> str:
        return f"user {self.username[:100]!r}"


Requester: TypeAlias = ServiceAccount | Node | Somebody


def requester_of(document: JsonObject) -> Requester:
    """Of a CertificateSigningRequest, or of cert-manager's CertificateRequest (its webhook writes the same fields)."""
    username = text(document, "spec", "username")
    groups = sequence(document, "spec", "groups")
    if username.startswith(_NODE) or "system:nodes" in groups:
        return Node(name=username.removeprefix(_NODE))
    namespace, colon, name = username.removeprefix(_SERVICE_ACCOUNT).partition(":")
    is_account = username.startswith(_SERVICE_ACCOUNT) and colon and namespace and name and ":" not in name
    if not is_account or not {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}.issubset(
        group for group in groups if isinstance(group, str)
    ):
        return Somebody(username=username)
    extra = mapping(document, "spec", "extra")
    return ServiceAccount(
        namespace=namespace, name=name, pod_name=_only(extra, "pod-name"), pod_uid=_only(extra, "pod-uid")
    )


def own_id(account: ServiceAccount, settings: SignerSettings) -> str | None:
    """Its SPIFFE ID; None for a name that no service account can have, and somebody's certificate for users does."""
    try:
        return str(SpiffeId.for_service_account(settings.trust_domain, account.namespace, account.name))
    except MalformedName:
        return None


def _only(extra: JsonObject, name: str) -> str:
    values = sequence(extra, f"{_EXTRA}{name}")
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""
