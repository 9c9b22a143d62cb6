"""A Java service with a PKCS #12 file of ours: mutual TLS with the HTTPS port, and the trust bundle read."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import load_certificates
from certs.pkcs12 import encode_pkcs12
from certs.requests import build_request
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from protos.chancery.ca.v1.certificate_service_pb2_grpc import CertificateServiceStub
from tests.ca.server import RunningServer

PASSPHRASE = "secret"


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.RSA_2048])
def test_java_client_shows_its_certificate_and_reads_the_trust_bundle(
    server: RunningServer, tmp_path: Path, key_type: KeyType
) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("needs a JDK, version 17 or later")
    key = generate_private_key(key_type)
    names = SubjectAlternativeNames.parse(dns=("service.example",))
    csr = build_request(key, SubjectName(common_name="service"), names)
    stub = CertificateServiceStub(server.channel())
    issued = stub.SignCsr(service.SignCsrRequest(csr=csr, profile="peer"), timeout=60).certificate
    leaf, *chain = load_certificates((issued.certificate_pem + issued.chain_pem).encode())
    (tmp_path / "service.p12").write_bytes(encode_pkcs12("service", key, leaf, chain, PASSPHRASE.encode()))
    (tmp_path / "ca.crt").write_bytes(server.administrator.roots)

    reader = Path(__file__).with_name("TrustBundleReader.java")
    paths = ("/v1/trust-bundle", "/v1/csr-template")
    done = subprocess.run(
        [java, reader, "service.p12", PASSPHRASE, "ca.crt", *(server.url + path for path in paths)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    bundle, template = done.stdout.splitlines()
    assert bundle.startswith("200 ")
    assert json.loads(bundle[4:])["bundle"]["roots_pem"] == server.administrator.roots.decode()
    assert json.loads(template[4:])["subject"]["common_name"] == "service"
