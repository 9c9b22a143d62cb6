"""A namespace of a real cluster in which certificates are asked for, a real authority, and the registrar between them.

- The registrar has the rights of rbac.yaml and those that every controller needs, and no others.
"""

import base64
import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from ca.client.connection import Address
from ca.client.followed import FollowedConnection
from kube.signers.making import signing_controllers
from kube.signers.manifests import ADMISSION_POLICY, ISSUERS, RBAC, read_manifests
from tests.apiserver.client import Answer, ApiClient
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import identity_of
from tests.kube.pods.registrar import make_registrar
from tests.kube.signers.documents import encoded
from tests.servers.kubernetes.control_plane import ControlPlane

NODE = "node-1"
CERTIFICATES = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REGISTRAR = "chancery-controller"
_POLICY = """\
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - name: registrars
    callers: [{certificate: {organizations: ["chancery:registrars"]}}]
    operations: [register]
    profiles: [workload, server, client, peer]
    names: {uris: ["spiffe://cluster.local/ns/*/sa/*"], dns: ["*.*", "**.svc", "**.svc.cluster.local"]}
    subject: {common_names: ["*"], organizations: ["team-*"]}
"""
_NEEDED_BY_ALL = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
]
_numbers = itertools.count(1)
Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class SigningCluster:
    plane: ControlPlane
    server: RunningServer
    namespace: str
    _node: ApiClient | None = None
    _names: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def node(self) -> ApiClient:
        """kubelet of the node."""
        if self._node is None:
            self._node = self.plane.client(f"system:node:{NODE}", "system:nodes")
        return self._node

    def name(self) -> str:
        return f"{self.namespace}-{next(self._names)}"

    def create(self, path: str, document: Json) -> Json:
        answer = self.plane.admin.create(path, document)
        assert answer.status == 201, f"POST {path}: {answer.status} {answer.octets.decode()}"
        return answer.document

    def in_namespace(self, plural: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}"

    def new_pod(self, account: str = "cart") -> Json:
        spec = {"serviceAccountName": account, "nodeName": NODE, "containers": [{"name": "c", "image": "none"}]}
        document = {"metadata": {"name": self.name(), "labels": {"app": account}}, "spec": spec}
        return self.create(self.in_namespace("pods"), document)

    def kubeconfig_of(self, pod: Json) -> Path:
        """Of the pod's account, with a token that is bound to the pod."""
        metadata = pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        account = pod["spec"]["serviceAccountName"]
        document = {"spec": {"boundObjectRef": bound, "expirationSeconds": 3600}}
        answer = self.create(f"{self.in_namespace('serviceaccounts')}/{account}/token", document)
        return self.plane.kubeconfig_for_token(answer["status"]["token"])

    def ask(self, kubeconfig: Path | None, signer: str, request: bytes, *usages: str, **spec: Any) -> str:
        """Makes a CertificateSigningRequest with kubectl, and returns its name."""
        name = self.name()
        document = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "signerName": f"chancery.dev/{signer}",
                "request": encoded(request),
                "usages": list(usages),
                **spec,
            },
        }
        self.plane.kubectl("create", "-f", "-", kubeconfig=kubeconfig, document=document)
        return name

    def await_condition(self, path: str, *types: str) -> Json:
        """Until the object has one of these conditions with status True; returns the object."""
        found: list[Json] = []

        def has_it() -> bool:
            document = self.plane.admin.get(path).document
            conditions = document.get("status", {}).get("conditions", [])
            if any(one["type"] in types and one["status"] == "True" for one in conditions):
                found.append(document)
            return bool(found)

        self.plane.wait_until(has_it, f"{path} is {' or '.join(types)}")
        return found[0]

    def await_certificate(self, name: str) -> list[x509.Certificate]:
        path = f"{CERTIFICATES}/{name}"
        self.plane.wait_until(
            lambda: self.plane.admin.get(path).document.get("status", {}).get("certificate"),
            f"{name} is signed",
            seconds=20,
        )
        return self.chain(self.plane.admin.get(path).document["status"]["certificate"])

    def chain(self, encoded_pem: str) -> list[x509.Certificate]:
        return self.verified(base64.b64decode(encoded_pem))

    def verified(self, pem: bytes) -> list[x509.Certificate]:
        """Leaf first; each is issued by the next, and the last by a root of the authority."""
        chain = x509.load_pem_x509_certificates(pem)
        roots = x509.load_pem_x509_certificates(self.server.administrator.roots)
        for issued, issuer in itertools.pairwise([*chain, *roots[:1]]):
            issued.verify_directly_issued_by(issuer)
        return chain

    def pod_request(self, pod: Json, request: bytes, **spec: Any) -> Json:
        node = self.plane.admin.get(f"/api/v1/nodes/{NODE}").document
        account = pod["spec"]["serviceAccountName"]
        found = self.plane.admin.get(f"{self.in_namespace('serviceaccounts')}/{account}").document
        fields = {
            "signerName": "chancery.dev/workload",
            "podName": pod["metadata"]["name"],
            "podUID": pod["metadata"]["uid"],
            "serviceAccountName": account,
            "serviceAccountUID": found["metadata"]["uid"],
            "nodeName": NODE,
            "nodeUID": node["metadata"]["uid"],
            "maxExpirationSeconds": 3600,
            "stubPKCS10Request": encoded(request),
            **spec,
        }
        return {
            "apiVersion": "certificates.k8s.io/v1beta1",
            "kind": "PodCertificateRequest",
            "metadata": {"name": self.name(), "namespace": self.namespace},
            "spec": fields,
        }

    @property
    def pod_requests(self) -> str:
        return f"/apis/certificates.k8s.io/v1beta1/namespaces/{self.namespace}/podcertificaterequests"

    @property
    def issuer_requests(self) -> str:
        return f"/apis/cert-manager.io/v1/namespaces/{self.namespace}/certificaterequests"

    def events_of(self, name: str, namespace: str = "default") -> list[str]:
        """Reasons, in the order of the API server."""
        query = {"fieldSelector": f"involvedObject.name={name}"}
        listed = self.plane.admin.get(f"/api/v1/namespaces/{namespace}/events", **query).document["items"]
        return [one["reason"] for one in listed]


@contextlib.contextmanager
def signing_cluster(plane: ControlPlane, directory: Path) -> Iterator[SigningCluster]:
    (directory / "policy.yaml").write_text(_POLICY)
    with running_server(directory / "ca", policy_file=directory / "policy.yaml") as server:
        cluster = SigningCluster(plane=plane, server=server, namespace=f"signing-{next(_numbers)}")
        _prepare(cluster)
        identity = _write_identity(server, directory / "identity")
        address = Address.from_text(server.grpc_target, default_port=8112)
        with FollowedConnection.of_directory(address, identity, timeout=5.0) as authority:
            kubeconfig = plane.kubeconfig_for_user(_REGISTRAR)
            process = make_registrar(kubeconfig, cluster.namespace, authority, signing_controllers)
            process.start()
            try:
                yield cluster
            finally:
                process.stop()
                _clear(plane)


def _clear(plane: ControlPlane) -> None:
    """What belongs to no namespace, and would be in the way of others."""
    left = [*read_manifests(ADMISSION_POLICY), *read_manifests(ISSUERS), _certificate_requests()]
    document = {"apiVersion": "v1", "kind": "List", "items": left}
    plane.kubectl("delete", "-f", "-", "--ignore-not-found", "--timeout=30s", document=document)


def _prepare(cluster: SigningCluster) -> None:
    admin, namespace = cluster.plane.admin, cluster.namespace
    for path, document in (
        ("/api/v1/namespaces", {"metadata": {"name": namespace}}),
        ("/api/v1/nodes", {"metadata": {"name": NODE}}),
        (cluster.in_namespace("serviceaccounts"), {"metadata": {"name": "cart"}}),
        (cluster.in_namespace("services"), {"metadata": {"name": "cart"}, "spec": _SERVICE}),
    ):
        assert admin.create(path, document).status in {201, 409}
    for name in (RBAC, ADMISSION_POLICY, ISSUERS):
        for document in read_manifests(name):
            cluster.plane.kubectl("apply", "-f", "-", document=document)
    cluster.plane.kubectl("apply", "-f", "-", document=_certificate_requests())
    _allow(cluster, "chancery-signers", {"kind": "User", "name": _REGISTRAR})
    _grant(cluster, "controllers", _NEEDED_BY_ALL, {"kind": "User", "name": _REGISTRAR})
    asking = [{"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create"]}]
    _grant(cluster, "asking", asking, {"kind": "Group", "name": "system:authenticated"})
    cluster.plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


_SERVICE = {"selector": {"app": "cart"}, "ports": [{"port": 443}]}


def _grant(cluster: SigningCluster, name: str, rules: list[Json], subject: Json) -> None:
    role = f"{cluster.namespace}-{name}"
    cluster.create(f"{_RBAC}/clusterroles", {"metadata": {"name": role}, "rules": rules})
    _allow(cluster, role, subject)


def _allow(cluster: SigningCluster, role: str, subject: Json) -> None:
    binding = {
        "metadata": {"name": f"{cluster.namespace}-{role}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", **subject}],
    }
    cluster.create(f"{_RBAC}/clusterrolebindings", binding)


def _write_identity(server: RunningServer, directory: Path) -> Path:
    shown = identity_of(server.office, common_name="registrar", organizations=("chancery:registrars",))
    directory.mkdir(mode=0o700)
    for name, octets in (("tls.crt", shown.chain), ("tls.key", shown.private_key), ("ca.crt", shown.roots)):
        path = directory / name
        path.touch(mode=0o600)
        path.write_bytes(octets)
    return directory


def _certificate_requests() -> Json:
    """The least of cert-manager that an external issuer sees: its CertificateRequest."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "certificaterequests.cert-manager.io"},
        "spec": {
            "group": "cert-manager.io",
            "scope": "Namespaced",
            "names": {"plural": "certificaterequests", "kind": "CertificateRequest"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}
                    },
                }
            ],
        },
    }


def refusal(answer: Answer) -> str:
    return json.dumps(answer.document)
