"""An authority of ML-DSA keys from the command line: made, served on loopback without TLS, asked for certificates, inspected."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.pem import load_certificates
from certs.requests import build_request
from tests.cli.program import Program, client_variables, serving

ANYBODY = """\
apiVersion: chancery.dev/v1alpha1
kind: Policy
rules:
  - name: anybody-here
    callers:
      - anonymous: true
    operations: [issue, read, renew]
    profiles: [server]
    names: {dns: ["*.example"]}
"""


@pytest.fixture(scope="module")
def post_quantum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program beside a server below ML-DSA, which anybody on this machine may ask."""
    directory = tmp_path_factory.mktemp("ml-dsa")
    program = Program(home=directory / "home", directory=directory, variables={})
    program.succeed("init", "--key-type", "ml-dsa-65", "--no-mtls")
    (directory / "policy.yaml").write_text(ANYBODY)
    with serving(program, "--no-mtls", "--policy-file", str(directory / "policy.yaml")) as endpoints:
        yield Program(home=program.home, directory=directory, variables=client_variables(endpoints))


@pytest.mark.slow
@pytest.mark.parametrize("key_type", ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87", "ec-p256"])
def test_a_certificate_is_signed_inspected_and_verified(post_quantum: Program, key_type: str, tmp_path: Path) -> None:
    made = tmp_path / "identity"
    post_quantum.succeed(
        "sign", "--plaintext", "--dns", "web.example", "--key-type", key_type, "--out", made, "--profile", "server"
    )

    shown = json.loads(post_quantum.succeed("inspect", made / "tls.crt", "-o", "json"))
    post_quantum.succeed("verify", made, "--purpose", "server", "--host", "web.example")
    leaf, issuer = shown
    assert (leaf["key"], leaf["signature_algorithm"]) == (key_type, "ML-DSA-65")
    assert (issuer["key"], issuer["is_ca"]) == ("ml-dsa-65", True)


@pytest.mark.slow
def test_a_request_with_an_ml_dsa_key_is_inspected_and_signed(post_quantum: Program, tmp_path: Path) -> None:
    key = generate_private_key(KeyType.ML_DSA_87)
    request = build_request(key, SubjectName(), SubjectAlternativeNames.parse(dns=("web.example",)))
    (tmp_path / "request.pem").write_bytes(request)

    shown = json.loads(post_quantum.succeed("inspect", tmp_path / "request.pem", "-o", "json"))
    signed = post_quantum.succeed("sign", "--plaintext", "--csr", tmp_path / "request.pem", "--out", "-")

    assert shown[0]["key"] == "ml-dsa-87"
    assert load_certificates(signed.encode())[0].public_key() == key.public_key()


@pytest.mark.slow
def test_pkcs12_is_refused_for_an_ml_dsa_key_and_pem_advised(post_quantum: Program, tmp_path: Path) -> None:
    given = ("--dns", "web.example", "--key-type", "ml-dsa-44", "--out", tmp_path / "identity")
    refused = post_quantum(
        "sign", "--plaintext", *given, "--p12", tmp_path / "tls.p12", CHANCERY_P12_PASSPHRASE="secret"
    )

    assert refused.status != 0
    assert "PEM" in refused.errors
    assert not (tmp_path / "tls.p12").exists()


@pytest.mark.slow
def test_mutual_tls_is_refused_where_this_pythons_tls_knows_no_ml_dsa(tmp_path: Path) -> None:
    if ssl.OPENSSL_VERSION_INFO >= (3, 5):
        pytest.skip(f"this Python has {ssl.OPENSSL_VERSION}, which knows ML-DSA")
    refused = Program(home=tmp_path / "home", directory=tmp_path, variables={})("init", "--key-type", "ml-dsa-65")

    assert refused.status == 7
    assert "turn mtls off" in refused.errors
    assert not (tmp_path / "home" / "identity").exists()
