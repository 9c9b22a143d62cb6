"""AdminService over TLS: for administrators alone, and true to what the authority is."""

from collections.abc import Callable

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from ca import __version__
from certs.fingerprints import certificate_fingerprint
from certs.pem import load_certificate
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, SPIFFE, failing, workload_identity

METHODS = [method.name for method in admin.DESCRIPTOR.services_by_name["AdminService"].methods]
WEB = wire.SubjectAlternativeNames(dns_names=["web.example"])


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> AdminServiceStub:
    return AdminServiceStub(server.channel())


def created(stub: AdminServiceStub, **fields: object) -> admin.CreateTokenResponse:
    return stub.CreateToken(admin.CreateTokenRequest(**{"names": WEB, **fields}), timeout=SECONDS)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_for_administrators_alone(server: RunningServer, method: str) -> None:
    stub = AdminServiceStub(server.channel(workload_identity(server.office)))
    request: Callable[[], Message] = getattr(admin, f"{method}Request")

    with failing() as failure:
        getattr(stub, method)(request(), timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED")


def test_status_tells_what_runs(server: RunningServer, stub: AdminServiceStub) -> None:
    status = stub.GetStatus(admin.GetStatusRequest(), timeout=SECONDS)

    assert (status.version, status.trust_domain, status.store) == (__version__, "cluster.local", "sqlite")
    assert status.start_time.seconds <= status.current_time.seconds
    assert status.certificates_total >= status.certificates_valid >= 2
    assert status.serving_not_after_time.seconds > status.current_time.seconds
    assert 0 < status.next_expiry_time.seconds <= status.serving_not_after_time.seconds


def test_issuers_are_shown_with_their_certificates(server: RunningServer, stub: AdminServiceStub) -> None:
    root, issuer = stub.ListIssuers(admin.ListIssuersRequest(), timeout=SECONDS).issuers

    assert (root.profile, issuer.profile) == ("root", "intermediate")
    assert issuer.id == server.office.issuers.active().id
    assert issuer.sha256_fingerprint == certificate_fingerprint(load_certificate(issuer.certificate_pem.encode())).hex()
    assert (issuer.state, issuer.key_type) == (admin.ISSUER_STATE_ACTIVE, "ec-p256")


def test_root_beside_its_issuing_ca_is_passive(stub: AdminServiceStub) -> None:
    root, _ = stub.ListIssuers(admin.ListIssuersRequest(), timeout=SECONDS).issuers

    assert root.state == admin.ISSUER_STATE_PASSIVE


def test_secret_of_a_token_is_shown_once(stub: AdminServiceStub) -> None:
    answer = created(stub, token_lifetime=Duration(seconds=60))

    tokens = stub.ListTokens(admin.ListTokensRequest(), timeout=SECONDS)

    (found,) = [token for token in tokens.tokens if token.id == answer.token.id]
    assert found == answer.token
    assert found.expire_time.seconds - found.create_time.seconds == 60
    assert answer.secret.split(".")[2] not in str(tokens)


def test_tokens_page(stub: AdminServiceStub) -> None:
    ids = [created(stub).token.id for _ in range(3)]

    first = stub.ListTokens(admin.ListTokensRequest(page_size=2), timeout=SECONDS)
    second = stub.ListTokens(admin.ListTokensRequest(page_size=2, page_token=first.next_page_token), timeout=SECONDS)

    assert [token.id for token in (*first.tokens, *second.tokens)][:3] == ids[::-1]


def test_withdrawn_token_is_gone(stub: AdminServiceStub) -> None:
    token = created(stub).token
    stub.DeleteToken(admin.DeleteTokenRequest(id=token.id), timeout=SECONDS)

    with failing() as failure:
        stub.DeleteToken(admin.DeleteTokenRequest(id=token.id), timeout=SECONDS)

    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "TOKEN_NOT_FOUND")


@pytest.mark.parametrize("text", ["", "zz", "0" * 32, "é"])
def test_unknown_token_is_not_found(stub: AdminServiceStub, text: str) -> None:
    with failing() as failure:
        stub.DeleteToken(admin.DeleteTokenRequest(id=text), timeout=SECONDS)

    assert failure.reason == "TOKEN_NOT_FOUND"


@pytest.mark.parametrize(
    "fields",
    [
        {"token_lifetime": Duration(seconds=8 * 86_400)},
        {"token_lifetime": Duration(seconds=-1)},
        {"profile": "root"},
        {"public_key_sha256": b"short"},
        {"names": wire.SubjectAlternativeNames(ip_addresses=["nonsense"])},
    ],
    ids=str,
)
def test_impossible_token_is_refused(stub: AdminServiceStub, fields: dict[str, object]) -> None:
    with failing() as failure:
        created(stub, **fields)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_policy_in_force_is_shown_as_it_was_read(server: RunningServer, stub: AdminServiceStub) -> None:
    document = stub.GetPolicy(admin.GetPolicyRequest(), timeout=SECONDS).document

    assert document == (server.directory / "policy.yaml").read_text()


def test_explanation_agrees_with_the_decision(stub: AdminServiceStub) -> None:
    own = admin.ExplainPolicyRequest(
        caller=admin.Caller(spiffe_id=SPIFFE + "web"),
        profile="workload",
        names=wire.SubjectAlternativeNames(uris=[SPIFFE + "web"]),
    )
    others = admin.ExplainPolicyRequest()
    others.CopyFrom(own)
    others.names.uris[:] = [SPIFFE + "other"]

    allowed = stub.ExplainPolicy(own, timeout=SECONDS)
    denied = stub.ExplainPolicy(others, timeout=SECONDS)

    assert (allowed.allowed, allowed.rule) == (True, "workloads")
    assert (denied.allowed, denied.rule) == (False, "")
    assert SPIFFE + "other" in denied.explanation
    assert [one.rule for one in denied.evaluations if one.matched] == []


def test_explanation_tells_a_pod_with_its_token_from_the_holder_of_a_certificate(stub: AdminServiceStub) -> None:
    pod = admin.Caller(spiffe_id=SPIFFE + "web", service_account=True)
    names = wire.SubjectAlternativeNames(uris=[SPIFFE + "web"])

    answer = stub.ExplainPolicy(
        admin.ExplainPolicyRequest(caller=pod, profile="workload", names=names), timeout=SECONDS
    )

    assert (answer.allowed, answer.rule) == (True, "service-accounts")


@pytest.mark.parametrize(
    "request_",
    [
        admin.ExplainPolicyRequest(operation="conquer"),
        admin.ExplainPolicyRequest(caller=admin.Caller(spiffe_id="spiffe://UPPER/x")),
        admin.ExplainPolicyRequest(key_type="dsa"),
        admin.ExplainPolicyRequest(caller=admin.Caller(service_account=True)),
        admin.ExplainPolicyRequest(
            caller=admin.Caller(service_account=True, spiffe_id=SPIFFE + "web", common_name="web")
        ),
    ],
    ids=["operation", "caller", "key type", "pod without identity", "pod with a name"],
)
def test_question_that_makes_no_sense_is_refused(stub: AdminServiceStub, request_: admin.ExplainPolicyRequest) -> None:
    with failing() as failure:
        stub.ExplainPolicy(request_, timeout=SECONDS)

    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_audit_trail_pages_and_filters_by_subject(stub: AdminServiceStub) -> None:
    token = created(stub).token
    stub.DeleteToken(admin.DeleteTokenRequest(id=token.id), timeout=SECONDS)

    request = admin.ListAuditEventsRequest(page_size=1, subject_id=token.id)
    first = stub.ListAuditEvents(request, timeout=SECONDS)
    request.page_token = first.next_page_token
    second = stub.ListAuditEvents(request, timeout=SECONDS)

    assert [event.action for event in (*first.events, *second.events)] == ["token.delete", "token.create"]
    assert first.events[0].actor == "CN=administrator,O=chancery:administrators"
    assert len(first.events[0].chain_hash) == 64
