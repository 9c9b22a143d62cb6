"""Certificate revocation lists (RFC 5280 §5): made by splicing, in time linear in their entries, and verified.

- A CRL that covers a shard says so in a critical issuingDistributionPoint, whose URL is the one in the certificates of
  that shard, octet for octet; a verifier never takes one shard for another.
- `number` grows with every CRL of a shard; `next_update` is always present.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from certs import der
from certs.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    ConstraintViolation,
    MalformedCrl,
    NotAnIssuer,
    SignatureMismatch,
    UsageNotAllowed,
)
from certs.extensions import extension_value
from certs.issuers import Issuer, subject_octets
from certs.keys import key_type_of
from certs.serials import Serial
from certs.signatures import signature_algorithm_identifier, signed, signing_function
from certs.tbs import distribution_point_name, extension

MAX_CRL_OCTETS = 64 * 1024 * 1024


class RevocationReason(IntEnum):
    """CRLReason (RFC 5280 §5.3.1). Revocation is for good here: there is no hold, and nothing is removed from a CRL."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    PRIVILEGE_WITHDRAWN = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedCertificate:
    """One entry: `revoked_at` is aware UTC in whole seconds."""

    serial: Serial
    revoked_at: datetime
    reason: RevocationReason = RevocationReason.UNSPECIFIED


def sign_crl(
    issuer: Issuer,
    entries: Iterable[RevokedCertificate],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
    distribution_point: str | None = None,
) -> bytes:
    """A CRL, DER, over the certificates of `issuer`, or of the shard whose URL is `distribution_point`.

    Raises NotAnIssuer where the issuer may not sign CRLs, MalformedCrl where number or times make no sense.
    """
    if number < 0 or number.bit_length() >= 160:
        raise MalformedCrl("a CRL number has at most 20 octets and is not negative (RFC 5280 §5.2.3)")
    if this_update >= next_update:
        raise MalformedCrl("next_update must lie after this_update")
    if not _may_sign_crls(issuer.certificate):
        raise NotAnIssuer("the issuer's keyUsage has no cRLSign; use a CA certificate that may sign CRLs")
    algorithm = signature_algorithm_identifier(issuer.key_type)
    revoked = b"".join(map(_entry, entries))
    to_be_signed = der.sequence(
        der.integer(1),
        algorithm,
        issuer.subject_octets,
        der.time(this_update),
        der.time(next_update),
        der.encode(der.SEQUENCE, revoked) if revoked else b"",  # absent when there are none (RFC 5280 §5.1.2.6)
        _crl_extensions(issuer, number, distribution_point),
    )
    return signed(to_be_signed, algorithm, signing_function(issuer.private_key))


def verify_crl(
    data: bytes, issuer: x509.Certificate, *, at: datetime, distribution_point: str | None = None
) -> x509.CertificateRevocationList:
    """The parsed CRL (DER or PEM), once it is the issuer's own, holds at `at` and covers `distribution_point`.

    Raises MalformedCrl, UsageNotAllowed, SignatureMismatch, CertificateNotYetValid, CertificateExpired and, for another
    shard or a critical extension that is not understood, ConstraintViolation.
    """
    crl = _parse(data)
    if crl.issuer.public_bytes() != subject_octets(issuer):
        raise SignatureMismatch("the CRL is another issuer's; fetch the one named in the certificate")
    if not _may_sign_crls(issuer):
        raise UsageNotAllowed("the issuer's keyUsage has no cRLSign")
    public_key = issuer.public_key()
    key_type_of(public_key)
    if not crl.is_signature_valid(public_key):  # type: ignore[arg-type]  # key_type_of has refused every other kind of key
        raise SignatureMismatch("the CRL was altered or signed by another key; fetch it again")
    _verify_crl_times(crl, at)
    _verify_scope(crl, distribution_point)
    return crl


def verify_not_revoked(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> None:
    """Raises CertificateRevoked where the CRL, verified before, lists the certificate."""
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is not None:
        raise CertificateRevoked(
            f"the certificate was revoked at {entry.revocation_date_utc:%Y-%m-%dT%H:%M:%SZ}; ask for a new one"
        )


def _may_sign_crls(certificate: x509.Certificate) -> bool:
    key_usage = extension_value(certificate, x509.KeyUsage)
    return key_usage is not None and key_usage.crl_sign


def _entry(entry: RevokedCertificate) -> bytes:
    return der.encode(
        der.SEQUENCE,
        der.encode(der.INTEGER, entry.serial.octets) + der.time(entry.revoked_at) + _REASONS[entry.reason],
    )


# RFC 5280 §5.3.1: the reason is left out where it is unspecified
_REASONS = {
    reason: der.sequence(extension(CRLEntryExtensionOID.CRL_REASON, der.enumerated(reason))) if reason else b""
    for reason in RevocationReason
}


def _crl_extensions(issuer: Issuer, number: int, distribution_point: str | None) -> bytes:
    key_id = der.encode(der.context(0, constructed=False), issuer.subject_key_identifier)
    extensions = extension(ExtensionOID.AUTHORITY_KEY_IDENTIFIER, der.sequence(key_id))
    extensions += extension(ExtensionOID.CRL_NUMBER, der.integer(number))
    if distribution_point is not None:
        value = der.sequence(distribution_point_name(distribution_point))
        extensions += extension(ExtensionOID.ISSUING_DISTRIBUTION_POINT, value, critical=True)
    return der.encode(der.context(0, constructed=True), der.encode(der.SEQUENCE, extensions))


def _parse(data: bytes) -> x509.CertificateRevocationList:
    if len(data) > MAX_CRL_OCTETS:
        raise MalformedCrl(f"the CRL has {len(data)} octets; at most {MAX_CRL_OCTETS} are read")
    try:
        crl = x509.load_pem_x509_crl(data) if data.startswith(b"-----") else x509.load_der_x509_crl(data)
        _ = list(crl.extensions), crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.signature_algorithm_oid
    except (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as err:
        raise MalformedCrl("this is no CRL in DER or PEM; fetch it again") from err
    return crl


def _verify_crl_times(crl: x509.CertificateRevocationList, at: datetime) -> None:
    if at < crl.last_update_utc:
        raise CertificateNotYetValid(f"the CRL holds from {crl.last_update_utc:%Y-%m-%dT%H:%M:%SZ}; check the clock")
    if crl.next_update_utc is None or at > crl.next_update_utc:
        raise CertificateExpired("the CRL is out of date; fetch it again")


def _verify_scope(crl: x509.CertificateRevocationList, distribution_point: str | None) -> None:
    covered: str | None = None
    for found in crl.extensions:
        if isinstance(found.value, x509.IssuingDistributionPoint):
            covered = _covered_url(found.value)
        elif found.critical:
            raise ConstraintViolation(f"the CRL has the critical extension {found.oid.dotted_string}, not understood")
    if covered is not None and covered != distribution_point:
        raise ConstraintViolation(f"the CRL covers {covered} only; fetch the one named in the certificate")


def _covered_url(value: x509.IssuingDistributionPoint) -> str:
    limited = value.only_contains_attribute_certs or value.only_some_reasons or value.indirect_crl
    names = value.full_name or []
    if limited or value.only_contains_ca_certs or value.only_contains_user_certs or len(names) != 1:
        raise ConstraintViolation("the CRL is indirect or limited to some certificates or reasons, not understood")
    return str(names[0].value)
