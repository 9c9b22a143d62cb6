"""The whole way over real TLS: sign, renew, revoke, and what the outsider's tools say of it."""

import subprocess
from datetime import timedelta
from pathlib import Path

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.server import RunningServer


def request_for(*dns: str) -> bytes:
    key = generate_private_key(KeyType.EC_P256)
    return build_request(key, SubjectName(), SubjectAlternativeNames.parse(dns=dns))


def test_signed_certificate_is_good_for_openssl(server: RunningServer, tmp_path: Path) -> None:
    stub = CertificateServiceStub(server.channel())

    certificate = stub.SignCsr(service.SignCsrRequest(csr=request_for("web.example")), timeout=60).certificate

    for name, text in (("leaf", certificate.certificate_pem), ("chain", certificate.chain_pem)):
        (tmp_path / name).write_text(text)
    (tmp_path / "root").write_bytes(server.administrator.roots)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "web.example"]
    command += ["-CAfile", tmp_path / "root", "-untrusted", tmp_path / "chain", tmp_path / "leaf"]
    assert subprocess.run(command, check=False, capture_output=True).stdout.endswith(b": OK\n")


def test_serving_certificate_is_renewed_under_open_connections(own_server: RunningServer) -> None:
    stub = CertificateServiceStub(own_server.channel())
    stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=60)
    before = {
        record.serial_number
        for record in stub.ListCertificates(service.ListCertificatesRequest(), timeout=60).certificates
    }

    own_server.clock.advance(timedelta(hours=17))

    watch = stub.WatchCertificates(service.WatchCertificatesRequest(resume_cursor="0"), timeout=60)
    renewed = next(
        event.certificate
        for event in watch
        if event.certificate.serial_number not in before and event.certificate.subject == "CN=chancery-ca"
    )
    assert renewed.requester == "local"
    assert stub.GetCsrTemplate(service.GetCsrTemplateRequest(), timeout=60)
