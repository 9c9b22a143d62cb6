"""Self-signed credentials with the validity a test asks for, and a clock that moves when told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.credentials import Credentials

START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

MakeCredentials = Callable[..., Credentials]


class MovableClock:
    """Stands still until moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def make_credentials() -> MakeCredentials:
    return self_signed


def self_signed(
    *, not_before: datetime = START, life: timedelta = timedelta(hours=24), trust_bundle: bytes = b"roots\n"
) -> Credentials:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + life)
        .sign(key, hashes.SHA256())
    )
    return Credentials.from_pem(
        certificate_chain=certificate.public_bytes(serialization.Encoding.PEM),
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        trust_bundle=trust_bundle,
    )
