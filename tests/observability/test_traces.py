"""Traces of real processes, as a collector gets them: one trace over processes, with request ids; and none unasked."""

import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

from protos.chancery.ca.v1 import certificate_service_pb2 as certificates
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.offices import request_for
from tests.cli.program import Program
from tests.observability.collector import Collector, Span, collector
from tests.observability.monitored import Monitored, monitored
from tests.servers.ports import free_port

pytestmark = pytest.mark.xdist_group("observability")

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def traceparent(trace: str = TRACE) -> str:
    return f"00-{trace}-{PARENT}-01"


@pytest.fixture(scope="module")
def collecting() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collecting: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collecting.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with monitored(tmp_path_factory.mktemp("traced"), variables) as running:
        yield running


def channel_of(traced: Monitored) -> grpc.Channel:
    identity = traced.targets["ca-cli serve"].identity
    assert identity is not None
    pieces = [(identity / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")]
    return grpc.secure_channel(traced.program.variables["CHANCERY_SERVER"], grpc.ssl_channel_credentials(*pieces))


def ask(url: str, identity: Path, headers: dict[str, str], body: bytes | None = None) -> None:
    context = ssl.create_default_context(cafile=str(identity / "ca.crt"))
    context.load_cert_chain(identity / "tls.crt", identity / "tls.key")
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, context=context, timeout=30):
            pass
    except urllib.error.HTTPError as err:
        err.close()


def is_part(parent: str, name: str, span: Span) -> bool:
    return (span.parent, span.name) == (parent, name)


def test_issuance_is_followed_from_the_edge_to_the_store(traced: Monitored, collecting: Collector) -> None:
    with channel_of(traced) as channel:
        request = certificates.SignCsrRequest(csr=request_for("traced.example"), profile="server")
        CertificateServiceStub(channel).SignCsr(request, metadata=(("traceparent", traceparent()),), timeout=30)

    edge = collecting.await_span(lambda one: one.trace == TRACE and one.parent == PARENT)
    issue = collecting.await_span(lambda one: one.trace == TRACE and one.parent == edge.id)
    sign, record = (collecting.await_span(partial(is_part, issue.id, name)) for name in ("sign", "record"))

    assert (edge.service, edge.name) == ("chancery-ca", "chancery.ca.v1.CertificateService/SignCsr")
    assert edge.attributes["rpc.grpc.status_code"] == 0
    assert (issue.name, issue.attributes["chancery.profile"]) == ("issue", "server")
    assert issue.attributes["chancery.request_id"] == edge.attributes["chancery.request_id"] != ""
    assert edge.begun <= issue.begun <= sign.begun <= sign.ended <= record.ended <= edge.ended


def test_http_joins_the_trace_of_its_caller_and_tells_a_refusal_without_its_text(
    traced: Monitored, collecting: Collector
) -> None:
    authority, trace = traced.targets["ca-cli serve"], "1" * 32
    assert authority.identity is not None
    secret = json.dumps({"token": "a-token-that-is-made-up"}).encode()
    ask(f"{authority.url}/v1/enroll", authority.identity, {"traceparent": traceparent(trace)}, secret)

    edge = collecting.await_span(lambda one: one.trace == trace)

    assert (edge.name, edge.attributes["http.response.status_code"]) == ("POST /v1/enroll", 401)
    assert (edge.failed, edge.events) == (False, 0)  # the caller's fault, and no text of it
    assert "made-up" not in str(collecting.spans)


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + f"-{PARENT}-01", "x" * 5000])
def test_header_that_names_no_trace_begins_one(traced: Monitored, collecting: Collector, header: str) -> None:
    authority = traced.targets["ca-cli serve"]
    assert authority.identity is not None
    before = len([one for one in collecting.spans if one.name == "GET /roots.pem"])
    ask(f"{authority.url}/roots.pem", authority.identity, {"traceparent": header} if header else {})

    collecting.await_span(lambda _: len([one for one in collecting.spans if one.name == "GET /roots.pem"]) > before)
    newest = [one for one in collecting.spans if one.name == "GET /roots.pem"][-1]
    assert (newest.parent, newest.attributes["http.response.status_code"]) == ("", 200)


def test_api_request_is_named_by_what_it_asks_for_and_has_its_audit_id(
    traced: Monitored, collecting: Collector
) -> None:
    apiserver, trace = traced.targets["ca-cli apiserver"], "2" * 32
    assert apiserver.identity is not None
    headers = {"traceparent": traceparent(trace), "Audit-ID": "audited-here"}
    ask(f"{apiserver.url}/apis/wardle.example.com/v1alpha1/flunders", apiserver.identity, headers)

    span = collecting.await_span(lambda one: one.trace == trace)

    assert (span.service, span.name, span.parent) == ("chancery-apiserver", "LIST flunders", PARENT)
    assert span.attributes["chancery.request_id"] == "audited-here"
    assert span.attributes["http.response.status_code"] == 200


def test_reconcile_goes_on_in_the_authority_and_in_the_cluster(traced: Monitored, collecting: Collector) -> None:
    reconcile = collecting.await_span(lambda one: one.name == "reconcile trust-bundle")
    there = collecting.await_span(
        lambda one: (
            one.service == "chancery-ca" and one.name.startswith("chancery.ca.v1.TrustService/") and bool(one.parent)
        )
    )

    assert reconcile.service == "chancery-controller"
    assert reconcile.attributes["chancery.outcome"] == "done"
    began = collecting.await_span(lambda one: one.id == there.parent)
    assert began.name == "reconcile trust-bundle"
    written = collecting.await_span(lambda one: one.name == "reconcile trust-config-maps")
    assert {"/v1/traces"} == collecting.paths
    assert written.trace != reconcile.trace


def test_nobody_who_asks_for_no_traces_loads_what_makes_them(tmp_path: Path) -> None:
    loads = "import sys; from cli.tracing import make_tracing; import ca.process, apiserver.process, kube.process; "
    tells = "print(make_tracing('x'), any(name.startswith('opentelemetry') for name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", loads + tells], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["None", "False"]


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
)
def test_traces_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    from cli.ambient import wants_traces

    for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", **variables}.items():
        monkeypatch.setenv(name, value)

    assert not wants_traces()


def test_collector_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    program = Program(home=tmp_path / "home", directory=tmp_path / "work", variables=away)
    ports = ("--grpc-port", "0", "--http-port", "0", "--enrollment-port", "0")
    process = program.start("serve", *ports)
    try:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("enrollment"):
            assert process.poll() is None
        process.terminate()
        begun = time.monotonic()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 0, errors
    assert time.monotonic() - begun < 20
    assert "Traceback" not in errors
