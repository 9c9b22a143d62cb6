"""What an identity is published as: key stores that Java and OpenSSL read, with a password that stays."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509

from agent.credentials import Credentials
from agent.errors import PublishFailed
from agent.formats import Format, parse_formats
from agent.publication import Publication
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.pem import encode_certificate
from certs.pkcs12 import decode_pkcs12
from tests.agent.conftest import START

EVERY = frozenset(Format)


@pytest.fixture
def credentials():
    issuer, other = trustme.CA(), trustme.CA()
    issued = issuer.create_child_ca().issue_cert("service.example")
    return Credentials.from_pem(
        certificate_chain=b"".join(blob.bytes() for blob in issued.cert_chain_pems),
        private_key=issued.private_key_pem.bytes(),
        trust_bundle=issuer.cert_pem.bytes() + other.cert_pem.bytes(),
    )


def publication(directory, formats=EVERY) -> Publication:
    return Publication(
        directory=directory, formats=formats, clock=lambda: datetime.now(UTC), entropy=os.urandom, key_mode=0o440
    )


def test_password_stays_and_stores_open_with_it(credentials, tmp_path):
    publication(tmp_path).publish(credentials)
    password = (tmp_path / "keystore.password").read_bytes()
    publication(tmp_path).publish(credentials)
    found = decode_pkcs12((tmp_path / "keystore.p12").read_bytes(), password)

    assert (tmp_path / "keystore.password").read_bytes() == password
    assert len(password) >= 32
    assert encode_private_key(found.private_key).startswith(b"-----BEGIN PRIVATE KEY-----")
    assert found.certificate == credentials.leaf
    assert len(found.chain) == 1
    for name in ("keystore.p12", "keystore.jks", "keystore.password", "tls.key", "bundle.pem"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o440, name


def test_format_that_is_no_longer_asked_for_disappears(credentials, tmp_path):
    publication(tmp_path).publish(credentials)
    publication(tmp_path, frozenset({Format.PEM})).publish(credentials)

    visible = sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".")
    assert visible == ["ca.crt", "identity.json", "tls.crt", "tls.key"]


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["p12", "jks"])
def test_java_reads_the_key_the_chain_and_every_root(credentials, tmp_path, suffix):
    keytool = shutil.which("keytool")
    if keytool is None:
        pytest.skip("needs a JDK")
    publication(tmp_path).publish(credentials)
    password = (tmp_path / "keystore.password").read_text()

    def listed(name: str) -> str:
        arguments = [keytool, "-list", "-v", "-keystore", tmp_path / name, "-storepass", password]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    keys, roots = listed(f"keystore.{suffix}"), listed(f"truststore.{suffix}")
    request = [keytool, "-certreq", "-alias", "identity", "-keystore", tmp_path / f"keystore.{suffix}"]
    signed = subprocess.run([*request, "-storepass", password], capture_output=True, text=True, timeout=60, check=False)

    assert "PrivateKeyEntry" in keys
    assert "Certificate chain length: 2" in keys
    assert roots.count("trustedCertEntry") == 2
    assert signed.stdout.startswith("-----BEGIN NEW CERTIFICATE REQUEST-----"), signed.stdout + signed.stderr


def test_key_that_a_format_cannot_hold_leaves_what_is_there(credentials, tmp_path, make_credentials):
    publication(tmp_path).publish(credentials)
    before = (tmp_path / "tls.crt").read_bytes()
    key = generate_private_key(KeyType.ML_DSA_44)
    odd = self_signed_by(key)

    with pytest.raises(PublishFailed, match="pkcs12"):
        publication(tmp_path).publish(odd)

    assert (tmp_path / "tls.crt").read_bytes() == before


def self_signed_by(key) -> Credentials:
    name = x509.Name([])
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, START, START + timedelta(days=1)).sign(
        key, None
    )
    pem = encode_certificate(certificate)
    return Credentials.from_pem(certificate_chain=pem, private_key=encode_private_key(key), trust_bundle=pem)


def test_formats_are_read_by_name():
    assert parse_formats("bundle, jks") == {Format.PEM, Format.BUNDLE, Format.JKS}
    with pytest.raises(ValueError, match="der"):
        parse_formats("der")
