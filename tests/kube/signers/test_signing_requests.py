"""CertificateSigningRequests: who may have what, and what is never looked past."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from kube.service_names import NameForms
from kube.signers.decisions import Approve, Deny, Fail, Settled, Sign, Wait
from kube.signers.judgement import Surroundings
from kube.signers.settings import SignerSettings
from kube.signers.signing_requests import decide, signed, with_verdict
from tests.kube.signers.authority import certify
from tests.kube.signers.documents import (
    NOW,
    OWN_ID,
    account_user,
    ca_csr,
    csr,
    node_user,
    person,
    placed,
    pod,
    service,
    signing_request,
)

WORKLOAD, SERVING, CLIENT = "chancery.dev/workload", "chancery.dev/serving", "chancery.dev/client"
SETTINGS = SignerSettings()
POD = pod()
SURROUNDINGS = Surroundings(pod=POD, services=placed(service()), pods=[POD])
CART = account_user(pod=POD)
SERVING_CSR = csr(dns=["cart.shop.svc"])
REQUESTS = {WORKLOAD: csr(), SERVING: SERVING_CSR, CLIENT: csr(SubjectName(common_name="alice"))}


def judged(document: dict[str, Any], surroundings: Surroundings = SURROUNDINGS) -> Any:
    return decide(document, surroundings, SETTINGS)


def test_workload_of_a_living_pod_is_approved_and_gets_its_own_identity():
    waiting = judged(signing_request(WORKLOAD, csr(), CART))
    document = signing_request(WORKLOAD, csr(), CART, conditions=["Approved"])
    order = judged(document)

    assert isinstance(waiting, Approve)
    assert isinstance(order, Sign)
    assert order.names == SubjectAlternativeNames(uris=(OWN_ID,))
    assert (order.subject, order.profile) == (SubjectName(), "workload")
    assert order.request_id == f"csr-{document['metadata']['uid']}"
    assert order.pod.uid == POD["metadata"]["uid"]


def test_workload_may_say_its_own_identity():
    assert isinstance(judged(signing_request(WORKLOAD, csr(uris=[OWN_ID]), CART)), Approve)


@pytest.mark.parametrize(
    "names",
    [
        {"uris": ["spiffe://cluster.local/ns/shop/sa/till"]},
        {"uris": ["spiffe://elsewhere/ns/shop/sa/cart"]},
        {"uris": [OWN_ID], "dns": ["cart.shop.svc"]},
        {"subject": SubjectName(common_name="cart")},
        {"ips": ["10.0.0.7"]},
        {"emails": ["cart@shop.example"]},
    ],
    ids=lambda names: next(iter(names)),
)
def test_workload_that_asks_for_more_than_its_identity_is_denied(names: dict[str, Any]):
    decision = judged(signing_request(WORKLOAD, csr(**names), CART))

    assert isinstance(decision, Deny)
    assert OWN_ID in decision.message


def test_workload_without_a_pod_needs_somebodys_approval():
    assert isinstance(judged(signing_request(WORKLOAD, csr(), account_user())), Wait)
    assert judged(signing_request(WORKLOAD, csr(), account_user(), conditions=["Approved"])).pod is None


@pytest.mark.parametrize("signer", [WORKLOAD, SERVING])
@pytest.mark.parametrize(
    "found",
    [
        None,
        pod(),
        {**POD, "status": {"phase": "Succeeded"}},
        {**POD, "metadata": {**POD["metadata"], "deletionTimestamp": "2026-11-21T12:00:00Z"}},
        {**POD, "spec": {**POD["spec"], "serviceAccountName": "till"}},
        {**POD, "spec": "nonsense"},
    ],
    ids=["gone", "another", "ended", "going", "of another account", "nonsense"],
)
def test_token_that_survived_its_pod_is_worth_nothing(signer: str, found: Any):
    surroundings = Surroundings(pod=found, services=placed(service()), pods=[POD])
    decision = judged(signing_request(signer, REQUESTS[signer], CART), surroundings)

    assert (type(decision), decision.reason) == (Deny, "PodNotThere")


@pytest.mark.parametrize("signer", [WORKLOAD, SERVING, CLIENT])
@pytest.mark.parametrize(
    "user", [node_user(), {"username": "kubelet", "groups": ["system:nodes"]}], ids=["named", "grouped"]
)
def test_node_gets_nobodys_identity(signer: str, user: dict[str, Any]):
    decision = judged(signing_request(signer, REQUESTS[signer], user))
    approved = judged(signing_request(signer, REQUESTS[signer], user, conditions=["Approved"]))

    assert (type(decision), decision.reason) == (Deny, "NodeNotPermitted")
    assert (type(approved), approved.reason) == (Fail, "NodeNotPermitted")


def test_username_of_an_account_without_its_groups_is_not_that_account():
    user = {**CART, "groups": ["system:authenticated"]}

    assert isinstance(judged(signing_request(WORKLOAD, csr(), user)), Deny)


@pytest.mark.parametrize(
    "user",
    [
        person(),
        account_user("sh op", "ca/rt"),
        account_user("shop", "Käse"),
        {"username": "system:serviceaccount:shop:cart:x"},
        {"username": 7},
        {},
    ],
)
def test_nobody_but_a_service_account_has_its_identity(user: dict[str, Any]):
    assert isinstance(judged(signing_request(WORKLOAD, csr(uris=[OWN_ID]), user, conditions=["Approved"])), Fail)


@pytest.mark.parametrize("name", ["cart.shop", "cart.shop.svc", "cart.shop.svc.cluster.local"])
def test_serving_names_of_an_own_service_are_approved(name: str):
    assert isinstance(judged(signing_request(SERVING, csr(dns=[name]), CART)), Approve)


def test_serving_certificate_has_the_names_and_the_common_name_among_them():
    request = csr(SubjectName(common_name="cart.shop.svc"), dns=["cart.shop.svc", "cart.shop.svc.cluster.local"])
    order = judged(signing_request(SERVING, request, CART, conditions=["Approved"]))

    assert order.names.dns == ("cart.shop.svc", "cart.shop.svc.cluster.local")
    assert (order.subject.common_name, order.profile) == ("cart.shop.svc", "server")


@pytest.mark.parametrize(
    ("name", "services", "pods"),
    [
        ("cart", [service()], [POD]),
        ("till.shop.svc", [service()], [POD]),
        ("cart.bank.svc", [service(namespace="bank")], [POD]),
        ("cart.shop.svc", [service(selector={"app": "till"})], [POD]),
        ("cart.shop.svc", [service(selector=None)], [POD]),
        ("cart.shop.svc", [service(type="ExternalName", externalName="example.com")], [POD]),
        ("cart.shop.svc", [service()], []),
        ("cart.shop.svc", [service()], [pod(account="till")]),
        ("cart.shop.svc", [service()], [{**POD, "status": {"phase": "Failed"}}]),
        ("host.cart.shop.svc", [service()], [POD]),
    ],
)
def test_serving_names_that_the_cluster_does_not_bear_out_need_approval(name: str, services: Any, pods: Any):
    surroundings = Surroundings(pod=POD, services=placed(*services), pods=pods)

    assert isinstance(judged(signing_request(SERVING, csr(dns=[name]), CART), surroundings), Wait)


def test_service_that_comes_later_is_waited_for():
    document = signing_request(SERVING, SERVING_CSR, CART)
    early = judged(document, Surroundings(pod=POD))

    assert isinstance(early, Wait)
    assert early.again is not None
    assert isinstance(judged(document), Approve)


def test_pod_behind_a_headless_service_has_its_own_name():
    member = pod()
    member["spec"] |= {"hostname": "cart-0", "subdomain": "cart"}
    surroundings = Surroundings(pod=POD, services=placed(service(clusterIP="None")), pods=[member])
    own = judged(signing_request(SERVING, csr(dns=["cart-0.cart.shop.svc"]), CART), surroundings)
    others = judged(signing_request(SERVING, csr(dns=["cart-1.cart.shop.svc"]), CART), surroundings)

    assert isinstance(own, Approve)
    assert isinstance(others, Wait)


def test_person_needs_approval_for_a_service():
    assert isinstance(judged(signing_request(SERVING, SERVING_CSR, person())), Wait)
    assert isinstance(judged(signing_request(SERVING, SERVING_CSR, person(), conditions=["Approved"])), Sign)


@pytest.mark.parametrize(
    "request_",
    [
        csr(),
        csr(dns=["cart.shop.svc"], ips=["10.0.0.9"]),
        csr(dns=["cart.shop.svc"], uris=[OWN_ID]),
        csr(dns=["cart.shop.svc"], emails=["a@b.example"]),
        csr(dns=["*.shop.svc"]),
        csr(dns=["www.example.com"]),
        csr(dns=["a.b.c.shop.svc"]),
        csr(SubjectName(common_name="other"), dns=["cart.shop.svc"]),
        csr(SubjectName(common_name="cart.shop.svc", organizations=("system:masters",)), dns=["cart.shop.svc"]),
    ],
)
def test_serving_request_for_anything_but_services_is_denied(request_: bytes):
    decision = judged(signing_request(SERVING, request_, CART))

    assert (type(decision), decision.reason) == (Deny, "NameNotPermitted")


@pytest.mark.parametrize("user", [CART, person()])
def test_client_is_never_approved_automatically(user: dict[str, Any]):
    request = csr(SubjectName(common_name="alice", organizations=("team-a",)), emails=["alice@example.com"])
    waiting = judged(signing_request(CLIENT, request, user))
    order = judged(signing_request(CLIENT, request, user, conditions=["Approved"]))

    assert (type(waiting), waiting.again) == (Wait, None)
    assert order.subject == SubjectName(common_name="alice", organizations=("team-a",))
    assert (order.names.emails, order.profile) == (("alice@example.com",), "client")


@pytest.mark.parametrize(
    "subject",
    [
        SubjectName(common_name="system:admin"),
        SubjectName(common_name="alice", organizations=("system:masters",)),
        SubjectName(common_name="alice", organizations=("team-a", "SYSTEM:masters")),
        SubjectName(common_name="ｓystem:admin"),  # noqa: RUF001 - that is what it is about
        SubjectName(common_name=" system: admin"),
        SubjectName(common_name="chancery:administrators"),
    ],
)
def test_client_is_never_somebody_of_kubernetes_or_the_authority(subject: SubjectName):
    denied = judged(signing_request(CLIENT, csr(subject), person()))
    failed = judged(signing_request(CLIENT, csr(subject), person(), conditions=["Approved"]))

    assert (type(denied), type(failed)) == (Deny, Fail)


@pytest.mark.parametrize("request_", [csr(), csr(SubjectName(common_name="x"), uris=[OWN_ID])])
def test_client_has_a_name_and_no_workloads_identity(request_: bytes):
    assert isinstance(judged(signing_request(CLIENT, request_, person(), conditions=["Approved"])), Fail)


@pytest.mark.parametrize("signer", [WORKLOAD, SERVING, CLIENT])
@pytest.mark.parametrize(
    "usages",
    [
        ["cert sign"],
        ["code signing"],
        ["any"],
        [],
        None,
        "server auth",
        [7, {}],
        ["server auth", "client auth", "ipsec user"],
    ],
    ids=str,
)
def test_usages_that_are_not_certified_are_denied(signer: str, usages: Any):
    decision = judged(signing_request(signer, REQUESTS[signer], CART, usages=usages))

    assert (type(decision), decision.reason) == (Deny, "UsagesNotPermitted")


def test_certificate_has_no_usage_that_was_not_asked_for():
    decision = judged(signing_request(WORKLOAD, csr(), CART, usages=["client auth"]))

    assert isinstance(decision, Deny)
    assert "'server auth', which was not asked for" in decision.message


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (None, "MalformedRequest"),
        (b"", "MalformedRequest"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "MalformedRequest"),
        (SERVING_CSR + SERVING_CSR, "MalformedRequest"),
        (SERVING_CSR[:-60], "MalformedRequest"),
        (b"\x00" * 70_000, "MalformedRequest"),
        (ca_csr(), "CertificateAuthorityRequested"),
    ],
)
def test_request_that_is_garbage_or_asks_to_be_a_ca_is_denied(request_: bytes | None, reason: str):
    decision = judged(signing_request(SERVING, request_, CART))

    assert (type(decision), decision.reason) == (Deny, reason)


@pytest.mark.parametrize("field", ["%%%", "kein base64", 7, ["a"], {"a": 1}, None, "A"])
def test_request_that_is_no_base64_is_denied(field: Any):
    document = signing_request(SERVING, None, CART)
    document["spec"]["request"] = field

    assert judged(document).reason == "MalformedRequest"


def test_weak_key_is_denied():
    assert judged(signing_request(SERVING, _rsa_1024(), CART)).reason == "UnsupportedKeyType"


@pytest.mark.parametrize(
    "changes",
    [
        {"conditions": ["Denied"]},
        {"conditions": ["Approved", "Denied"]},
        {"conditions": ["Approved", "Failed"]},
        {"conditions": ["Failed"]},
        {"status": {"certificate": "AAAA"}},
        {"status": {"certificate": "AAAA", "conditions": [{"type": "Approved", "status": "True"}]}},
        {"signerName": "kubernetes.io/kubelet-serving"},
        {"signerName": "chancery.dev/other"},
        {"signerName": 7},
    ],
    ids=str,
)
def test_what_is_answered_or_not_ours_is_left_alone(changes: dict[str, Any]):
    assert judged(signing_request(SERVING, SERVING_CSR, CART, **changes)) == Settled()


def test_certificate_that_somebody_put_there_before_approval_is_not_taken_for_one():
    document = signing_request(SERVING, SERVING_CSR, CART, status={"certificate": "AAAA"})

    assert judged(document) == Settled()


def test_object_that_is_going_and_one_without_uid_are_left_alone():
    going = signing_request(SERVING, SERVING_CSR, CART, conditions=["Approved"])
    going["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    nameless = signing_request(SERVING, SERVING_CSR, CART, conditions=["Approved"])
    nameless["metadata"]["uid"] = None

    assert (judged(going), judged(nameless)) == (Settled(), Settled())


@pytest.mark.parametrize(
    "status", ["nonsense", [], 7, None, {"conditions": "yes"}, {"conditions": [7, "Approved", {"type": []}]}]
)
def test_nonsense_in_a_status_is_no_approval(status: Any):
    document = signing_request(SERVING, SERVING_CSR, CART)
    document["status"] = status

    assert isinstance(judged(document), Approve)


def test_approved_with_status_false_is_not_approved():
    status = {"conditions": [{"type": "Approved", "status": "False"}]}

    assert isinstance(judged(signing_request(CLIENT, REQUESTS[CLIENT], person(), status=status)), Wait)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (600, timedelta(minutes=10)),
        (86400, timedelta(days=1)),
        (31_536_000, timedelta(days=1)),
        (None, timedelta(days=1)),
        (True, timedelta(days=1)),
        ("600", timedelta(days=1)),
        (-5, timedelta(days=1)),
    ],
)
def test_lifetime_is_honoured_and_cut(asked: Any, given: timedelta):
    order = judged(signing_request(SERVING, SERVING_CSR, CART, conditions=["Approved"], expirationSeconds=asked))

    assert order.lifetime == given


def test_signed_status_holds_leaf_and_intermediate_and_keeps_the_conditions():
    document = signing_request(SERVING, SERVING_CSR, CART, conditions=["Approved"])
    order = judged(document)
    changed = signed(document, certify(order, NOW))
    chain = x509.load_pem_x509_certificates(base64.b64decode(changed["status"]["certificate"]))

    assert changed["status"]["conditions"] == document["status"]["conditions"]
    assert changed["metadata"]["resourceVersion"] == document["metadata"]["resourceVersion"]
    assert [one.subject.rfc4514_string() for one in chain] == ["", "CN=CA"]
    assert chain[0].public_key() == order.request.public_key


def test_verdict_is_added_to_the_conditions_that_there_are():
    document = signing_request(SERVING, SERVING_CSR, CART, conditions=["Approved"])
    changed = with_verdict(document, type="Failed", reason="PolicyDenied", message="a\nb" * 2000, now=NOW)
    approved, failed = changed["status"]["conditions"]

    assert (approved["type"], failed["type"], failed["status"]) == ("Approved", "Failed", "True")
    assert failed["lastUpdateTime"] == "2026-11-21T12:00:00Z"
    assert len(failed["message"]) == 1000


def test_key_types_of_the_house_are_taken():
    for key_type in (KeyType.ED25519, KeyType.EC_P384, KeyType.RSA_2048):
        request = csr(key_type=key_type, dns=["cart.shop.svc"])

        assert isinstance(judged(signing_request(SERVING, request, CART)), Approve)


def _rsa_1024() -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    weak = rsa.generate_private_key(65537, 1024)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("cart.shop.svc")]), critical=True)
    return builder.sign(weak, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "name", ["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
)
@pytest.mark.parametrize("user", [account_user("default", "web"), person()], ids=["account", "person"])
@pytest.mark.parametrize("conditions", [[], ["Approved"]])
def test_nobody_is_the_api_server_even_in_its_namespace(name: str, user: dict[str, Any], conditions: list[str]):
    web = {**pod("web-1", account="web", namespace="default"), "metadata": {**POD["metadata"], "namespace": "default"}}
    found = Surroundings(services=placed(service("kubernetes", "default")), pods=[web])

    decision = judged(signing_request(SERVING, csr(dns=[name]), user, conditions=conditions), found)

    assert (type(decision), decision.reason) == (Fail if conditions else Deny, "NameNotPermitted")


def test_name_without_svc_is_denied_where_short_names_are_off():
    without = SignerSettings(forms=NameForms(short_names=False))

    short = decide(signing_request(SERVING, csr(dns=["cart.shop"]), CART), SURROUNDINGS, without)
    full = decide(signing_request(SERVING, SERVING_CSR, CART), SURROUNDINGS, without)

    assert (type(short), short.reason) == (Deny, "NameNotPermitted")
    assert isinstance(full, Approve)


def test_approval_of_ours_is_worth_what_the_cluster_says_when_it_is_signed():
    """The Service was handed to others' pods between the two."""
    document = signing_request(SERVING, SERVING_CSR, CART)
    approval = judged(document)
    approved = with_verdict(document, type="Approved", reason=approval.reason, message=approval.message, now=NOW)
    moved = Surroundings(pod=POD, services=placed(service(selector={"app": "till"})), pods=[POD])

    decision = judged(approved, moved)

    assert (type(decision), decision.reason) == (Wait, "ApprovalOutdated")
    assert isinstance(judged(approved), Sign)


def test_approval_of_somebody_stands_for_the_names_whatever_the_cluster_says():
    moved = Surroundings(pod=POD, services=placed(service(selector={"app": "till"})), pods=[POD])

    assert isinstance(judged(signing_request(SERVING, SERVING_CSR, CART, conditions=["Approved"]), moved), Sign)
