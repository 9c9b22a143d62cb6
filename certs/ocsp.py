"""OCSP responses (RFC 6960 §4.2), signed by the CA itself or by a responder that it delegates to.

- `good` is said by the caller and only of certificates that were issued; of another issuer's certificates, and of hashes
  that are not known, nothing but `unknown` is ever said.
- A delegated responder is a certificate of the CA with OCSPSigning and id-pkix-ocsp-nocheck, and rides along.
- The nonce of the request is echoed; a response without one may be stored and served until `next_update`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, OCSPExtensionOID

from certs import der
from certs.crl import RevocationReason
from certs.errors import NotAnIssuer
from certs.extensions import extension_value
from certs.keys import PrivateKey, key_type_of, verify_key_pair
from certs.ocsp_requests import CertificateId, IssuerHashes, key_bits
from certs.signatures import signature_algorithm_identifier, signing_function
from certs.tbs import extension

_BASIC_RESPONSE = der.object_identifier("1.3.6.1.5.5.7.48.1.1")
_GOOD = der.encode(der.context(0, constructed=False), b"")
_UNKNOWN = der.encode(der.context(2, constructed=False), b"")
_EXPLICIT_0, _EXPLICIT_1, _EXPLICIT_2 = (der.context(number, constructed=True) for number in range(3))


class OcspError(IntEnum):
    """OCSPResponseStatus of an answer without a response (RFC 6960 §4.2.1)."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """Issued here and not revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Revoked at an aware UTC instant in whole seconds."""

    revoked_at: datetime
    reason: RevocationReason = RevocationReason.UNSPECIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Not known to have been issued here."""


CertificateStatus = Good | Revoked | Unknown


class OcspResponder:
    """Signs the responses for one issuer. Holds nothing that changes: any number of threads may share it."""

    def __init__(self, issuer: x509.Certificate, certificate: x509.Certificate, private_key: PrivateKey) -> None:
        """`certificate` and `private_key` are the responder's, or the issuer's own. Raises KeyMismatch, NotAnIssuer."""
        verify_key_pair(private_key, certificate)
        delegated = certificate != issuer
        if delegated:
            _verify_delegation(issuer, certificate)
        self._hashes = IssuerHashes.of(issuer)
        self._algorithm = signature_algorithm_identifier(key_type_of(private_key.public_key()))
        self._sign = signing_function(private_key)
        key_hash = hashlib.sha1(key_bits(certificate), usedforsecurity=False).digest()  # RFC 6960 §4.2.1 names SHA-1
        self._responder_id = der.encode(_EXPLICIT_2, der.encode(der.OCTET_STRING, key_hash))
        certificates = der.sequence(certificate.public_bytes(Encoding.DER))
        self._certificates = der.encode(_EXPLICIT_0, certificates) if delegated else b""

    def is_responsible_for(self, certificate_id: CertificateId) -> bool:
        """Whether the certificate asked for names this responder's issuer."""
        return self._hashes.match(certificate_id)

    def sign(
        self,
        statuses: Sequence[tuple[CertificateId, CertificateStatus]],
        *,
        produced_at: datetime,
        this_update: datetime,
        next_update: datetime,
        nonce: bytes | None = None,
    ) -> bytes:
        """An OCSPResponse, DER; the instants are aware UTC in whole seconds.

        What is said of a certificate that is not this issuer's is `unknown`, whatever `statuses` holds.
        """
        updates = der.generalized_time(this_update), der.encode(_EXPLICIT_0, der.generalized_time(next_update))
        singles = [
            der.sequence(one.encoded, _status(status if self.is_responsible_for(one) else Unknown()), *updates)
            for one, status in statuses
        ]
        response_data = der.sequence(
            self._responder_id,
            der.generalized_time(produced_at),
            der.sequence(*singles),
            _nonce_extension(nonce) if nonce is not None else b"",
        )
        signature = der.bit_string(self._sign(response_data))
        basic = der.sequence(response_data, self._algorithm, signature, self._certificates)
        response = der.sequence(_BASIC_RESPONSE, der.encode(der.OCTET_STRING, basic))
        return der.sequence(der.enumerated(0), der.encode(_EXPLICIT_0, response))


def ocsp_error(status: OcspError) -> bytes:
    """An OCSPResponse that says why there is none; it is not signed (RFC 6960 §2.3)."""
    return der.sequence(der.enumerated(status))


def _status(status: CertificateStatus) -> bytes:
    if isinstance(status, Good):
        return _GOOD
    if isinstance(status, Unknown):
        return _UNKNOWN
    reason = der.encode(_EXPLICIT_0, der.enumerated(status.reason)) if status.reason else b""
    return der.encode(_EXPLICIT_1, der.generalized_time(status.revoked_at) + reason)


def _nonce_extension(nonce: bytes) -> bytes:
    echoed = extension(OCSPExtensionOID.NONCE, der.encode(der.OCTET_STRING, nonce))
    return der.encode(_EXPLICIT_1, der.sequence(echoed))


def _verify_delegation(issuer: x509.Certificate, certificate: x509.Certificate) -> None:
    """RFC 6960 §4.2.2.2: the responder is certified by the very CA that it speaks for, and for that purpose."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as err:
        raise NotAnIssuer("the OCSP responder's certificate is not of the CA; issue one with profile ocsp") from err
    usages = extension_value(certificate, x509.ExtendedKeyUsage) or ()
    no_check = extension_value(certificate, x509.OCSPNoCheck)
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usages or no_check is None:
        raise NotAnIssuer("the certificate is not for OCSP responses; issue one with profile ocsp")
