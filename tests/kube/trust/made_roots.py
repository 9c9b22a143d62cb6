"""Certificates as a bundle may hold them, good and bad ones, made once for each name."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kube.trust.roots import Roots

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_KEY = ec.generate_private_key(ec.SECP256R1())


@cache
def pem_of(name: str, *, ca: bool | None = True, signs: bool = True, days: int = 30) -> bytes:
    """`ca` None: without basicConstraints; `days` are those after NOW."""
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return builder.add_extension(usage, critical=True).sign(_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def roots_of(*names: str, generation: int = 1) -> Roots:
    return Roots.from_pem(b"".join(map(pem_of, names)), generation=generation, at=NOW)
