"""OCSP and CRLs as OpenSSL asks for them, over the port that serves nothing else."""

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.server import RunningServer, running_server


@pytest.fixture(scope="module")
def responder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(
        tmp_path_factory.mktemp("ca") / "data", revocation_port=0, ocsp_url="http://ca.example/ocsp", crl_shards=1
    ) as running:
        yield running


@pytest.fixture
def stub(responder: RunningServer) -> CertificateServiceStub:
    return CertificateServiceStub(responder.channel())


@pytest.fixture
def certificate(stub: CertificateServiceStub) -> wire.Certificate:
    names = SubjectAlternativeNames.parse(dns=("web.example",))
    request = build_request(generate_private_key(KeyType.EC_P256), SubjectName(), names)
    return stub.SignCsr(service.SignCsrRequest(csr=request), timeout=60).certificate


def ask(responder: RunningServer, certificate: wire.Certificate, directory: Path, *options: str) -> str:
    """What `openssl ocsp` prints, the response's signature verified against the root."""
    for name, text in (("leaf", certificate.certificate_pem), ("issuer", certificate.chain_pem)):
        (directory / name).write_text(text)
    (directory / "root").write_bytes(responder.administrator.roots)
    command = ["openssl", "ocsp", "-url", f"{responder.endpoints.revocation}/ocsp", "-issuer", directory / "issuer"]
    command += ["-CAfile", directory / "root", "-verify_other", directory / "issuer", *options]
    if "-serial" not in options:
        command += ["-cert", directory / "leaf"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "Response verify OK" in run.stderr
    return run.stdout


def test_issued_certificate_is_good(responder: RunningServer, certificate: wire.Certificate, tmp_path: Path) -> None:
    assert ": good" in ask(responder, certificate, tmp_path)


def test_certificate_names_the_responder(certificate: wire.Certificate) -> None:
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ocsp_uri"],
        check=True,
        input=certificate.certificate_pem,
        capture_output=True,
        text=True,
    ).stdout

    assert text == "http://ca.example/ocsp\n"


def test_revocation_shows_at_once_even_after_a_stored_answer(
    responder: RunningServer, stub: CertificateServiceStub, certificate: wire.Certificate, tmp_path: Path
) -> None:
    ask(responder, certificate, tmp_path, "-no_nonce")

    reason = wire.REVOCATION_REASON_KEY_COMPROMISE
    stub.RevokeCertificate(service.RevokeCertificateRequest(id=certificate.id, reason=reason), timeout=60)

    answer = ask(responder, certificate, tmp_path, "-no_nonce")
    assert ": revoked" in answer
    assert "Reason: keyCompromise" in answer


def test_serial_that_was_never_issued_is_unknown(
    responder: RunningServer, certificate: wire.Certificate, tmp_path: Path
) -> None:
    assert ": unknown" in ask(responder, certificate, tmp_path, "-serial", "0x1AC0000000000000000000000000BEEF")


def test_request_that_is_not_one_is_answered_as_malformed(responder: RunningServer) -> None:
    with urllib.request.urlopen(f"{responder.endpoints.revocation}/ocsp", data=b"\x30\x00", timeout=60) as answer:
        assert answer.read() == bytes.fromhex("30030a0101")  # malformedRequest(1), RFC 6960 section 4.2.1


@pytest.mark.parametrize("path", ["/v1/certificates", "/metrics", "/csr-template", "/healthz"])
def test_plain_port_serves_nothing_else(responder: RunningServer, path: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urllib.request.urlopen(f"{responder.endpoints.revocation}{path}", timeout=60)


def test_revoked_serial_is_on_the_list_of_its_shard(
    responder: RunningServer, stub: CertificateServiceStub, certificate: wire.Certificate
) -> None:
    stub.RevokeCertificate(service.RevokeCertificateRequest(id=certificate.id), timeout=60)

    url = f"{responder.endpoints.revocation}/crl/{certificate.issuer_id}/0.crl"
    with urllib.request.urlopen(url, timeout=60) as answer:
        crl = answer.read()

    text = subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-noout", "-text"], check=True, input=crl, capture_output=True
    ).stdout.decode()
    assert certificate.serial_number.upper() in text
