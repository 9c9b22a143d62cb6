"""Certificates that no authority of ours made."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(name: str, *, at: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Valid for a day before and a day after `at`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, at - day, at + day)
    return builder.sign(key, hashes.SHA256()), key
