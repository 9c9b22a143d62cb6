"""Every controller of the signers over a cluster in memory, with an authority that is told what to answer."""

from typing import Any

from prometheus_client import CollectorRegistry

from kube.collections import Collections
from kube.controllers import Key
from kube.signers.admission_policy import policy_and_binding
from kube.signers.issuer_controller import IssuerController
from kube.signers.issuer_request_controller import IssuerRequestController
from kube.signers.outcomes import Outcomes
from kube.signers.parts import SignerParts
from kube.signers.pod_controller import PodRequestController
from kube.signers.settings import SignerSettings
from kube.signers.signing_controller import SigningController
from tests.kube.ambient import Time
from tests.kube.api_server import FakeCluster
from tests.kube.signers.authority import FakeAuthority
from tests.kube.signers.documents import (
    NOW,
    account_user,
    csr,
    issuer,
    issuer_request,
    named,
    pod,
    pod_request,
    service,
    signing_request,
)

CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests/cart"
BETA = "/apis/certificates.k8s.io/v1beta1/namespaces/shop/podcertificaterequests/req-1"
REQUEST = "/apis/cert-manager.io/v1/namespaces/shop/certificaterequests/cart-1"
ISSUER = "/apis/chancery.dev/v1alpha1/namespaces/shop/issuers/internal"
POLICY = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/chancery-pod-certificate-requests"
BINDING = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/chancery-pod-certificate-requests"
SHOP = "/api/v1/namespaces/shop"
KINDS = {
    "v1/pods": "Pod",
    "v1/services": "Service",
    "v1/serviceaccounts": "ServiceAccount",
    "v1/nodes": "Node",
    "certificates.k8s.io/v1/certificatesigningrequests": "CertificateSigningRequest",
    "certificates.k8s.io/v1beta1/podcertificaterequests": "PodCertificateRequest",
    "admissionregistration.k8s.io/v1/validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
    "cert-manager.io/v1/certificaterequests": "CertificateRequest",
    "chancery.dev/v1alpha1/issuers": "Issuer",
    "chancery.dev/v1alpha1/clusterissuers": "ClusterIssuer",
}
SIGNING, POD_REQUEST, ISSUING = (
    Key(name="cart"),
    Key(kind="v1beta1", namespace="shop", name="req-1"),
    Key(namespace="shop", name="cart-1"),
)


class Heard:
    """Stands where Events do."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def record(self, one: Any, kind: str, reason: str, message: str) -> None:
        self.all.append((reason, message))

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.all]


class Rig:
    """The controllers, and what they are in."""

    def __init__(self, fake: FakeCluster) -> None:
        fake.kinds.update(KINDS)
        self.fake = fake
        self.time = Time(wall=NOW.timestamp())
        self.cluster = fake.open()
        self.authority = FakeAuthority(clock=self.time.clock)
        self.events = Heard()
        self.registry = CollectorRegistry()
        self.collections = Collections()
        events: Any = self.events
        parts = SignerParts(
            cluster=self.cluster,
            authority=self.authority,
            outcomes=Outcomes(events, self.registry),
            settings=SignerSettings(),
            clock=self.time.clock,
        )
        self.signing = SigningController(parts)
        self.pods = PodRequestController(parts, self.collections)
        self.requests = IssuerRequestController(parts)
        self.issuers = IssuerController(parts)
        self.pod = fake.put(f"{SHOP}/pods/cart-1", **body(pod()))
        fake.put(f"{SHOP}/services/cart", **body(service()))

    def put(self, path: str, document: dict[str, Any]) -> None:
        self.fake.put(path, **body(document))

    def status(self, path: str) -> dict[str, Any]:
        return self.fake.objects[path]["status"]

    def conditions(self, path: str) -> dict[str, str]:
        return {one["type"]: one["reason"] for one in self.status(path).get("conditions", [])}

    def ask(self, signer: str = "chancery.dev/workload", user: Any = None, **changes: Any) -> None:
        asked = csr(dns=["cart.shop.svc"]) if signer.endswith("serving") else csr()
        self.put(CSR, signing_request(signer, asked, user or account_user(pod=self.pod), **changes))

    def ask_for_pod(self, **spec: Any) -> None:
        account = self.fake.put(f"{SHOP}/serviceaccounts/cart", **body(named("ServiceAccount", "cart", "shop")))
        node = self.fake.put("/api/v1/nodes/node-1", **body(named("Node", "node-1")))
        self.put(BETA, pod_request(self.pod, account, node, **spec))
        self.apply_policy()

    def apply_policy(self, at: str = "2026-11-20T08:00:00Z") -> None:
        for path, document in zip((POLICY, BINDING), policy_and_binding(), strict=True):
            self.put(path, {**document, "metadata": {**document["metadata"], "creationTimestamp": at}})

    def ask_as_cert_manager(self, **changes: Any) -> None:
        self.put(ISSUER, issuer())
        self.put(REQUEST, issuer_request(csr(dns=["cart.shop.svc"]), **changes))

    @property
    def orders(self) -> list[str]:
        return [order.request_id for order in self.authority.orders]


def body(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in {"apiVersion", "kind"}}
