"""Enrollment by service-account token over gRPC and its JSON twin, against an API server that the test plays."""

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import orjson
import pytest
from cryptography import x509
from google.protobuf.duration_pb2 import Duration

from certs.keys import KeyType, generate_private_key
from certs.pem import load_certificate
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from tests.ca.cluster.api_server import AUDIENCE, EXTRA, BoundToken, FakeApiServer, fake_api_server, write_kubeconfig
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer, running_server
from tests.ca.test_metrics import metrics_of
from tests.ca.wire import SECONDS, failing

CART = "spiffe://cluster.local/ns/shop/sa/cart"


def enroll(server: RunningServer, token: str, csr: bytes | None = None, **fields: Any) -> wire.Certificate:
    request = enrollment.EnrollServiceAccountRequest(token=token, csr=csr or request_for(), **fields)
    stub = EnrollmentServiceStub(server.public_channel())
    return stub.EnrollServiceAccount(request, timeout=SECONDS).certificate


def leaf_of(certificate: wire.Certificate) -> x509.Certificate:
    return load_certificate(certificate.certificate_pem.encode())


def newest_event(server: RunningServer) -> Any:
    (event,) = server.office.audit.page(page_size=1).items
    return event


def verify_opaque(failure: Any) -> None:
    """One code, one reason, one text but for the request's id: nothing tells one refusal from another."""
    request = failure.metadata["request"]
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "ENROLLMENT_REFUSED")
    assert failure.message == f"enrollment is refused; the server's log says why (request {request})"
    assert failure.metadata == {"request": request}


def test_pod_is_given_the_identity_of_its_service_account_and_nothing_else(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    token = BoundToken()

    certificate = enroll(enrolling, cluster.knows(token))

    leaf = leaf_of(certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(CART)]
    assert not list(leaf.subject)
    assert (certificate.profile, certificate.requester) == ("workload", CART)
    (asked,) = cluster.asked
    assert (asked.method, asked.path) == ("POST", "/apis/authentication.k8s.io/v1/tokenreviews")
    assert asked.body["spec"]["audiences"] == [AUDIENCE]
    assert asked.authorization == "Bearer the-authoritys-own"
    assert [one.id for one in enrolling.office.pod_certificates.of_pod(token.pod_uid)] == [certificate.id]


def test_names_of_the_request_do_not_count(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    forged = request_for(
        "kubernetes.default.svc", common_name="system:admin", uris=("spiffe://cluster.local/ns/kube-system/sa/admin",)
    )

    certificate = enroll(enrolling, cluster.knows(BoundToken(pod_name="cart-1")), forged)

    assert (list(certificate.names.uris), list(certificate.names.dns_names)) == ([CART], [])
    assert not list(leaf_of(certificate).subject)


def test_audit_says_which_pod_on_which_node_and_holds_no_token(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    token = BoundToken()
    text = cluster.knows(token)

    certificate = enroll(enrolling, text)

    event = newest_event(enrolling)
    assert (event.action, event.subject_id, event.actor) == ("certificate.issue", certificate.id, CART)
    assert orjson.loads(event.details).items() >= {
        "pod": f"shop/{token.pod_name}", "pod_uid": token.pod_uid, "node": "node-1", "credential": f"JTI={token.jti}",
    }.items()  # fmt: skip
    assert text.split(".")[1] not in event.details


REFUSED: dict[str, Callable[[FakeApiServer], str]] = {
    "garbage": lambda _cluster: "garbage",
    "nothing": lambda _cluster: "",
    "oversized": lambda _cluster: f"a.{'b' * 20_000}.c",
    "unknown to the cluster": lambda _cluster: BoundToken().text(),
    "of another audience": lambda cluster: cluster.knows(BoundToken(), audiences=["https://kubernetes.default.svc"]),
    "of no audience": lambda cluster: cluster.knows(BoundToken(), audiences=None),
    "for two audiences": lambda cluster: cluster.knows(BoundToken(audiences=(AUDIENCE, "vault"))),
    "of a user": lambda cluster: cluster.knows(
        token := BoundToken(), user=token.status()["user"] | {"username": "system:admin"}
    ),
    "of no pod": lambda cluster: cluster.knows(token := BoundToken(), user=_without(token, "pod-uid")),
    "of a pod on no node": lambda cluster: cluster.knows(token := BoundToken(), user=_without(token, "node-name")),
    "without an id": lambda cluster: cluster.knows(token := BoundToken(), user=_without(token, "credential-id")),
    "expired": lambda cluster: cluster.knows(BoundToken(expires_in=-3600)),
}


def _without(token: BoundToken, name: str) -> dict[str, Any]:
    user = token.status()["user"]
    del user["extra"][EXTRA + name]
    return dict(user)


@pytest.mark.parametrize("token", REFUSED)
def test_token_that_is_not_good_is_refused_without_a_reason(
    enrolling: RunningServer, cluster: FakeApiServer, logs: list[Any], token: str
) -> None:
    text, before = REFUSED[token](cluster), total_of(enrolling.office)

    with failing() as failure:
        enroll(enrolling, text)

    verify_opaque(failure)
    assert total_of(enrolling.office) == before
    (said,) = [event for event in logs if event["event"] == "enrollment refused"]
    assert said["request"] == (failure.metadata or {})["request"]
    assert len(text) < 10 or text not in str(logs)


def test_reason_that_no_caller_learns_is_counted_for_the_operator(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    with failing():
        enroll(enrolling, REFUSED["garbage"](cluster))

    metrics_of(enrolling, until='enrollment_refusals_total{credential="service-account",reason="TOKEN_MALFORMED"}')


@pytest.mark.parametrize("token", ["garbage", "nothing", "oversized"])
def test_cluster_is_not_asked_about_what_can_be_no_token(
    enrolling: RunningServer, cluster: FakeApiServer, token: str
) -> None:
    with failing():
        enroll(enrolling, REFUSED[token](cluster))

    assert cluster.asked == []


def _broken(csr: bytes) -> bytes:
    der = bytearray(base64.b64decode(b"".join(csr.strip().splitlines()[1:-1])))
    der[-1] ^= 1
    return bytes(der)


BAD_REQUESTS: dict[str, Callable[[], bytes]] = {
    "none": lambda: b"nonsense",
    "too large": lambda: b"0" * 70_000,
    "proof that does not hold": lambda: _broken(request_for()),
}


@pytest.mark.parametrize("csr", BAD_REQUESTS)
def test_request_that_is_not_good_is_refused_without_a_reason_and_audited(
    enrolling: RunningServer, cluster: FakeApiServer, csr: str
) -> None:
    token = BoundToken()

    with failing() as failure:
        enroll(enrolling, cluster.knows(token), BAD_REQUESTS[csr]())

    verify_opaque(failure)
    event = newest_event(enrolling)
    assert (event.action, event.actor, event.request_id) == (
        "request.deny",
        CART,
        (failure.metadata or {})["request"],
    )
    assert orjson.loads(event.details)["pod_uid"] == token.pod_uid


def test_what_policy_denies_is_refused_without_a_reason_and_audited(tmp_path: Path, cluster: FakeApiServer) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: chancery.dev/v1alpha1\nkind: Policy\nrules:\n"
        "  - name: only-of-the-shop\n    callers: [{service_account: {namespaces: [shop]}}]\n"
        "    profiles: [workload]\n    names: own\n    key_types: [ec-p256]\n"
    )
    policy.chmod(0o600)
    settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": cluster.kubeconfig, "policy_file": policy}
    with running_server(tmp_path / "data", **settings) as server:
        enroll(server, cluster.knows(BoundToken()))
        for token, key_type in ((BoundToken(namespace="bank"), KeyType.EC_P256), (BoundToken(), KeyType.EC_P384)):
            with failing() as failure:
                enroll(server, cluster.knows(token), request_for(key=generate_private_key(key_type)))
            verify_opaque(failure)
            details = orjson.loads(newest_event(server).details)
            assert details["reason"] == "POLICY_DENIED"
            assert "no rule allows" in details["explanation"]


def test_token_counts_for_one_key(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    text, key = cluster.knows(BoundToken()), generate_private_key(KeyType.EC_P256)
    first = enroll(enrolling, text, request_for(key=key))

    with failing() as failure:
        enroll(enrolling, text)
    again = enroll(enrolling, text, request_for(key=key))

    verify_opaque(failure)
    assert again.id != first.id


def test_retry_with_the_same_key_and_request_id_gives_the_same_certificate(
    enrolling: RunningServer, cluster: FakeApiServer
) -> None:
    text, key = cluster.knows(BoundToken()), generate_private_key(KeyType.EC_P256)
    first = enroll(enrolling, text, request_for(key=key), request_id="one")

    assert enroll(enrolling, text, request_for(key=key), request_id="one").id == first.id
    with failing() as failure:
        enroll(enrolling, text, request_id="one")
    verify_opaque(failure)


def test_token_is_remembered_after_a_restart(tmp_path: Path, cluster: FakeApiServer) -> None:
    settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": cluster.kubeconfig}
    text, key = cluster.knows(BoundToken()), generate_private_key(KeyType.EC_P256)
    with running_server(tmp_path / "data", **settings) as server:
        enroll(server, text, request_for(key=key))

    with running_server(tmp_path / "data", **settings) as server:
        with failing() as failure:
            enroll(server, text)
        verify_opaque(failure)
        enroll(server, text, request_for(key=key))


def test_of_eight_keys_at_once_one_gets_the_token(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    text, start = cluster.knows(BoundToken()), threading.Barrier(8)
    requests = [request_for() for _ in range(8)]

    def run(csr: bytes) -> grpc.StatusCode:
        start.wait(SECONDS)
        try:
            enroll(enrolling, text, csr)
        except grpc.RpcError as err:
            return err.code()  # type: ignore[no-any-return,attr-defined]
        return grpc.StatusCode.OK

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(run, requests))

    assert sorted(code.name for code in codes) == ["OK", *["UNAUTHENTICATED"] * 7]


def test_pod_that_asks_too_often_is_told_to_come_back(tmp_path: Path, cluster: FakeApiServer) -> None:
    settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": cluster.kubeconfig}
    pod, other = BoundToken(), cluster.knows(BoundToken())
    key, text = generate_private_key(KeyType.EC_P256), cluster.knows(pod)
    with running_server(tmp_path / "data", **settings) as server:
        with failing() as failure:
            for _ in range(20):
                enroll(server, text, request_for(key=key))
        enroll(server, other)
        server.clock.advance(timedelta(seconds=30))
        enroll(server, text, request_for(key=key))
        used = len(server.office.pod_certificates.of_pod(pod.pod_uid))

    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert used == 11


def test_requests_that_fail_count_as_much(tmp_path: Path, cluster: FakeApiServer) -> None:
    settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": cluster.kubeconfig}
    text, codes = cluster.knows(BoundToken()), []
    with running_server(tmp_path / "data", **settings) as server:
        for _ in range(12):
            with failing() as failure:
                enroll(server, text, b"nonsense")
            codes.append(failure.code.name)

    assert codes == [*["UNAUTHENTICATED"] * 10, *["RESOURCE_EXHAUSTED"] * 2]


@pytest.mark.parametrize(
    ("seconds", "lives"), [(None, 24 * 3600), (3600, 3600), (7 * 86400, 24 * 3600), (300 * 86400, 24 * 3600)]
)
def test_lifetime_is_the_shortest_of_all_that_bound_it(
    enrolling: RunningServer, cluster: FakeApiServer, seconds: int | None, lives: int
) -> None:
    fields = {} if seconds is None else {"lifetime": Duration(seconds=seconds)}

    certificate = enroll(enrolling, cluster.knows(BoundToken()), **fields)

    assert certificate.not_after_time.seconds - certificate.not_before_time.seconds == lives + 60


def test_lifetime_shorter_than_any_certificate_is_invalid(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    with failing() as failure:
        enroll(enrolling, cluster.knows(BoundToken()), lifetime=Duration(seconds=60))

    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")


def _refusing(status: int) -> Callable[[Any], tuple[int, Any]]:
    return lambda _asked: (status, {"kind": "Status", "message": "secret detail"})


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (_refusing(500), 3),
        (_refusing(503), 3),
        (_refusing(429), 3),
        (_refusing(401), 1),
        (_refusing(403), 1),
        (_refusing(404), 1),
        (_refusing(302), 1),
        (lambda _asked: (200, b"<html>"), 3),
        (lambda _asked: (201, {"kind": "TokenReview"}), 3),
        (lambda _asked: (201, {"kind": "TokenReview", "status": {"authenticated": "yes"}}), 3),
        (lambda _asked: (201, {"kind": "SubjectAccessReview", "status": {"authenticated": True}}), 3),
    ],
)
def test_cluster_that_gives_no_good_answer_lets_nobody_in(
    enrolling: RunningServer, cluster: FakeApiServer, answer: Callable[[Any], tuple[int, Any]], asked: int
) -> None:
    text, cluster.answer = cluster.knows(BoundToken()), answer

    with failing() as failure:
        enroll(enrolling, text)

    verify_unavailable(failure)
    assert len(cluster.asked) == asked


def verify_unavailable(failure: Any) -> None:
    request = failure.metadata["request"]
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "CLUSTER_UNAVAILABLE")
    assert failure.message == f"enrollment is not possible now; try again in a moment (request {request})"


def test_cluster_that_recovers_is_asked_again(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    text = cluster.knows(BoundToken())
    cluster.answer = lambda asked: cluster.honest(asked) if len(cluster.asked) > 2 else (503, {})

    assert enroll(enrolling, text).requester == CART


def test_silent_cluster_lets_nobody_in(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    text, cluster.answer = cluster.knows(BoundToken()), cluster.silent

    with failing() as failure:
        enroll(enrolling, text)

    verify_unavailable(failure)


def test_answer_that_comes_drop_by_drop_lets_nobody_in(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    text, cluster.drip_seconds = cluster.knows(BoundToken()), 0.1

    with failing() as failure:
        enroll(enrolling, text)

    verify_unavailable(failure)


def test_cluster_that_is_down_or_another_lets_nobody_in(tmp_path: Path) -> None:
    with fake_api_server(tmp_path / "down") as down:
        text = down.knows(BoundToken())
    with fake_api_server(tmp_path / "one") as one, fake_api_server(tmp_path / "other") as other:
        impostor = tmp_path / "kubeconfig"
        impostor.write_text(
            one.kubeconfig.read_text().replace(_server_of(one.kubeconfig), _server_of(other.kubeconfig))
        )
        other.tokens[text] = BoundToken().status()
        for kubeconfig in (down.kubeconfig, impostor):
            with running_server(
                tmp_path / "data", kubernetes_enrollment=True, kubernetes_kubeconfig=kubeconfig
            ) as server:
                with failing() as failure:
                    enroll(server, text)
                verify_unavailable(failure)
        assert other.asked == []


def _server_of(kubeconfig: Path) -> str:
    return next(line.split()[-1] for line in kubeconfig.read_text().splitlines() if "server:" in line)


def test_pod_is_looked_at_where_that_is_asked_for(tmp_path: Path, cluster: FakeApiServer) -> None:
    settings = {
        "kubernetes_enrollment": True,
        "kubernetes_kubeconfig": cluster.kubeconfig,
        "kubernetes_pod_check": True,
    }
    with running_server(tmp_path / "data", **settings) as server:
        token = BoundToken(pod_name="looked-at")
        text = cluster.knows(token)
        assert enroll(server, text).requester == CART
        path = f"/api/v1/namespaces/shop/pods/{token.pod_name}"
        assert [one.path for one in cluster.asked][-1] == path
        for gone in (cluster.pods[path] | {"status": {"phase": "Failed"}}, None):
            cluster.pods[path] = gone
            with failing() as failure:
                enroll(server, text)
            verify_opaque(failure)
        cluster.answer = lambda asked: (403, {}) if asked.method == "GET" else cluster.honest(asked)
        with failing() as failure:
            enroll(server, text)
        verify_unavailable(failure)


def test_server_that_trusts_no_cluster_says_so(server: RunningServer) -> None:
    with failing() as failure:
        enroll(server, BoundToken().text())

    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "KUBERNETES_ENROLLMENT_OFF")


def post(server: RunningServer, **fields: object) -> tuple[int, Any]:
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    connection = http.client.HTTPSConnection("localhost", urlsplit(server.url).port, timeout=SECONDS, context=context)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/enroll/service-account", json.dumps(fields).encode())
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_twin_gives_the_same_to_who_shows_no_certificate(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    csr = base64.b64encode(request_for()).decode()
    text = cluster.knows(BoundToken())

    status, answer = post(enrolling, token=text, csr=csr, lifetime="3600s", request_id="twin")

    assert (status, answer["certificate"]["names"]["uris"]) == (200, [CART])
    assert answer["trust_bundle_pem"].encode() == enrolling.administrator.roots
    assert "BEGIN CERTIFICATE" in answer["certificate"]["chain_pem"]


def test_twin_is_as_opaque(enrolling: RunningServer, cluster: FakeApiServer) -> None:
    csr = base64.b64encode(request_for()).decode()

    answers = [post(enrolling, token=REFUSED[token](cluster), csr=csr) for token in REFUSED]

    for status, body in answers:
        assert (status, body["reason"]) == (401, "ENROLLMENT_REFUSED")
        assert body["detail"] == f"enrollment is refused; the server's log says why (request {body['request']})"
    cluster.answer = _refusing(500)
    status, body = post(enrolling, token=cluster.knows(BoundToken()), csr=csr)
    assert (status, body["reason"]) == (503, "CLUSTER_UNAVAILABLE")


def test_what_speaks_to_a_cluster_is_loaded_only_where_there_is_one() -> None:
    script = "import ca.edges, sys; sys.exit(bool({'kubernetes', 'urllib3'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=SECONDS).returncode == 0


def test_kubeconfig_that_verifies_nothing_stops_the_start(tmp_path: Path) -> None:
    from ca.errors import SettingsInvalid

    plain = write_kubeconfig(tmp_path / "plain", "http://127.0.0.1:1", None)
    careless = write_kubeconfig(
        tmp_path / "careless", "https://127.0.0.1:1", None, **{"insecure-skip-tls-verify": True}
    )
    for kubeconfig in (plain, careless, tmp_path / "missing", None):
        settings = {"kubernetes_enrollment": True, "kubernetes_kubeconfig": kubeconfig}
        with pytest.raises(SettingsInvalid, match="kubernetes_"), running_server(tmp_path / "data", **settings):
            pass
