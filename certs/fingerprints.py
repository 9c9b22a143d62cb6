"""Fingerprints: SHA-256 over a certificate's DER, the way people and records tell certificates apart."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def certificate_fingerprint(certificate: x509.Certificate | bytes) -> bytes:
    """32 octets, of a parsed certificate or of its DER."""
    der = certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)
    return hashlib.sha256(der).digest()
