"""Requests for issuing CAs: what they say, what comes back from OpenSSL, and what is not taken."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority_requests import build_authority_request, verify_signed_authority
from certs.errors import (
    CertificateExpired,
    CertsError,
    ConstraintViolation,
    KeyMismatch,
    UntrustedRoot,
    UsageNotAllowed,
)
from certs.issuers import Issuer
from certs.keys import KeyType, PrivateKey, generate_private_key
from certs.pem import load_certificate
from certs.subject import SubjectName

NAME = SubjectName(common_name="Next Issuing CA", organizations=("Chancery",))
EXTENSIONS = """\
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """A root that OpenSSL made and holds, in a directory of its own; and the key of the issuing CA that asks."""

    directory: Path
    key: PrivateKey

    def openssl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.directory, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def sign(self, extensions: str = EXTENSIONS, *options: str, days: int = 365) -> x509.Certificate:
        (self.directory / "issuer.cnf").write_text(extensions)
        self.openssl("x509", "-req", "-in", "issuer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-sha256",
                     "-days", str(days), "-extfile", "issuer.cnf", "-out", "issuer.pem", *options)  # fmt: skip
        return load_certificate((self.directory / "issuer.pem").read_bytes())

    @property
    def root(self) -> x509.Certificate:
        return load_certificate((self.directory / "root.pem").read_bytes())

    def accept(self, certificate: x509.Certificate, *others: x509.Certificate, at: datetime | None = None) -> Issuer:
        return verify_signed_authority(
            certificate,
            request=build_authority_request(self.key, NAME),
            private_key=self.key,
            known=(self.root, *others),
            roots=(self.root,),
            at=at or datetime.now(UTC) + timedelta(seconds=2),
        )


def make_root(directory: Path, name: str = "/CN=Offline Root") -> None:
    added = [
        part
        for extension in ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        for part in ("-addext", extension)
    ]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "root.key", "-subj", name, "-days", "3650", "-out", "root.pem", *added],
                   cwd=directory, check=True, capture_output=True, timeout=60)  # fmt: skip


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    directory, key = tmp_path_factory.mktemp("offline"), generate_private_key(KeyType.EC_P256)
    make_root(directory)
    request = x509.load_der_x509_csr(build_authority_request(key, NAME))
    (directory / "issuer.csr").write_bytes(request.public_bytes(Encoding.PEM))
    return Offline(directory=directory, key=key)


@pytest.mark.parametrize("key_type", [KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048, KeyType.ML_DSA_65])
def test_a_request_proves_its_key_and_asks_for_a_ca_that_signs_leaves(key_type: KeyType) -> None:
    request = x509.load_der_x509_csr(build_authority_request(generate_private_key(key_type), NAME))

    assert request.is_signature_valid
    assert request.extensions.get_extension_for_class(x509.BasicConstraints) == x509.Extension(
        x509.BasicConstraints.oid, True, x509.BasicConstraints(ca=True, path_length=0)
    )
    usage = request.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert usage.value.digital_signature is False


def test_openssl_reads_the_request(offline: Offline) -> None:
    said = offline.openssl("req", "-in", "issuer.csr", "-noout", "-text", "-verify")

    assert "CA:TRUE, pathlen:0" in said
    assert "O = Chancery, CN = Next Issuing CA" in said


def test_what_openssl_signs_with_extensions_of_a_file_is_taken(offline: Offline) -> None:
    issuer = offline.accept(offline.sign())

    assert issuer.chain == (offline.root,)
    assert issuer.path_length == 0


def test_what_openssl_signs_with_the_extensions_of_the_request_is_taken(offline: Offline) -> None:
    certificate = offline.sign("authorityKeyIdentifier = keyid\n", "-copy_extensions", "copyall")

    assert offline.accept(certificate).certificate == certificate


def test_what_openssl_ca_signs_is_taken(offline: Offline) -> None:
    (offline.directory / "index.txt").write_text("")
    (offline.directory / "ca.cnf").write_text(
        "[ca]\ndefault_ca = root\n[root]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\n[any]\norganizationName = optional\ncommonName = supplied\n"
        f"[issuing]\n{EXTENSIONS}"
    )
    offline.openssl("ca", "-batch", "-config", "ca.cnf", "-in", "issuer.csr", "-cert", "root.pem", "-keyfile",
                    "root.key", "-days", "365", "-extensions", "issuing", "-notext", "-out", "by-ca.pem")  # fmt: skip

    assert offline.accept(load_certificate((offline.directory / "by-ca.pem").read_bytes()))


def changed(old: str, new: str) -> Callable[[Offline], x509.Certificate]:
    return lambda offline: offline.sign(EXTENSIONS.replace(old, new))


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (changed(", pathlen:0", ""), ConstraintViolation, "unlimited; sign it with pathlen:0"),
        (changed("pathlen:0", "pathlen:3"), ConstraintViolation, "path length is 3"),
        (changed("CA:TRUE, pathlen:0", "CA:FALSE"), CertsError, "may not sign"),
        (changed("critical, CA:TRUE", "CA:TRUE"), CertsError, "may not sign"),
        (changed(", cRLSign", ""), UsageNotAllowed, "CRLs"),
        (changed("keyCertSign, ", ""), CertsError, "may not sign certificates"),
        (changed("subjectKeyIdentifier = hash", "subjectKeyIdentifier = none"), CertsError, "subjectKeyIdentifier"),
        (lambda one: one.sign(EXTENSIONS + "extendedKeyUsage = serverAuth\n"), UsageNotAllowed, "leave it out"),
        (lambda one: one.root, KeyMismatch, "key"),
    ],
)  # fmt: skip
def test_what_could_not_serve_as_issuing_ca_is_refused_with_the_reason(
    offline: Offline, make: Callable[[Offline], x509.Certificate], error: type[CertsError], why: str
) -> None:
    with pytest.raises(error, match=why):
        offline.accept(make(offline))


def test_another_root_than_ours_is_refused(offline: Offline, tmp_path: Path) -> None:
    make_root(tmp_path, "/CN=Somebody's Root")
    stranger = Offline(directory=tmp_path, key=offline.key)
    (tmp_path / "issuer.csr").write_bytes((offline.directory / "issuer.csr").read_bytes())
    certificate = stranger.sign()

    with pytest.raises(CertsError, match="Somebody's Root"):
        offline.accept(certificate)
    with pytest.raises(UntrustedRoot):
        offline.accept(certificate, stranger.root)


def test_what_is_not_valid_now_is_refused(offline: Offline) -> None:
    certificate = offline.sign(days=30)

    with pytest.raises(CertificateExpired, match="renew it"):
        offline.accept(certificate, at=datetime.now(UTC) + timedelta(days=31))
    with pytest.raises(CertsError, match="check the clock"):
        offline.accept(certificate, at=datetime.now(UTC) - timedelta(days=1))


def test_the_name_of_another_authority_is_refused(offline: Offline) -> None:
    certificate = offline.sign()
    namesake = offline.sign(days=20)

    with pytest.raises(ConstraintViolation, match="that of another authority"):
        offline.accept(certificate, namesake)
