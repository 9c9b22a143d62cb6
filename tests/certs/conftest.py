"""What the tests of `certs` share: one private key of each type for the whole run, a counted entropy, hierarchies, OpenSSL."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs import der
from certs.issuers import Issuer
from certs.keys import KeyType, PrivateKey, generate_private_key, sign, signature_hash, subject_public_key_info
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES
from certs.serials import Serial
from certs.signing import self_sign, sign_with_builder
from certs.templates import CertificateTemplate, validity

OpenSsl = Callable[..., str]


@pytest.fixture(scope="session")
def private_key() -> Callable[[KeyType], PrivateKey]:
    """Answers the run's private key of a type; slow keys are made once."""
    return cache(generate_private_key)


@pytest.fixture
def entropy() -> Callable[[int], bytes]:
    """Octets that differ from call to call and are the same in every run."""
    blocks = _blocks()

    def read(size: int) -> bytes:
        return b"".join(next(blocks) for _ in range(-(-size // 32)))[:size]

    return read


@pytest.fixture(scope="session")
def self_signed() -> Callable[[PrivateKey], x509.Certificate]:
    """Answers a plain certificate of a key, made by `cryptography` alone: for tests of what only carries certificates."""

    def make(private_key: PrivateKey) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "carried")])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private_key.public_key())
            .serial_number(0x1A2B3C)
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2049, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(private_key, signature_hash(private_key))
        )

    return make


@pytest.fixture(scope="session")
def signed_again() -> Callable[..., x509.Certificate]:
    """Answers a certificate whose TBSCertificate was changed as a list of DER elements, signed again with a key."""

    def make(
        certificate: x509.Certificate, key: PrivateKey, change: Callable[[list[bytes]], list[bytes]]
    ) -> x509.Certificate:
        tbs, algorithm, _ = der.split(der.content(certificate.public_bytes(Encoding.DER)))
        changed = der.sequence(*change(der.split(der.content(tbs))))
        return x509.load_der_x509_certificate(der.sequence(changed, algorithm, der.bit_string(sign(key, changed))))

    return make


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    """Runs ``openssl`` in the test's directory; answers standard output and fails the test when OpenSSL does."""
    program = shutil.which("openssl")
    assert program is not None, "these tests need openssl on the path"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


NAMES = {
    "server": SubjectAlternativeNames.parse(dns=["web.example", "www.web.example"], ips=["10.0.0.7", "fd00::7"]),
    "client": SubjectAlternativeNames.parse(emails=["ops@example.com"], uris=["https://example.com/ops"]),
    "peer": SubjectAlternativeNames.parse(dns=["peer.example"], uris=["spiffe://cluster.local/ns/a/sa/peer"]),
    "workload": SubjectAlternativeNames.parse(uris=["spiffe://cluster.local/ns/a/sa/web"], dns=["web.a.svc"]),
}


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """A root, an issuing CA below it, and the instant of their issuance."""

    root: Issuer
    issuer: Issuer
    now: datetime


@pytest.fixture(scope="session")
def now() -> datetime:
    """The instant at which the tests take place."""
    return datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def make_template(now: datetime, private_key: Callable[[KeyType], PrivateKey]) -> Callable[..., CertificateTemplate]:
    """Makes a template of a profile with names that suit it; keyword arguments replace its fields."""
    serials = count(1)

    def make(
        profile: str,
        *,
        issuer: Issuer | None = None,
        key: PrivateKey | None = None,
        key_type: KeyType = KeyType.EC_P256,
        lifetime: timedelta | None = None,
        **fields: object,
    ) -> CertificateTemplate:
        public_key = (private_key(key_type) if key is None else key).public_key()
        ends = (issuer.not_after, issuer.not_before) if issuer is not None else (None, None)
        not_before, not_after = validity(PROFILES[profile], now, lifetime, ends[0], issuer_not_before=ends[1])
        decided: dict[str, object] = {
            "profile": PROFILES[profile],
            "serial": Serial.mint(now, lambda size: next(serials).to_bytes(size, "big")),
            "subject": SubjectName(common_name=f"test {profile}", organizations=("Example",)),
            "names": NAMES.get(profile, SubjectAlternativeNames()),
            "public_key": public_key,
            "public_key_info": subject_public_key_info(public_key),
            "not_before": not_before,
            "not_after": not_after,
        }
        return CertificateTemplate(**{**decided, **fields})

    return make


@pytest.fixture(scope="session")
def hierarchy(now: datetime, make_template: Callable[..., CertificateTemplate]) -> Callable[..., Hierarchy]:
    """Answers the run's hierarchy whose issuing CA has a key of that type; RSA roots have 3,072 bits."""

    @cache
    def root(key_type: KeyType) -> Issuer:
        key = generate_private_key(key_type)
        template = make_template("root", key=key, subject=SubjectName(common_name=f"test root {key_type}"))
        return Issuer(certificate=x509.load_der_x509_certificate(self_sign(template, key)), private_key=key)

    @cache
    def made(key_type: KeyType) -> Hierarchy:
        above = root(KeyType.RSA_3072 if key_type.startswith("rsa") else key_type)
        key = generate_private_key(key_type)
        subject = SubjectName(common_name=f"test issuer {key_type}")
        template = make_template("intermediate", issuer=above, key=key, subject=subject)
        certificate = x509.load_der_x509_certificate(sign_with_builder(above, template))
        issuer = Issuer(certificate=certificate, private_key=key, chain=(above.certificate,))
        return Hierarchy(root=above, issuer=issuer, now=now)

    return lambda key_type=KeyType.EC_P256: made(key_type)


def _blocks() -> Iterator[bytes]:
    for number in count():
        yield hashlib.sha256(number.to_bytes(8, "big")).digest()
