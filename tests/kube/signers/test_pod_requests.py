"""PodCertificateRequests: who the pod is, what it may have, and what the API server takes for an answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ca.client.values import IssuedCertificate
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from kube.signers.decisions import Deny, Settled, Sign, Wait
from kube.signers.pod_requests import PodSurroundings, decide
from kube.signers.pod_statuses import (
    MARGIN,
    begin_refresh_at,
    is_fresh,
    issued,
    refused,
    what_speaks_against_issuing,
)
from kube.signers.settings import SignerSettings
from kube.vocabulary import DNS_ANNOTATION, DURATION_ANNOTATION
from tests.kube.signers.authority import certify
from tests.kube.signers.documents import (
    NOW,
    OWN_ID,
    ca_csr,
    der_csr,
    encoded,
    named,
    placed,
    pod,
    pod_request,
    service,
    uid,
)

SETTINGS = SignerSettings(maximum_lifetime=timedelta(days=7))
POD, ACCOUNT, NODE = pod(), named("ServiceAccount", "cart", "shop"), named("Node", "node-1")
SURROUNDINGS = PodSurroundings(pod=POD, service_account=ACCOUNT, node=NODE, services=placed(service()))
INVALID = "InvalidUnverifiedUserAnnotations"


def judged(document: dict[str, Any], *, now: datetime = NOW, settings: SignerSettings = SETTINGS, **found: Any) -> Any:
    fields = {"pod": POD, "service_account": ACCOUNT, "node": NODE, "services": SURROUNDINGS.services, **found}
    return decide(document, PodSurroundings(**fields), settings, now=now)


def request(**spec: Any) -> dict[str, Any]:
    return pod_request(POD, ACCOUNT, NODE, **spec)


def test_pod_gets_the_identity_of_its_account():
    document = request()
    order = judged(document)

    assert isinstance(order, Sign)
    assert (order.names, order.subject) == (SubjectAlternativeNames(uris=(OWN_ID,)), SubjectName())
    assert order.request_id == f"pcr-{document['metadata']['uid']}"
    assert (order.pod.uid, order.pod.node) == (POD["metadata"]["uid"], "node-1")


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_3072])
def test_key_is_all_that_counts_of_the_stub(key_type: KeyType):
    stub = der_csr(
        SubjectName(common_name="root", organizations=("system:masters",)), dns=["evil.example"], key_type=key_type
    )
    order = judged(request(stubPKCS10Request=encoded(stub)))

    assert order.names == SubjectAlternativeNames(uris=(OWN_ID,))
    assert order.subject == SubjectName()
    assert order.request.key_type is key_type


@pytest.mark.parametrize(
    "forged",
    [
        {"podUID": uid()},
        {"podUID": None},
        {"podUID": 7},
        {"serviceAccountName": "till"},
        {"serviceAccountName": None},
        {"nodeName": "node-2"},
        {"nodeName": None},
    ],
    ids=str,
)
def test_forged_pod_is_denied(forged: dict[str, Any]):
    decision = judged(request(**forged))

    assert (type(decision), decision.reason) == (Deny, "PodMismatch")


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({"serviceAccountUID": uid()}, "ServiceAccountMismatch"),
        ({"serviceAccountUID": None}, "ServiceAccountMismatch"),
        ({"nodeUID": uid()}, "NodeMismatch"),
        ({"nodeUID": ""}, "NodeMismatch"),
    ],
    ids=str,
)
def test_forged_account_or_node_is_denied(forged: dict[str, Any], reason: str):
    decision = judged(request(**forged))

    assert (type(decision), decision.reason) == (Deny, reason)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"pod": None}, "PodMismatch"),
        ({"pod": pod()}, "PodMismatch"),
        ({"pod": {**POD, "spec": {**POD["spec"], "nodeName": "node-2"}}}, "PodMismatch"),
        ({"pod": {**POD, "spec": {**POD["spec"], "serviceAccountName": "till"}}}, "PodMismatch"),
        ({"pod": {**POD, "status": {"phase": "Succeeded"}}}, "PodMismatch"),
        ({"pod": {**POD, "metadata": {**POD["metadata"], "deletionTimestamp": "2026-11-21T12:00:00Z"}}}, "PodMismatch"),
        ({"pod": {"metadata": [], "spec": 7}}, "PodMismatch"),
        ({"service_account": None}, "ServiceAccountMismatch"),
        ({"service_account": named("ServiceAccount", "cart", "shop")}, "ServiceAccountMismatch"),
        ({"node": None}, "NodeMismatch"),
        ({"node": named("Node", "node-1")}, "NodeMismatch"),
    ],
)
def test_what_was_deleted_or_made_anew_meanwhile_is_denied(found: dict[str, Any], reason: str):
    decision = judged(request(), **found)

    assert (type(decision), decision.reason) == (Deny, reason)


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        (b"garbage", "MalformedRequest"),
        (b"\x30\x82", "MalformedRequest"),
        (ca_csr(), "CertificateAuthorityRequested"),
    ],
)
def test_stub_that_is_garbage_or_asks_to_be_a_ca_is_denied(stub: bytes, reason: str):
    assert judged(request(stubPKCS10Request=encoded(stub))).reason == reason


def test_bare_public_key_is_denied_with_what_is_needed():
    decision = judged(request(stubPKCS10Request=None, pkixPublicKey="AAAA", proofOfPossession="AAAA"))

    assert (decision.reason, "1.36" in decision.message) == ("StubRequestNeeded", True)


@pytest.mark.parametrize("signer", ["chancery.dev/serving", "chancery.dev/client", "chancery.dev/other"])
def test_other_signers_of_ours_are_not_for_pods(signer: str):
    assert judged(request(signerName=signer)).reason == "SignerNotForPods"


@pytest.mark.parametrize("outcome", ["Issued", "Denied", "Failed"])
def test_what_is_answered_is_left_alone(outcome: str):
    document = request()
    document["status"] = {"conditions": [{"type": outcome, "status": "True"}]}

    assert judged(document) == Settled()


def test_what_is_going_or_anothers_is_left_alone():
    going, others = request(), request(signerName="example.com/pods")
    going["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"

    assert (judged(going), judged(others)) == (Settled(), Settled())


def test_names_of_services_that_select_the_pod_are_added():
    order = judged(
        request(unverifiedUserAnnotations={DNS_ANNOTATION: "cart.shop.svc, CART.shop.svc.cluster.local cart.shop"})
    )

    assert order.names == SubjectAlternativeNames(
        uris=(OWN_ID,), dns=("cart.shop.svc", "cart.shop.svc.cluster.local", "cart.shop")
    )


@pytest.mark.parametrize(
    "annotations",
    [
        {DNS_ANNOTATION: "till.bank.svc"},
        {DNS_ANNOTATION: "www.example.com"},
        {DNS_ANNOTATION: "*.shop.svc"},
        {DNS_ANNOTATION: "cart"},
        {DNS_ANNOTATION: "-.shop.svc"},
        {DNS_ANNOTATION: 7},
        {DNS_ANNOTATION: ",".join(f"a{number}.shop.svc" for number in range(101))},
        {DURATION_ANNOTATION: "soon"},
        {DURATION_ANNOTATION: "30m"},
        {DURATION_ANNOTATION: 7},
        {"chancery.dev/mode": "sidecar"},
        {"example.com/anything": ""},
    ],
    ids=lambda annotations: str(annotations)[:40],
)
def test_annotation_that_means_nothing_is_denied(annotations: dict[str, Any]):
    decision = judged(request(unverifiedUserAnnotations=annotations))

    assert (type(decision), decision.reason) == (Deny, INVALID)


@pytest.mark.parametrize(
    "services",
    [
        {},
        placed(service(selector={"app": "till"})),
        placed(service(selector=None)),
        placed(service(type="ExternalName")),
    ],
)
def test_name_of_a_service_is_waited_for_and_then_denied(services: Any):
    document = request(unverifiedUserAnnotations={DNS_ANNOTATION: "cart.shop.svc"})
    early = judged(document, services=services)
    late = judged(document, services=services, now=NOW + timedelta(minutes=2))

    assert isinstance(early, Wait)
    assert early.again is not None
    assert (type(late), late.reason) == (Deny, INVALID)


@pytest.mark.parametrize("created", ["yesterday", None, 7])
def test_request_without_an_age_is_not_waited_for(created: Any):
    document = request(unverifiedUserAnnotations={DNS_ANNOTATION: "cart.shop.svc"})
    document["metadata"]["creationTimestamp"] = created

    assert judged(document, services={}).reason == INVALID


@pytest.mark.parametrize(
    ("spec", "life"),
    [
        ({"maxExpirationSeconds": 3600}, timedelta(hours=1)),
        ({"maxExpirationSeconds": 7200}, timedelta(hours=2)),
        ({"maxExpirationSeconds": None}, timedelta(hours=24)),
        ({"maxExpirationSeconds": "3600"}, timedelta(hours=24)),
        ({"maxExpirationSeconds": 7_862_400}, timedelta(hours=24)),
        (
            {"maxExpirationSeconds": 7_862_400, "unverifiedUserAnnotations": {DURATION_ANNOTATION: "3d"}},
            timedelta(days=3),
        ),
        (
            {"maxExpirationSeconds": 7_862_400, "unverifiedUserAnnotations": {DURATION_ANNOTATION: "30d"}},
            timedelta(days=7),
        ),
        ({"maxExpirationSeconds": 7200, "unverifiedUserAnnotations": {DURATION_ANNOTATION: "1d"}}, timedelta(hours=2)),
    ],
    ids=str,
)
def test_life_with_its_back_date_keeps_to_what_was_asked(spec: dict[str, Any], life: timedelta):
    document = request(**spec)
    certificate = certify(judged(document), NOW)

    assert certificate.not_after - certificate.not_before == life
    assert what_speaks_against_issuing(document, certificate) == ""


def test_signer_set_below_an_hour_says_so():
    decision = judged(request(), settings=SignerSettings(maximum_lifetime=timedelta(minutes=30)))

    assert (type(decision), decision.reason) == (Deny, "LifetimeNotPossible")


def test_certificate_that_was_cut_short_is_not_issued():
    certificate = certify(judged(request(maxExpirationSeconds=3600)), NOW)
    asked_less = request(maxExpirationSeconds=3600)

    assert "less than an hour" in what_speaks_against_issuing(asked_less, _cut(certificate, timedelta(seconds=1)))
    assert "longer than" in what_speaks_against_issuing(asked_less, certify(judged(request()), NOW))


@pytest.mark.parametrize(
    ("after", "fresh"),
    [(timedelta(), True), (timedelta(minutes=2), True), (timedelta(minutes=4), False), (timedelta(minutes=-6), False)],
)
def test_certificate_stays_writable_for_a_while(after: timedelta, fresh: bool):
    assert is_fresh(certify(judged(request()), NOW), NOW + after) is fresh


def test_issued_status_says_one_thing_and_agrees_with_the_leaf():
    document = request()
    document["status"] = {"conditions": [{"type": "Other", "status": "True"}]}
    certificate = certify(judged(document), NOW)
    changed = issued(document, certificate, now=NOW)
    status = changed["status"]
    leaf, issuer = x509.load_pem_x509_certificates(status["certificateChain"].encode())

    assert [(one["type"], one["status"]) for one in status["conditions"]] == [("Issued", "True")]
    assert status["notBefore"] == f"{leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert status["notAfter"] == f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert issuer.subject != issuer.issuer
    assert changed["metadata"]["resourceVersion"] == "9"


def test_refused_status_is_a_condition_and_nothing_else():
    changed = refused(request(), type="Denied", reason=INVALID, message="no", now=NOW)

    assert set(changed["status"]) == {"conditions"}
    assert [(one["type"], one["reason"]) for one in changed["status"]["conditions"]] == [("Denied", INVALID)]


@given(life=st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=91)))
def test_refresh_begins_within_limits(life: timedelta):
    begin = datetime(2026, 11, 21, 12, tzinfo=UTC)
    end = (begin + life).replace(microsecond=0)
    refresh = begin_refresh_at(begin, end)

    assert begin + MARGIN <= refresh <= end - MARGIN


_NAMES = [
    *("podUID", "nodeName", "serviceAccountName", "stubPKCS10Request", "maxExpirationSeconds", "conditions", "uid"),
    *("unverifiedUserAnnotations", "signerName", "namespace", "creationTimestamp", "deletionTimestamp"),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    field=st.sampled_from(["metadata", "spec", "status"]),
    name=st.sampled_from(_NAMES),
    value=_JSON,
)
def test_whatever_is_in_a_field_is_decided(field: str, name: str, value: Any):
    document = request()
    document[field] = {**document[field], name: value}

    assert judged(document) is not None


def _cut(certificate: IssuedCertificate, by: timedelta) -> IssuedCertificate:
    return replace(certificate, not_after=certificate.not_after - by)
