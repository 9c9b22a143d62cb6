"""What is observed where Services are not reached from here: the API server's proxy, and the authority behind it."""

import pytest

from kube.answers import Answer
from kube.cluster import Cluster
from kube.diagnosis.findings import Cause, Severity
from kube.diagnosis.looking import Looker
from kube.diagnosis.observing import Asked, Observer, backing_of
from kube.diagnosis.reaching import Miss, Missed, judge_target
from kube.diagnosis.targets import ServicePort, Target
from tests.kube.api_server import Fault
from tests.kube.diagnosis.made import NOW, Root

ROOT = Root()
NAMESPACE = "/api/v1/namespaces/shop"
TARGET = Target(
    kind="CustomResourceDefinition",
    name="c",
    service=ServicePort(namespace="shop", name="hook", port=443),
    ca_bundle=ROOT.base64,
    is_ours=True,
)


def away(host, port, server_name):
    return Missed(miss=Miss.SILENT, detail="timed out")


@pytest.fixture
def shop(fake):
    """A Service with a ready pod, behind an address that is not reached from here."""
    fake.kinds |= {"v1/services": "Service", "discovery.k8s.io/v1/endpointslices": "EndpointSlice"}
    fake.put(f"{NAMESPACE}/services/hook", spec={"clusterIP": "10.0.0.1"})
    fake.put(
        "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/hook-1",
        endpoints=[{"conditions": {"ready": True}}],
        ports=[{"port": 8443}],
    )
    return fake


def judge(shop, code, reason, message, *, is_inside=True):
    shop.faults.append(
        Fault(fits=lambda asked: "/proxy/" in asked.path, act=lambda handler: handler.refuse(code, reason, message))
    )
    return look(shop, is_inside=is_inside)


def look(shop, *, is_inside=True):
    cluster: Cluster = shop.open()
    try:
        (observed,) = Observer(Looker(cluster), away, tries=False, is_inside=is_inside).observe(
            [Asked(target=TARGET, document={})]
        )
    finally:
        cluster.close()
    return observed, judge_target(observed, ROOT.bundle, at=NOW)


@pytest.mark.parametrize(
    "message",
    [
        "error trying to reach service: dial tcp 10.1.0.7:8443: i/o timeout",
        "error trying to reach service: context deadline exceeded",
        "error trying to reach service: dial tcp 10.1.0.7:8443: connect: connection refused",
        "error trying to reach service: proxy error from 127.0.0.1:8132 while dialing 10.1.0.7:8443, code 503: 503",
        "error trying to reach service: No agent available",
        "error trying to reach service: EOF",
    ],
)
def test_proxy_that_does_not_get_through_is_the_api_servers_word(shop, message):
    observed, findings = judge(shop, 503, "ServiceUnavailable", message)

    assert (observed.word.holds, observed.backing.ports) == (False, (8443,))
    assert [one.cause for one in findings] == [Cause.PORT_UNREACHABLE]
    assert "8443" in findings[0].hint


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (404, "NotFound", "404 page not found"),
        (401, "Unauthorized", "show a certificate"),
        (503, "ServiceUnavailable", "not ready"),
        (503, "ServiceUnavailable", "error trying to reach service: remote error: tls: certificate required"),
        (502, "BadGateway", "error trying to reach service: net/http: malformed HTTP response"),
        (503, "ServiceUnavailable", "error trying to reach service: unexpected EOF"),
        (503, "ServiceUnavailable", "error trying to reach service: stream error: stream ID 1; INTERNAL_ERROR"),
    ],
)
def test_whatever_the_server_says_shows_that_it_is_reached(shop, code, reason, message):
    observed, findings = judge(shop, code, reason, message)

    assert observed.word.holds
    assert [one.severity for one in findings] == [Severity.OK, Severity.SKIPPED]
    assert "only by the API server" in findings[1].summary


def test_proxy_that_does_not_answer_us_does_not_get_through(shop, monkeypatch):
    monkeypatch.setattr("kube.diagnosis.observing._PROXY_SECONDS", 0.2)
    shop.faults.append(Fault(fits=lambda asked: "/proxy/" in asked.path, act=lambda handler: handler.say_nothing()))
    observed, findings = look(shop)

    assert not observed.word.holds
    assert [one.cause for one in findings] == [Cause.PORT_UNREACHABLE]
    assert "timed out" in findings[0].summary


def test_api_server_that_does_not_know_the_service_says_nothing_of_its_pods(shop):
    observed, findings = judge(shop, 404, "NotFound", 'services "hook" not found')

    assert observed.word is None
    assert "gets through" not in findings[0].summary


def test_nobody_is_dialled_from_outside_where_anybody_may_have_the_address(shop):
    observed, findings = judge(shop, 404, "NotFound", "404", is_inside=False)

    assert observed.dialled.miss is Miss.NOT_TRIED
    assert observed.word.holds
    assert [one.severity for one in findings] == [Severity.OK, Severity.SKIPPED]


def test_proxy_that_we_may_not_use_has_no_word(shop):
    observed, findings = judge(shop, 403, "Forbidden", "no")

    assert observed.word is None
    assert [one.severity for one in findings] == [Severity.OK, Severity.SKIPPED]


def test_endpoints_that_do_not_say_whether_they_are_ready_are():
    made = [
        {
            "endpoints": [{}, {"conditions": {"ready": None}}, {"conditions": {"ready": False}}],
            "ports": [{"port": 1}, {}],
        }
    ]

    assert (backing_of(made).ready, backing_of(made).unready, backing_of(made).ports) == (2, 1, (1,))
    assert backing_of([{}, {"endpoints": "x"}]).ready == 0


def test_answers_keep_their_headers_whatever_their_case(shop):
    cluster = shop.open()
    try:
        answer: Answer = cluster.fetch(f"{NAMESPACE}/services/hook")
    finally:
        cluster.close()

    assert answer.headers.get("date")
    assert b"10.0.0.1" in answer.octets
