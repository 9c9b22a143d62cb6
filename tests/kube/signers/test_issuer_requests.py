"""cert-manager's CertificateRequests: what an approval is worth, what the issuers allow, and what cert-manager is told."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certs.names import SubjectAlternativeNames, SubjectName
from kube.service_names import NameForms
from kube.signers.authority import issuing_root
from kube.signers.decisions import Deny, Fail, Settled, Sign, Wait
from kube.signers.errors import IssuerInvalid
from kube.signers.issuer_judgement import IssuerSurroundings
from kube.signers.issuer_requests import decide, is_settled
from kube.signers.issuer_statuses import DENIED, failed, issued, pending
from kube.signers.issuers import IssuerTerms, readiness, with_readiness
from kube.signers.settings import SignerSettings
from tests.kube.signers.authority import certify, hierarchy
from tests.kube.signers.documents import (
    NOW,
    OWN_ID,
    account_user,
    ca_csr,
    csr,
    issuer,
    issuer_request,
    node_user,
    person,
    placed,
    pod,
    service,
)

SETTINGS = SignerSettings()
POD = pod()
REQUEST = csr(SubjectName(common_name="cart.shop.svc"), dns=["cart.shop.svc"])


def judged(document: dict[str, Any], of: Any = None, services: Any = None) -> Any:
    found = placed(service()) if services is None else services
    return decide(document, IssuerSurroundings(issuer=issuer() if of is None else of, services=found), SETTINGS)


def test_approved_request_for_a_service_of_the_namespace_is_signed():
    document = issuer_request(REQUEST)
    order = judged(document)

    assert isinstance(order, Sign)
    assert (order.names.dns, order.profile, order.pod) == (("cart.shop.svc",), "server", None)
    assert order.request_id == f"cr-{document['metadata']['uid']}"


def test_request_that_is_not_approved_is_left_alone():
    assert judged(issuer_request(REQUEST, conditions=[])) == Settled()


@pytest.mark.parametrize("conditions", [["Denied"], ["Approved", "Denied"]])
def test_denied_request_is_marked_so_with_the_time(conditions: list[str]):
    document = issuer_request(REQUEST, conditions=conditions)
    decision = judged(document)
    changed = failed(document, reason=decision.reason, message=decision.message, invalid=False, now=NOW)
    ready = changed["status"]["conditions"][-1]

    assert decision == Fail(reason=DENIED, message="so it is")
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "False", "Denied")
    assert changed["status"]["failureTime"] == "2026-11-21T12:00:00Z"
    assert is_settled(changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": "internal"}},
        {"issuerRef": {"group": "chancery.dev", "kind": "Vault", "name": "internal"}},
        {"issuerRef": "internal"},
    ],
    ids=str,
)
def test_request_for_anothers_issuer_is_left_alone(changes: dict[str, Any]):
    assert judged(issuer_request(REQUEST, **changes)) == Settled()


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Ready", "status": "True", "reason": "Issued"}]},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "Failed"}]},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "Denied"}]},
        {"certificate": "AAAA"},
        {"failureTime": "2026-11-21T12:00:00Z"},
    ],
    ids=str,
)
def test_what_is_answered_is_left_alone(status: dict[str, Any]):
    document = issuer_request(REQUEST)
    document["status"]["conditions"] += status.pop("conditions", [])
    document["status"] |= status

    assert judged(document) == Settled()


def test_issuer_that_is_not_there_or_not_ready_is_waited_for():
    missing = decide(issuer_request(REQUEST), IssuerSurroundings(services=placed(service())), SETTINGS)

    for decision in (
        missing,
        judged(issuer_request(REQUEST), issuer(ready="False")),
        judged(issuer_request(REQUEST), {}),
    ):
        assert isinstance(decision, Wait)
        assert decision.again is not None


def test_service_that_is_not_there_is_waited_for():
    assert isinstance(judged(issuer_request(REQUEST), services={}), Wait)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"isCA": True}, "CertificateAuthorityRequested"),
        ({"usages": ["cert sign"]}, "UsagesNotPermitted"),
        ({"usages": ["any"]}, "UsagesNotPermitted"),
        ({"duration": "for ever"}, "InvalidDuration"),
        ({"duration": "0s"}, "InvalidDuration"),
        ({"duration": 7}, "InvalidDuration"),
        ({"duration": ""}, "InvalidDuration"),
        ({"request": 7}, "MalformedRequest"),
        ({"request": "%%"}, "MalformedRequest"),
    ],
    ids=str,
)
def test_request_that_makes_no_sense_is_invalid(changes: dict[str, Any], reason: str):
    document = issuer_request(REQUEST)
    document["spec"] |= changes
    decision = judged(document)

    assert (type(decision), decision.reason) == (Deny, reason)


@pytest.mark.parametrize(
    "request_",
    [
        csr(),
        csr(SubjectName(common_name="cart.shop.svc")),
        csr(dns=["cart.bank.svc"]),
        csr(dns=["cart"]),
        csr(dns=["www.example.com"]),
        csr(dns=["*.shop.svc"]),
        csr(dns=["cart.shop.svc"], ips=["10.0.0.9"]),
        csr(dns=["cart.shop.svc"], emails=["a@b.example"]),
        csr(SubjectName(common_name="other"), dns=["cart.shop.svc"]),
        csr(SubjectName(organizations=("system:masters",)), dns=["cart.shop.svc"]),
        csr(uris=[OWN_ID]),
        csr(uris=["https://example.com/"]),
    ],
)
def test_approval_does_not_make_up_for_names_that_are_not_the_namespaces(request_: bytes):
    decision = judged(issuer_request(request_))

    assert (type(decision), decision.reason) == (Deny, "NameNotPermitted")


def test_ca_csr_is_invalid_though_is_ca_is_not_said():
    assert judged(issuer_request(ca_csr())).reason == "CertificateAuthorityRequested"


def test_node_gets_nothing():
    assert judged(issuer_request(REQUEST, user=node_user())).reason == "NodeNotPermitted"


def asked_itself(user: dict[str, Any], *, of: dict[str, Any] | None = POD, namespace: str = "shop") -> Any:
    """By an account, for the identity of shop/cart; `of` is what is there under the name of its pod."""
    document = issuer_request(csr(uris=[OWN_ID]), user=user, usages=["client auth", "server auth", "digital signature"])
    document["metadata"]["namespace"] = namespace
    return decide(document, IssuerSurroundings(issuer=issuer("ClusterIssuer"), pod=of), SETTINGS)


def test_account_that_asks_itself_gets_its_identity_for_its_pod():
    order = asked_itself(account_user(pod=POD))

    assert (order.names, order.profile) == (SubjectAlternativeNames(uris=(OWN_ID,)), "workload")
    assert (order.pod.uid, order.pod.namespace) == (POD["metadata"]["uid"], "shop")


@pytest.mark.parametrize(
    "user",
    [account_user(name="till", pod=POD), person(), account_user("sh op", "ca/rt", pod=POD)],
    ids=lambda user: user["username"],
)
def test_identity_of_an_account_is_for_nobody_else(user: dict[str, Any]):
    assert isinstance(asked_itself(user), Deny)


def test_account_of_another_namespace_than_the_requests_gets_nothing():
    """Whoever gets round cert-manager's webhook can write any username, in a namespace of theirs."""
    forged = asked_itself(account_user(pod=POD), namespace="evil")

    assert (type(forged), forged.reason) == (Deny, "NameNotPermitted")
    assert "another namespace" in forged.message


def test_account_without_a_living_pod_gets_no_identity():
    ended = {**POD, "status": {"phase": "Failed"}}

    assert asked_itself(account_user()).reason == "NameNotPermitted"
    assert [asked_itself(account_user(pod=POD), of=found).reason for found in (None, pod(), ended)] == [
        "PodNotThere"
    ] * 3


@pytest.mark.parametrize(
    ("usages", "profile"),
    [
        (None, "server"),
        (["digital signature", "key encipherment"], "server"),
        (["server auth"], "server"),
        (["client auth"], "client"),
        (["client auth", "server auth"], "peer"),
    ],
    ids=str,
)
def test_profile_is_that_of_the_usages(usages: Any, profile: str):
    assert judged(issuer_request(REQUEST, usages=usages)).profile == profile


@pytest.mark.parametrize(
    ("duration", "given_"),
    [
        (None, timedelta(hours=24)),
        ("2h0m0s", timedelta(hours=2)),
        ("90m", timedelta(minutes=90)),
        ("2160h0m0s", timedelta(hours=24)),
        ("3600.5s", timedelta(hours=1)),
    ],
)
def test_duration_is_honoured_and_cut(duration: Any, given_: timedelta):
    assert judged(issuer_request(REQUEST, duration=duration)).lifetime == given_
    assert judged(issuer_request(REQUEST, duration=duration), issuer(maximumLifetime="1h")).lifetime <= timedelta(
        hours=1
    )


def test_issuer_of_a_namespace_cannot_allow_more():
    generous = issuer(dnsNames=["www.example.com"], namespaces=["bank"])

    assert isinstance(judged(issuer_request(csr(dns=["www.example.com"])), generous), Deny)
    assert isinstance(judged(issuer_request(REQUEST), generous), Sign)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("www.example.com", True),
        ("api.apps.example.com", True),
        ("*.apps.example.com", True),
        ("a.b.apps.example.com", False),
        ("apps.example.com", False),
        ("*.example.com", False),
        ("cart.shop.svc", True),
        ("cart.bank.svc", False),
    ],
)
def test_cluster_issuer_allows_what_its_administrator_named(name: str, allowed: bool):
    of = issuer("ClusterIssuer", dnsNames=["www.example.com", "*.apps.example.com"])
    decision = judged(issuer_request(csr(dns=[name]), kind="ClusterIssuer"), of)

    assert isinstance(decision, Sign if allowed else Deny)


@pytest.mark.parametrize(("namespaces", "allowed"), [(["shop"], True), (["bank"], False), ([], False)])
def test_cluster_issuer_is_for_the_namespaces_that_it_names(namespaces: list[str], allowed: bool):
    decision = judged(issuer_request(REQUEST, kind="ClusterIssuer"), issuer("ClusterIssuer", namespaces=namespaces))

    assert isinstance(decision, Sign if allowed else Deny)


@pytest.mark.parametrize(
    "spec", [{"dnsNames": ["a.*.example"]}, {"dnsNames": [7]}, {"dnsNames": ["*.x"]}, {"maximumLifetime": "soon"}]
)
def test_issuer_that_makes_no_sense_is_not_ready(spec: dict[str, Any]):
    of = issuer("ClusterIssuer", **spec)

    with pytest.raises(IssuerInvalid):
        IssuerTerms.from_document(of)
    assert readiness(of, fault_of_authority="")[:2] == ("False", "InvalidSpec")
    assert isinstance(judged(issuer_request(REQUEST, kind="ClusterIssuer"), of), Wait)


def test_readiness_is_written_once():
    of = issuer(ready="False")
    status, reason, message = readiness(of, fault_of_authority="")
    changed = with_readiness(of, status=status, reason=reason, message=message, now=NOW)

    assert changed["status"]["conditions"][0] | {"message": ""} == {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-21T12:00:00Z",
    }
    assert with_readiness(changed, status=status, reason=reason, message=message, now=NOW) is None
    assert readiness(of, fault_of_authority="nobody answers")[:2] == ("False", "AuthorityUnreachable")


def test_issued_status_holds_chain_and_root():
    document = issuer_request(REQUEST)
    certificate = certify(judged(document), NOW)
    roots = hierarchy(NOW.date().isoformat()).chain
    root = issuing_root(certificate, [*hierarchy("2020-01-02").chain, *roots])
    changed = issued(document, certificate, root, now=NOW)
    chain = x509.load_pem_x509_certificates(base64.b64decode(changed["status"]["certificate"]))

    assert len(chain) == 2
    assert x509.load_pem_x509_certificate(base64.b64decode(changed["status"]["ca"])) == roots[0]
    assert [one["type"] for one in changed["status"]["conditions"]] == ["Approved", "Ready"]
    assert "failureTime" not in changed["status"]
    assert is_settled(changed)
    assert issuing_root(certificate, hierarchy("2020-01-02").chain) is None


def test_invalid_status_has_both_conditions():
    changed = failed(issuer_request(REQUEST), reason="NameNotPermitted", message="no", invalid=True, now=NOW)
    conditions = {one["type"]: (one["status"], one["reason"]) for one in changed["status"]["conditions"]}

    assert conditions["InvalidRequest"] == ("True", "NameNotPermitted")
    assert conditions["Ready"] == ("False", "Failed")
    assert changed["status"]["failureTime"]


def test_pending_is_written_once_and_may_become_something_else():
    changed = pending(issuer_request(REQUEST), message="there is no Issuer", now=NOW)
    later = pending(changed, message="it is not ready", now=NOW + timedelta(hours=1))

    assert pending(changed, message="there is no Issuer", now=NOW) is None
    assert [one["type"] for one in later["status"]["conditions"]] == ["Approved", "Ready"]
    assert later["status"]["conditions"][1]["lastTransitionTime"] == "2026-11-21T12:00:00Z"
    assert not is_settled(later)


_JSON = st.none() | st.booleans() | st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=2)


@given(
    name=st.sampled_from(["request", "duration", "isCA", "usages", "username", "groups", "extra", "issuerRef"]),
    value=_JSON,
)
def test_whatever_is_in_a_field_is_decided(name: str, value: Any):
    document = issuer_request(REQUEST)
    document["spec"][name] = value

    assert judged(document) is not None


def in_default(request: bytes) -> dict[str, Any]:
    document = issuer_request(request)
    document["metadata"]["namespace"] = "default"
    return document


@pytest.mark.parametrize(
    "name", ["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
)
def test_whoever_writes_in_namespace_default_is_not_the_api_server(name: str):
    decision = judged(in_default(csr(dns=[name])), services=placed(service("kubernetes", "default")))

    assert (type(decision), decision.reason) == (Deny, "NameNotPermitted")


def test_name_without_svc_is_denied_where_short_names_are_off():
    without = SignerSettings(forms=NameForms(short_names=False))
    found = IssuerSurroundings(issuer=issuer(), services=placed(service()))

    decision = decide(issuer_request(csr(dns=["cart.shop"])), found, without)

    assert (type(decision), decision.reason) == (Deny, "NameNotPermitted")
