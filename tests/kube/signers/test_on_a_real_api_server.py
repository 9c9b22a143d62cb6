"""The signers on a real kube-apiserver with a real authority: asked by kubectl, by a kubelet's user and for cert-manager."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from certs.keys import KeyType
from certs.names import SubjectName
from kube.signers.admission_policy import BINDINGS, TAKES_EFFECT, policy_and_binding
from tests.kube.signers.documents import csr, der_csr, issuer_request, key
from tests.kube.signers.signing_cluster import CERTIFICATES, SigningCluster, refusal
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES


def alternative_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def life(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def test_service_s_own_pod_gets_a_serving_certificate_by_itself(cluster: SigningCluster):
    name = f"cart.{cluster.namespace}.svc"
    request = csr(SubjectName(common_name=name), dns=[name])
    kubeconfig = cluster.kubeconfig_of(cluster.new_pod())
    asked = cluster.ask(kubeconfig, "serving", request, "server auth", "digital signature", expirationSeconds=1200)
    leaf, _ = cluster.await_certificate(asked)
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert alternative_names(leaf) == [name]
    assert leaf.public_key() == key(KeyType.EC_P256).public_key()
    assert [usage._name for usage in usages] == ["serverAuth"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert life(leaf) == timedelta(minutes=21)
    cluster.plane.wait_until(
        lambda: {"AutoApproved", "Issued"} <= set(cluster.events_of(asked)), "the object's Events say so"
    )


def test_pod_gets_its_identity_by_itself(cluster: SigningCluster):
    kubeconfig = cluster.kubeconfig_of(cluster.new_pod())
    leaf, _ = cluster.await_certificate(cluster.ask(kubeconfig, "workload", csr(), "client auth", "server auth"))

    assert alternative_names(leaf) == [f"spiffe://cluster.local/ns/{cluster.namespace}/sa/cart"]


def test_client_certificate_waits_for_kubectl_certificate_approve(cluster: SigningCluster):
    alice = cluster.plane.kubeconfig_for_user("alice")
    request = csr(SubjectName(common_name="alice", organizations=("team-a",)))
    asked = cluster.ask(alice, "client", request, "client auth")
    cluster.plane.wait_until(lambda: cluster.events_of(asked) == ["ApprovalNeeded"], "somebody is asked")
    waiting = cluster.plane.admin.get(f"{CERTIFICATES}/{asked}").document
    cluster.plane.kubectl("certificate", "approve", asked)
    leaf, _ = cluster.await_certificate(asked)

    assert waiting["status"] == {}
    assert leaf.subject.rfc4514_string() == "CN=alice,O=team-a"


def test_client_certificate_that_is_denied_is_never_signed(cluster: SigningCluster):
    alice = cluster.plane.kubeconfig_for_user("alice")
    asked = cluster.ask(alice, "client", csr(SubjectName(common_name="alice")), "client auth")
    cluster.plane.kubectl("certificate", "deny", asked)
    marker = cluster.ask(alice, "client", csr(SubjectName(common_name="alice")), "client auth")
    cluster.plane.kubectl("certificate", "approve", marker)
    cluster.await_certificate(marker)

    assert "certificate" not in cluster.plane.admin.get(f"{CERTIFICATES}/{asked}").document["status"]


@pytest.mark.parametrize(
    ("signer", "request_", "usages"),
    [
        ("client", csr(SubjectName(common_name="alice", organizations=("system:masters",))), ["client auth"]),
        ("workload", csr(), ["client auth", "server auth"]),
        ("serving", csr(dns=["www.example.com"]), ["server auth"]),
        ("client", csr(SubjectName(common_name="alice")), ["client auth", "code signing"]),
    ],
)
def test_what_nobody_may_have_is_denied(cluster: SigningCluster, signer: str, request_: bytes, usages: list[str]):
    asked = cluster.ask(cluster.plane.kubeconfig_for_user("alice"), signer, request_, *usages)

    cluster.await_condition(f"{CERTIFICATES}/{asked}", "Denied")


def test_node_that_asks_for_a_service_is_denied(cluster: SigningCluster):
    node = cluster.plane.kubeconfig_for_user("system:node:node-1", "system:nodes")
    request = csr(dns=[f"cart.{cluster.namespace}.svc"])
    document = cluster.await_condition(
        f"{CERTIFICATES}/{cluster.ask(node, 'serving', request, 'server auth')}", "Denied"
    )

    assert document["status"]["conditions"][0]["reason"] == "NodeNotPermitted"


def test_what_the_authority_s_policy_refuses_fails_with_its_word(cluster: SigningCluster):
    request = csr(SubjectName(common_name="alice", organizations=("other",)))
    asked = cluster.ask(cluster.plane.kubeconfig_for_user("alice"), "client", request, "client auth")
    cluster.plane.kubectl("certificate", "approve", asked)
    document = cluster.await_condition(f"{CERTIFICATES}/{asked}", "Failed")
    failed = next(one for one in document["status"]["conditions"] if one["type"] == "Failed")

    assert failed["reason"] == "PolicyDenied"
    assert "organization 'other'" in failed["message"]


class TestPodCertificates:
    @pytest.fixture(autouse=True)
    def policy(self, cluster: SigningCluster) -> None:
        """The API server takes a moment until it enforces a new policy, and requests of before are not signed."""
        pod = cluster.new_pod()
        _, binding = policy_and_binding()
        path = BINDINGS.path(name=binding["metadata"]["name"])
        made = datetime.fromisoformat(cluster.plane.admin.get(path).document["metadata"]["creationTimestamp"])
        cluster.plane.wait_until(
            lambda: cluster.plane.admin.create(cluster.pod_requests, cluster.pod_request(pod, der_csr())).status == 403,
            "the policy is enforced",
        )
        cluster.plane.wait_until(
            lambda: datetime.now(UTC) > made + TAKES_EFFECT + timedelta(seconds=1), "a request of now is made after it"
        )

    def test_node_is_answered(self, cluster: SigningCluster):
        pod = cluster.new_pod()
        dns = f"cart.{cluster.namespace}.svc"
        annotations = {"chancery.dev/dns": dns}
        stub = der_csr(SubjectName(common_name="ignored"))
        asked = cluster.pod_request(pod, stub, unverifiedUserAnnotations=annotations)
        answer = cluster.node.create(cluster.pod_requests, asked)
        document = cluster.await_condition(f"{cluster.pod_requests}/{asked['metadata']['name']}", "Issued")
        leaf, _ = cluster.verified(document["status"]["certificateChain"].encode())

        assert answer.status == 201
        assert set(alternative_names(leaf)) == {f"spiffe://cluster.local/ns/{cluster.namespace}/sa/cart", dns}
        assert leaf.subject.rfc4514_string() == ""
        assert life(leaf) == timedelta(hours=1)

    def test_administrator_may_not_ask(self, cluster: SigningCluster):
        answer = cluster.plane.admin.create(cluster.pod_requests, cluster.pod_request(cluster.new_pod(), der_csr()))

        assert answer.status == 403
        assert "only the node that runs the pod" in refusal(answer)

    def test_other_node_may_not_ask(self, cluster: SigningCluster):
        other = cluster.plane.client("system:node:node-2", "system:nodes")
        answer = other.create(cluster.pod_requests, cluster.pod_request(cluster.new_pod(), der_csr()))

        assert answer.status == 403

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ({"unverifiedUserAnnotations": {"chancery.dev/mode": "x"}}, "InvalidUnverifiedUserAnnotations"),
            ({"signerName": "chancery.dev/serving"}, "SignerNotForPods"),
        ],
    )
    def test_what_no_pod_may_have_is_denied(self, cluster: SigningCluster, spec: dict[str, Any], reason: str):
        asked = cluster.pod_request(cluster.new_pod(), der_csr(), **spec)
        answer = cluster.node.create(cluster.pod_requests, asked)
        document = cluster.await_condition(f"{cluster.pod_requests}/{asked['metadata']['name']}", "Denied")

        assert answer.status == 201
        assert [one["reason"] for one in document["status"]["conditions"]] == [reason]


@pytest.fixture(scope="module")
def issuer(cluster: SigningCluster) -> None:
    path = f"/apis/chancery.dev/v1alpha1/namespaces/{cluster.namespace}/issuers"
    document = {"apiVersion": "chancery.dev/v1alpha1", "kind": "Issuer", "metadata": {"name": "internal"}}
    cluster.create(path, {**document, "spec": {"maximumLifetime": "12h"}})
    cluster.await_condition(f"{path}/internal", "Ready")


@pytest.mark.usefixtures("issuer")
class TestCertManager:
    def ask(self, cluster: SigningCluster, *conditions: str, **spec: Any) -> str:
        """Returns the path of a request that has these conditions."""
        request = issuer_request(csr(dns=[f"cart.{cluster.namespace}.svc"]), conditions=conditions, **spec)
        request["metadata"] = {"name": cluster.name()}
        made = cluster.create(cluster.issuer_requests, request)
        path = f"{cluster.issuer_requests}/{made['metadata']['name']}"
        for one in request["status"]["conditions"]:
            one["lastTransitionTime"] = "2026-11-21T12:00:00Z"
        assert cluster.plane.admin.put(f"{path}/status", {**made, "status": request["status"]}).status == 200
        return path

    def test_approved_request_gets_chain_and_root(self, cluster: SigningCluster):
        status = cluster.await_condition(self.ask(cluster, "Approved"), "Ready")["status"]
        leaf, issuing = cluster.chain(status["certificate"])
        (root,) = cluster.chain(status["ca"])

        assert alternative_names(leaf) == [f"cart.{cluster.namespace}.svc"]
        assert life(leaf) == timedelta(hours=12, minutes=1)
        assert issuing.issuer == root.subject == root.issuer

    @pytest.mark.parametrize(
        ("conditions", "spec", "reason"),
        [(["Denied"], {}, "Denied"), (["Approved"], {"isCA": True}, "Failed")],
    )
    def test_denied_and_invalid_requests_are_marked_so(
        self, cluster: SigningCluster, conditions: list[str], spec: dict[str, Any], reason: str
    ):
        path = self.ask(cluster, *conditions, **spec)
        cluster.plane.wait_until(
            lambda: "failureTime" in cluster.plane.admin.get(path).document["status"], "the request has failed"
        )
        status = cluster.plane.admin.get(path).document["status"]
        ready = next(one for one in status["conditions"] if one["type"] == "Ready")

        assert (ready["status"], ready["reason"]) == ("False", reason)
        assert "certificate" not in status
