"""Enrollment against a real kube-apiserver: its tokens, its reviews, its RBAC."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from certs.pem import load_certificate
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from tests.ca.offices import request_for
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import SECONDS, failing
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

NAMESPACE = "enrollment"
REVIEWER = "chancery-enrollment"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_numbers = itertools.count(1)


def create(plane: ControlPlane, path: str, document: dict[str, Any]) -> Any:
    answer = plane.admin.request("POST", path, document)
    assert answer.status == 201, answer.octets
    return answer.document


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """With a namespace, a service account and a node; and a user who may do what docs/kubernetes.md asks for."""
    plane = control_plane
    create(plane, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    create(plane, f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "cart"}})
    create(plane, "/api/v1/nodes", {"metadata": {"name": "enrollment-node"}})
    rules = [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]
    create(plane, f"{_RBAC}/clusterroles", {"metadata": {"name": REVIEWER}, "rules": rules})
    binding = {
        "metadata": {"name": REVIEWER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": REVIEWER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": REVIEWER}],
    }
    create(plane, f"{_RBAC}/clusterrolebindings", binding)
    return plane


@pytest.fixture(scope="module")
def authority(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(
        tmp_path_factory.mktemp("ca") / "data",
        kubernetes_enrollment=True,
        kubernetes_pod_check=True,
        kubernetes_kubeconfig=cluster.kubeconfig_for_user(REVIEWER),
    ) as running:
        yield running


def new_pod(plane: ControlPlane, *, node: str | None = "enrollment-node") -> Any:
    spec = {
        "serviceAccountName": "cart",
        "automountServiceAccountToken": False,
        "containers": [{"name": "cart", "image": "cart"}],
        **({} if node is None else {"nodeName": node}),
    }
    document = {"metadata": {"name": f"cart-{next(_numbers)}"}, "spec": spec}
    return create(plane, f"/api/v1/namespaces/{NAMESPACE}/pods", document)


def token_of(plane: ControlPlane, pod: Any | None, *audiences: str) -> str:
    spec: dict[str, Any] = {"audiences": list(audiences or ("chancery.dev",)), "expirationSeconds": 3600}
    if pod is not None:
        metadata = pod["metadata"]
        spec["boundObjectRef"] = {
            "apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"],
        }  # fmt: skip
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/cart/token"
    document = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(create(plane, path, document)["status"]["token"])


def enroll(server: RunningServer, token: str) -> wire.Certificate:
    request = enrollment.EnrollServiceAccountRequest(token=token, csr=request_for("forged.example"))
    stub = EnrollmentServiceStub(server.public_channel())
    return stub.EnrollServiceAccount(request, timeout=SECONDS).certificate


def test_pod_gets_the_certificate_of_its_service_account(cluster: ControlPlane, authority: RunningServer) -> None:
    pod = new_pod(cluster)

    certificate = enroll(authority, token_of(cluster, pod))

    leaf = load_certificate(certificate.certificate_pem.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(f"spiffe://cluster.local/ns/{NAMESPACE}/sa/cart")]
    (recorded,) = authority.office.pod_certificates.of_pod(pod["metadata"]["uid"])
    assert recorded.id == certificate.id


def test_token_of_the_cluster_counts_for_one_key(cluster: ControlPlane, authority: RunningServer) -> None:
    token = token_of(cluster, new_pod(cluster))
    enroll(authority, token)

    with failing() as failure:
        enroll(authority, token)

    assert failure.reason == "ENROLLMENT_REFUSED"


@pytest.mark.parametrize("audiences", [("https://kubernetes.default.svc",), ("vault",), ("chancery.dev", "vault")])
def test_token_for_others_is_refused(
    cluster: ControlPlane, authority: RunningServer, audiences: tuple[str, ...]
) -> None:
    with failing() as failure:
        enroll(authority, token_of(cluster, new_pod(cluster), *audiences))

    assert failure.reason == "ENROLLMENT_REFUSED"


def test_token_that_is_bound_to_no_pod_or_to_one_without_a_node_is_refused(
    cluster: ControlPlane, authority: RunningServer
) -> None:
    for pod in (None, new_pod(cluster, node=None)):
        with failing() as failure:
            enroll(authority, token_of(cluster, pod))
        assert failure.reason == "ENROLLMENT_REFUSED"


def test_token_whose_signature_is_another_is_refused(cluster: ControlPlane, authority: RunningServer) -> None:
    head, payload, signature = token_of(cluster, new_pod(cluster)).split(".")
    altered = signature[:-8] + ("A" * 8 if signature[-8:] != "A" * 8 else "B" * 8)

    with failing() as failure:
        enroll(authority, f"{head}.{payload}.{altered}")

    assert failure.reason == "ENROLLMENT_REFUSED"


def test_pod_that_is_gone_gets_nothing(cluster: ControlPlane, authority: RunningServer) -> None:
    pod = new_pod(cluster)
    token = token_of(cluster, pod)
    cluster.kubectl(
        "delete",
        "pod",
        pod["metadata"]["name"],
        "--namespace",
        NAMESPACE,
        "--force",
        "--grace-period=0",
        "--wait=false",
    )

    with failing() as failure:
        enroll(authority, token)

    assert failure.reason == "ENROLLMENT_REFUSED"


def test_authority_that_may_not_review_tokens_lets_nobody_in(cluster: ControlPlane, tmp_path: Path) -> None:
    kubeconfig = cluster.kubeconfig_for_user("nobody-in-particular")
    token = token_of(cluster, new_pod(cluster))
    with (
        running_server(tmp_path / "data", kubernetes_enrollment=True, kubernetes_kubeconfig=kubeconfig) as server,
        failing() as failure,
    ):
        enroll(server, token)

    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "CLUSTER_UNAVAILABLE")
