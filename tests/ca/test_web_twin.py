"""The HTTP port over real TLS: the JSON twin says what gRPC says, and problems say what to do."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from google.protobuf import json_format

from ca.office import AdministratorIdentity
from certs.crl import verify_crl
from certs.keys import load_private_key
from certs.pem import load_certificate
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1 import trust_service_pb2 as trust
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub
from tests.ca.offices import request_for, total_of
from tests.ca.server import RunningServer
from tests.ca.wire import SECONDS, workload_identity

Answer = tuple[int, dict[str, str], bytes]


class Browser:
    """Asks the HTTP port as one caller; None: as nobody."""

    def __init__(self, server: RunningServer, identity: AdministratorIdentity | None, directory: Path) -> None:
        context = ssl.create_default_context(cadata=server.administrator.roots.decode())
        if identity is not None:
            path = directory / "identity.pem"
            path.write_bytes(identity.private_key + identity.chain)
            context.load_cert_chain(path)
        port = urlsplit(server.url).port
        self._connection = http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=context)

    def ask(self, verb: str, path: str, body: bytes | None = None) -> Answer:
        self._connection.request(verb, path, body)
        answer = self._connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def get(self, path: str) -> tuple[int, Any]:
        status, _, body = self.ask("GET", path)
        return status, json.loads(body)

    def post(self, path: str, **fields: object) -> tuple[int, Any]:
        status, _, body = self.ask("POST", path, json.dumps(fields).encode())
        return status, json.loads(body)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def browse(server: RunningServer, tmp_path: Path) -> Iterator[Callable[[AdministratorIdentity | None], Browser]]:
    opened: list[Browser] = []

    def make(identity: AdministratorIdentity | None) -> Browser:
        opened.append(Browser(server, identity, tmp_path))
        return opened[-1]

    yield make
    for browser in opened:
        browser.close()


@pytest.fixture
def browser(server: RunningServer, browse: Callable[[AdministratorIdentity | None], Browser]) -> Browser:
    return browse(server.administrator)


@pytest.fixture
def nobody(browse: Callable[[AdministratorIdentity | None], Browser]) -> Browser:
    return browse(None)


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> CertificateServiceStub:
    return CertificateServiceStub(server.channel())


def base64_of(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def signed(browser: Browser, *dns: str, **fields: object) -> dict[str, Any]:
    status, answer = browser.post("/v1/certificates:sign", csr=base64_of(request_for(*dns)), **fields)
    assert status == 200
    certificate: dict[str, Any] = answer["certificate"]
    return certificate


def test_signing_gives_what_grpc_then_finds(browser: Browser, stub: CertificateServiceStub) -> None:
    answer = signed(browser, "web.example", lifetime="7200s", profile="server")

    found = stub.GetCertificate(service.GetCertificateRequest(id=answer["id"]), timeout=SECONDS).certificate
    assert json_format.ParseDict(answer, wire.Certificate()) == found


def test_reading_says_what_grpc_says(browser: Browser, server: RunningServer, stub: CertificateServiceStub) -> None:
    answer = signed(browser, "parity.example")
    pairs = [
        (
            "/v1/csr-template",
            service.GetCsrTemplateResponse(),
            stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=SECONDS),
        ),
        (
            f"/v1/certificates/{answer['id']}",
            service.GetCertificateResponse(),
            stub.GetCertificate(service.GetCertificateRequest(id=answer["serial_number"]), timeout=SECONDS),
        ),
        (
            "/v1/certificates?page_size=1&include_pem=true&filter.name=parity.example",
            service.ListCertificatesResponse(),
            stub.ListCertificates(
                service.ListCertificatesRequest(
                    page_size=1, include_pem=True, filter=service.CertificateFilter(name="parity.example")
                ),
                timeout=SECONDS,
            ),
        ),
        (
            "/v1/trust-bundle",
            trust.GetTrustBundleResponse(),
            TrustServiceStub(server.channel()).GetTrustBundle(trust.GetTrustBundleRequest(), timeout=SECONDS),
        ),
    ]
    for path, message, expected in pairs:
        status, body = browser.get(path)
        assert (status, json_format.ParseDict(body, message)) == (200, expected)


def test_fields_without_a_value_are_there(browser: Browser) -> None:
    answer = signed(browser, "web.example")

    assert answer["renewed_from_id"] == ""
    assert answer["has_private_key"] is False


def test_status_is_for_administrators(
    server: RunningServer, browser: Browser, browse: Callable[[AdministratorIdentity | None], Browser]
) -> None:
    status, answer = browser.get("/v1/status")
    assert status == 200
    assert answer["store"] == "sqlite"

    status, problem = browse(workload_identity(server.office)).get("/v1/status")
    assert (status, problem["reason"]) == (403, "POLICY_DENIED")


def test_key_made_by_the_server_is_fetched_once(browser: Browser) -> None:
    _, answer = browser.post("/v1/certificates:issue", names={"dns_names": ["made.example"]})
    path = f"/v1/certificates/{answer['certificate']['id']}:fetchPrivateKey"

    status, key = browser.post(path)
    assert status == 200
    assert load_private_key(key["private_key_pem"].encode())

    status, problem = browser.post(path)
    assert (status, problem["reason"]) == (404, "KEY_NOT_FOUND")


def test_renewal_and_revocation(
    server: RunningServer, browse: Callable[[AdministratorIdentity | None], Browser]
) -> None:
    identity = workload_identity(server.office, "renewed")
    browser = browse(identity)

    status, answer = browser.post("/v1/certificates:renew", csr=base64_of(request_for()))
    assert (status, answer["certificate"]["renewed_from_id"]) == (200, identity.certificate_id)

    path = f"/v1/certificates/{identity.certificate_id}:revoke"
    status, answer = browser.post(path, reason="REVOCATION_REASON_SUPERSEDED")
    assert (status, answer["certificate"]["state"]) == (200, "CERTIFICATE_STATE_REVOKED")

    status, problem = browser.get("/v1/csr-template")
    assert (status, problem["reason"]) == (401, "CALLER_REVOKED")


def test_retry_returns_the_same_certificate(browser: Browser) -> None:
    csr = base64_of(request_for("web.example"))

    answers = [browser.post("/v1/certificates:sign", csr=csr, request_id="web-retry") for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0][0] == 200


def test_enrollment_needs_a_token_and_no_certificate(server: RunningServer, nobody: Browser) -> None:
    names = wire.SubjectAlternativeNames(dns_names=["web.example"])
    secret = (
        AdminServiceStub(server.channel()).CreateToken(admin.CreateTokenRequest(names=names), timeout=SECONDS).secret
    )

    status, answer = nobody.post("/v1/enroll", token=secret, csr=base64_of(request_for("web.example")))
    assert status == 200
    assert answer["trust_bundle_pem"].encode() == server.administrator.roots

    status, problem = nobody.post("/v1/enroll", token=secret, csr=base64_of(request_for("web.example")))
    assert (status, problem["reason"]) == (401, "TOKEN_REFUSED")


PRIVATE = [
    ("GET", "/v1/csr-template"),
    ("GET", "/v1/status"),
    ("GET", "/v1/certificates"),
    ("GET", f"/v1/certificates/{'0' * 32}"),
    ("POST", "/v1/certificates:sign"),
    ("POST", "/v1/certificates:issue"),
    ("POST", "/v1/certificates:renew"),
    ("POST", f"/v1/certificates/{'0' * 32}:revoke"),
    ("POST", f"/v1/certificates/{'0' * 32}:fetchPrivateKey"),
    ("GET", "/csr-template"),
    ("POST", "/csr"),
]


@pytest.mark.parametrize(("verb", "path"), PRIVATE)
def test_private_paths_need_a_certificate(nobody: Browser, verb: str, path: str) -> None:
    status, headers, body = nobody.ask(verb, path, b"{}" if verb == "POST" else None)

    assert (status, headers["Content-Type"]) == (401, "application/problem+json")
    problem = json.loads(body)
    assert (problem["status"], problem["reason"]) == (401, "CERTIFICATE_REQUIRED")
    assert len(problem["request"]) == 16


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"csr": 5}',
        b'{"csr": "!!"}',
        b'{"nonsense": 1}',
        b'{"lifetime": "soon"}',
        b'{"profile": "\\ud800"}',
        b'{"profile": "\\u0000"}',
        b"[" * 5000,
        b'{"csr":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_body_that_is_no_request_is_refused(server: RunningServer, browser: Browser, body: bytes) -> None:
    before = total_of(server.office)

    status, headers, content = browser.ask("POST", "/v1/certificates:sign", body)

    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert json.loads(content)["detail"]
    assert total_of(server.office) == before


def test_oversized_body_is_refused(browser: Browser) -> None:
    status, _, body = browser.ask("POST", "/v1/certificates:sign", b" " * (300 * 1024))

    assert (status, json.loads(body)["status"]) == (413, 413)


@pytest.mark.parametrize(
    ("verb", "path", "expected"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/certificates/nonsense", 404),
        ("GET", "/crl/../../etc/passwd", 404),
        ("DELETE", "/v1/certificates", 405),
        ("GET", "/v1/enroll", 405),
        ("GET", "/v1/certificates?page_size=x", 400),
        ("GET", "/v1/certificates?page_size=5000", 400),
        ("GET", "/v1/certificates?page_token=x", 400),
        ("GET", f"/v1/certificates/{'0' * 32}", 404),
    ],
)
def test_wrong_way_is_told_as_a_problem(browser: Browser, verb: str, path: str, expected: int) -> None:
    status, headers, body = browser.ask(verb, path)

    assert (status, headers["Content-Type"]) == (expected, "application/problem+json")
    assert json.loads(body)["status"] == expected


def test_wrong_method_says_which_are_right(browser: Browser) -> None:
    status, headers, _ = browser.ask("DELETE", "/v1/certificates")

    assert (status, headers["Allow"]) == (405, "GET")


def test_problem_carries_what_programs_read(browser: Browser) -> None:
    status, problem = browser.post("/v1/certificates:issue", names={"dns_names": [f"n{n}.example" for n in range(200)]})

    assert (status, problem["reason"]) == (400, "TOO_MANY_NAMES")
    assert problem["metadata"] == {"count": "200", "limit": "100"}


def test_roots_are_everybodys(server: RunningServer, nobody: Browser) -> None:
    status, headers, body = nobody.ask("GET", "/roots.pem")

    assert (status, headers["Content-Type"]) == (200, "application/x-pem-file")
    assert body == server.administrator.roots


def test_crl_is_everybodys_and_lists_what_was_revoked(server: RunningServer, browser: Browser, nobody: Browser) -> None:
    certificate = signed(browser, "gone.example")
    browser.post(f"/v1/certificates/{certificate['id']}:revoke")

    status, headers, body = nobody.ask("GET", f"/crl/{certificate['issuer_id']}/0.crl")

    assert (status, headers["Content-Type"]) == (200, "application/pkix-crl")
    crl = verify_crl(body, server.office.issuers.active().issuer.certificate, at=server.clock())
    assert crl.get_revoked_certificate_by_serial_number(int(certificate["serial_number"], 16)) is not None


@pytest.mark.parametrize("path", [f"/crl/{'0' * 32}/0.crl", "/crl/ISSUER/9999.crl", "/crl/ISSUER/10000000000.crl"])
def test_unknown_crl_is_not_found(server: RunningServer, nobody: Browser, path: str) -> None:
    status, _, body = nobody.ask("GET", path.replace("ISSUER", server.office.issuers.active().id))

    assert (status, json.loads(body)["status"]) == (404, 404)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_probes_are_answered(nobody: Browser, path: str) -> None:
    assert nobody.ask("GET", path)[0] == 200


def test_metrics_count_calls_and_tell_expiries(browser: Browser, nobody: Browser) -> None:
    signed(browser, "counted.example")

    status, headers, body = nobody.ask("GET", "/metrics")

    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    text = body.decode()
    assert 'chancery_ca_certificates_issued_total{profile="server"}' in text
    assert 'method="POST /v1/certificates:sign"' in text
    for kind in ("root", "intermediate", "serving"):
        assert 'chancery_ca_expiry_timestamp_seconds{id="' in text
        assert f'kind="{kind}"' in text


def test_foreign_method_and_path_make_no_metric_of_their_own(nobody: Browser) -> None:
    nobody.ask("GET", "/made/up/path")

    assert "/made/up" not in nobody.ask("GET", "/metrics")[2].decode()


def test_myca_paths_are_served(browser: Browser) -> None:
    status, template = browser.get("/csr-template")
    assert status == 200

    status, _, body = browser.ask("POST", "/csr", json.dumps({**template, "DNSNames": ["web.example"]}).encode())

    assert status == 202
    assert len(json.loads(body)["certificateId"]) == 32


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"IPAddresses": ["10.0.0.256"]}',
        b'{"SubjectCountry": ["China"]}',
        b'{"DNSNames": "\\ud800"}',
        b'{"DNSNames": ["\\ud800"]}',
        b'{"SubjectCommonName": "\\udcff"}',
        b"{" * 3000,
    ],
)
def test_myca_request_that_makes_no_sense_is_refused(server: RunningServer, browser: Browser, body: bytes) -> None:
    before = total_of(server.office)

    status, headers, _ = browser.ask("POST", "/csr", body)

    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert total_of(server.office) == before


@pytest.mark.parametrize("line", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 10_000 + b"\r\n\r\n"])
def test_what_is_no_http_is_refused(server: RunningServer, line: bytes) -> None:
    context = ssl.create_default_context(cadata=server.administrator.roots.decode())
    port = urlsplit(server.url).port or 0
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        connection.sendall(line)
        answer = connection.recv(4096)

    assert answer.split(b" ")[1] == b"400"


def test_certificate_of_an_answer_is_the_recorded_one(server: RunningServer, browser: Browser) -> None:
    answer = signed(browser, "web.example")

    certificate = load_certificate(answer["certificate_pem"].encode())
    assert isinstance(certificate, x509.Certificate)
    assert server.office.inventory.find(answer["id"]).serial.hex() == format(certificate.serial_number, "032x")
