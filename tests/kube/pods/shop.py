"""A namespace of a real cluster whose pods enroll with a real authority."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ca.office import AdministratorIdentity
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import SECONDS, identity_of
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.ports import free_port

REGISTRAR = "chancery-pods"
_REVIEWER = "chancery-pods-reviewer"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_RIGHTS = {
    REGISTRAR: [
        {
            "apiGroups": [""],
            "resources": ["pods", "services", "serviceaccounts", "namespaces"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    ],
    _REVIEWER: [{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}],
}
_shops, _numbers = itertools.count(1), itertools.count(1)


@dataclass(slots=True, kw_only=True)
class Holder:
    """A pod, its token, and the certificate that it got for it."""

    pod: Any
    token: str
    key: Any
    certificate: wire.Certificate
    identity: AdministratorIdentity

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])


@dataclass(slots=True, kw_only=True)
class Shop:
    plane: ControlPlane
    namespace: str
    directory: Path
    grpc_port: int = field(default_factory=free_port)
    authority: RunningServer | None = None

    @property
    def server(self) -> RunningServer:
        assert self.authority is not None
        return self.authority

    @property
    def target(self) -> str:
        return f"localhost:{self.grpc_port}"

    @property
    def registrar_kubeconfig(self) -> Path:
        return self.plane.kubeconfig_for_user(REGISTRAR)

    @property
    def registrar_identity(self) -> Path:
        """A directory of tls.crt, tls.key and ca.crt."""
        directory = self.directory / "registrar"
        if not directory.exists():
            made = identity_of(self.server.office, common_name="registrar", organizations=("chancery:registrars",))
            directory.mkdir()
            for name, content in (("tls.crt", made.chain), ("tls.key", made.private_key), ("ca.crt", made.roots)):
                (directory / name).write_bytes(content)
                (directory / name).chmod(0o600)
        return directory

    @contextlib.contextmanager
    def open_authority(self) -> Iterator[RunningServer]:
        """The same each time, at the same port. It does not ask for the pod: what refuses a pod is what the registrar said."""
        with running_server(
            self.directory / "data",
            grpc_port=self.grpc_port,
            revocation_port=0,
            ocsp_url="http://ca.example/ocsp",
            crl_shards=1,
            kubernetes_enrollment=True,
            kubernetes_kubeconfig=self.plane.kubeconfig_for_user(_REVIEWER),
        ) as running:
            self.authority = running
            yield running

    def create(self, plural: str, document: dict[str, Any], *, namespace: str | None = None) -> Any:
        return create(self.plane, f"/api/v1/namespaces/{namespace or self.namespace}/{plural}", document)

    def new_namespace(self) -> str:
        """With a service account `web`."""
        name = f"{self.namespace}-{next(_numbers)}"
        create(self.plane, "/api/v1/namespaces", {"metadata": {"name": name}})
        self.create("serviceaccounts", {"metadata": {"name": "web"}}, namespace=name)
        return name

    def new_pod(self, *, account: str = "web", namespace: str | None = None, **metadata: Any) -> Any:
        document = {
            "metadata": {"name": f"web-{next(_numbers)}", **metadata},
            "spec": {
                "serviceAccountName": account,
                "automountServiceAccountToken": False,
                "nodeName": "shop-node",
                "containers": [{"name": "web", "image": "web"}],
            },
        }
        return self.create("pods", document, namespace=namespace)

    def new_service(self) -> Any:
        """Named `web`, of the pods with `app: web`."""
        spec = {"selector": {"app": "web"}, "ports": [{"port": 443}]}
        return self.create("services", {"metadata": {"name": "web"}, "spec": spec})

    def enroll(self, pod: Any, *dns_names: str) -> Holder:
        """With a token that kubelet would have asked for."""
        token = self.token_of(pod)
        key = generate_private_key(KeyType.EC_P256)
        certificate = self.show(token, key, *dns_names)
        chain = (certificate.certificate_pem + certificate.chain_pem).encode()
        identity = AdministratorIdentity(
            private_key=encode_private_key(key),
            chain=chain,
            roots=self.server.administrator.roots,
            certificate_id=certificate.id,
        )
        return Holder(pod=pod, token=token, key=key, certificate=certificate, identity=identity)

    def show(self, token: str, key: Any, *dns_names: str) -> wire.Certificate:
        """A request by this token for this key."""
        csr = build_request(key, SubjectName(), SubjectAlternativeNames())
        request = enrollment.EnrollServiceAccountRequest(token=token, csr=csr, dns_names=dns_names)
        stub = EnrollmentServiceStub(self.server.public_channel())
        return stub.EnrollServiceAccount(request, timeout=SECONDS).certificate

    def token_of(self, pod: Any) -> str:
        metadata = pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        document = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": ["chancery.dev"], "expirationSeconds": 3600, "boundObjectRef": bound},
        }
        account = f"serviceaccounts/{pod['spec']['serviceAccountName']}/token"
        return str(self.create(account, document, namespace=metadata["namespace"])["status"]["token"])

    def is_authenticated(self, token: str) -> bool:
        """By the API server, as it answers the authority."""
        document = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": ["chancery.dev"]},
        }
        answer = create(self.plane, "/apis/authentication.k8s.io/v1/tokenreviews", document)
        return bool(answer["status"].get("authenticated", False))

    def delete(self, plural: str, name: str, *, namespace: str | None = None, seconds: int = 0) -> None:
        path = f"/api/v1/namespaces/{namespace or self.namespace}/{plural}/{name}"
        answer = self.plane.admin.request("DELETE", path, {"gracePeriodSeconds": seconds})
        assert answer.status in {200, 202}, answer.octets

    def end_namespace(self, name: str) -> None:
        """As a controller-manager would in the end, but without looking after what is in it."""
        self.plane.admin.request("DELETE", f"/api/v1/namespaces/{name}", {})
        path = f"/api/v1/namespaces/{name}/finalize"
        document = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name},
            "spec": {"finalizers": []},
        }
        answer = self.plane.admin.request("PUT", path, document)
        assert answer.status == 200, answer.octets

    def end_pod(self, pod: Any, phase: str) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        answer = self.plane.admin.request("PUT", path, {**pod, "status": {"phase": phase}})
        assert answer.status == 200, answer.octets

    def await_revoked(self, *holders: Holder, seconds: float = 60) -> None:
        for holder in holders:
            self.plane.wait_until(lambda one=holder: self.is_revoked(one), f"{holder.name} is revoked", seconds=seconds)

    def is_revoked(self, holder: Holder) -> bool:
        record = self.server.office.inventory.find(holder.certificate.id)
        assert record is not None
        return record.revoked_at is not None

    def registered_names(self, uid: str) -> tuple[str, ...]:
        found = self.server.office.pods.find(uid)
        return () if found is None else found.dns_names


@contextlib.contextmanager
def make_shop(plane: ControlPlane, directory: Path) -> Iterator[Shop]:
    number = next(_shops)
    shop = Shop(plane=plane, namespace=f"pods-{number}", directory=directory)
    if number == 1:
        create(plane, "/api/v1/nodes", {"metadata": {"name": "shop-node"}})
        for user, rules in _RIGHTS.items():
            _grant(plane, user, rules)
    create(plane, "/api/v1/namespaces", {"metadata": {"name": shop.namespace}})
    shop.create("serviceaccounts", {"metadata": {"name": "web"}})
    with shop.open_authority():
        yield shop


def create(plane: ControlPlane, path: str, document: dict[str, Any]) -> Any:
    answer = plane.admin.request("POST", path, document)
    assert answer.status == 201, answer.octets
    return answer.document


def _grant(plane: ControlPlane, user: str, rules: Any) -> None:
    create(plane, f"{_RBAC}/clusterroles", {"metadata": {"name": user}, "rules": rules})
    binding = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    create(plane, f"{_RBAC}/clusterrolebindings", binding)
