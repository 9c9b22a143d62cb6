"""Between wire messages and domain values, in one place."""

import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography import x509
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ca.ambient import epoch_seconds
from ca.errors import RequestInvalid
from certs.fingerprints import certificate_fingerprint
from certs.keys import key_type_of
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from store.records import (
    AuditEvent,
    AuthorityRecord,
    CertificateFilter,
    CertificateRecord,
    CertificateState,
    TokenRecord,
)

DEFAULT_PROFILE = "server"
_MAXIMUM_PAGE = 1000
_DEFAULT_PAGE = 100
_FARTHEST = timedelta(days=36_500)

_STATES: Mapping[int, CertificateState | None] = {
    wire.CERTIFICATE_STATE_UNSPECIFIED: None,
    wire.CERTIFICATE_STATE_VALID: "valid",
    wire.CERTIFICATE_STATE_EXPIRED: "expired",
    wire.CERTIFICATE_STATE_REVOKED: "revoked",
}


def to_certificate(
    record: CertificateRecord, *, now: datetime, chain_pem: bytes | None, pem: bool = True
) -> wire.Certificate:
    """`chain_pem` None, in listings, leaves the chain out; without `pem` the certificate itself too."""
    message = wire.Certificate(
        id=record.id,
        serial_number=record.serial.hex(),
        issuer_id=record.issuer_id,
        profile=record.profile,
        subject=record.subject,
        names=_names_message(record.names),
        not_before_time=Timestamp(seconds=record.not_before),
        not_after_time=Timestamp(seconds=record.not_after),
        issue_time=Timestamp(seconds=record.issued_at),
        renew_time=Timestamp(seconds=_renew_at(record)),
        sha256_fingerprint=record.fingerprint.hex(),
        requester=record.requester,
        state=_state(record, epoch_seconds(now)),
        renewed_from_id=record.renewed_from or "",
        has_private_key=record.has_private_key,
    )
    if record.revoked_at is not None:
        message.revoke_time.seconds = record.revoked_at
        message.revocation_reason = _reason_message(record.revocation_reason or 0)
    if pem:
        message.certificate_pem = pem_of(record.der)
    if chain_pem is not None:
        message.chain_pem = chain_pem.decode()
    return message


def pem_of(der: bytes) -> str:
    """One CERTIFICATE block (RFC 7468)."""
    return ssl.DER_cert_to_PEM_cert(der)


def to_subject(message: wire.Subject) -> SubjectName:
    """Raises MalformedName."""
    return SubjectName(
        common_name=message.common_name or None,
        organizations=tuple(message.organizations),
        organizational_units=tuple(message.organizational_units),
        countries=tuple(message.countries),
        localities=tuple(message.localities),
        provinces=tuple(message.provinces),
        street_addresses=tuple(message.street_addresses),
        postal_codes=tuple(message.postal_codes),
        serial_number=message.serial_number or None,
    )


def from_subject(subject: SubjectName) -> wire.Subject:
    return wire.Subject(
        common_name=subject.common_name or "",
        organizations=subject.organizations,
        organizational_units=subject.organizational_units,
        countries=subject.countries,
        localities=subject.localities,
        provinces=subject.provinces,
        street_addresses=subject.street_addresses,
        postal_codes=subject.postal_codes,
        serial_number=subject.serial_number or "",
    )


def to_names(message: wire.SubjectAlternativeNames) -> SubjectAlternativeNames:
    """Raises MalformedName, TooManyNames."""
    return SubjectAlternativeNames.parse(
        dns=tuple(message.dns_names),
        ips=tuple(message.ip_addresses),
        uris=tuple(message.uris),
        emails=tuple(message.email_addresses),
    )


def from_names(names: SubjectAlternativeNames) -> wire.SubjectAlternativeNames:
    return _names_message(names.all_names())


def to_lifetime(message: Duration, *, present: bool) -> timedelta | None:
    """Whole, positive seconds. Raises RequestInvalid."""
    if not present:
        return None
    if message.nanos or not 0 < message.seconds <= _FARTHEST.total_seconds():
        raise RequestInvalid("lifetime must be a positive number of whole seconds", field="lifetime")
    return timedelta(seconds=message.seconds)


def to_page_size(size: int) -> int:
    """Raises RequestInvalid."""
    if not 0 <= size <= _MAXIMUM_PAGE:
        raise RequestInvalid(f"page_size must be at most {_MAXIMUM_PAGE}", field="page_size")
    return size or _DEFAULT_PAGE


def to_filter(message: service.CertificateFilter) -> CertificateFilter:
    """Raises RequestInvalid."""
    if message.state not in _STATES:
        raise RequestInvalid(f"{message.state} is no state of a certificate", field="filter.state")
    return CertificateFilter(
        name=message.name or None,
        profile=message.profile or None,
        issuer_id=message.issuer_id or None,
        requester=message.requester or None,
        state=_STATES[message.state],
        expires_before=message.expires_before_time.seconds if message.HasField("expires_before_time") else None,
        expires_after=message.expires_after_time.seconds if message.HasField("expires_after_time") else None,
    )


def to_reason(reason: int) -> int:
    """CRLReason (RFC 5280 section 5.3.1) of the wire's number. Raises RequestInvalid."""
    if reason not in wire.RevocationReason.values():
        raise RequestInvalid(f"{reason} is no revocation reason", field="reason")
    return max(reason - 1, 0)


def from_authority(record: AuthorityRecord) -> admin.Issuer:
    certificate = x509.load_der_x509_certificate(record.certificate)
    return admin.Issuer(
        id=record.id,
        profile=record.profile,
        subject=record.subject,
        key_type=key_type_of(certificate.public_key()),
        state=_authority_state(record),
        not_before_time=timestamp(certificate.not_valid_before_utc),
        not_after_time=timestamp(certificate.not_valid_after_utc),
        sha256_fingerprint=certificate_fingerprint(certificate).hex(),
        certificate_pem=pem_of(record.certificate),
        profiles=record.serves.split(),
    )


def from_token(record: TokenRecord, subject: SubjectName, names: SubjectAlternativeNames) -> admin.Token:
    message = admin.Token(
        id=record.id,
        profile=record.profile,
        subject=from_subject(subject),
        names=from_names(names),
        create_time=Timestamp(seconds=record.created_at),
        expire_time=Timestamp(seconds=record.expires_at),
        certificate_id=record.certificate_id or "",
        creator=record.creator,
    )
    if record.spent_at is not None:
        message.spend_time.seconds = record.spent_at
    return message


def from_event(event: AuditEvent) -> admin.AuditEvent:
    return admin.AuditEvent(
        sequence=event.sequence or 0,
        event_time=Timestamp(seconds=event.at),
        action=event.action,
        actor=event.actor,
        subject_id=event.subject_id,
        request_id=event.request_id or "",
        details_json=event.details,
        chain_hash=(event.chain_hash or b"").hex(),
    )


def timestamp(instant: datetime) -> Timestamp:
    return Timestamp(seconds=epoch_seconds(instant))


def _authority_state(record: AuthorityRecord) -> admin.IssuerState.ValueType:
    """A root that is trusted signs no certificates of the wire; the issuing CA below it does."""
    if record.profile != "intermediate" and record.state == "active":
        return admin.ISSUER_STATE_PASSIVE
    return admin.IssuerState.Value(f"ISSUER_STATE_{record.state.upper()}")


def _names_message(names: "tuple[tuple[str, str], ...]") -> wire.SubjectAlternativeNames:
    by_kind: dict[str, list[str]] = {"dns": [], "ip": [], "uri": [], "email": [], "cn": []}
    for kind, value in names:
        by_kind[kind].append(value)
    return wire.SubjectAlternativeNames(
        dns_names=by_kind["dns"], ip_addresses=by_kind["ip"], uris=by_kind["uri"], email_addresses=by_kind["email"]
    )


def _reason_message(reason: int) -> wire.RevocationReason.ValueType:
    return wire.RevocationReason.ValueType(reason + 1 if reason else 0)


def _state(record: CertificateRecord, now: int) -> wire.CertificateState.ValueType:
    if record.revoked_at is not None:
        return wire.CERTIFICATE_STATE_REVOKED
    return wire.CERTIFICATE_STATE_EXPIRED if record.not_after < now else wire.CERTIFICATE_STATE_VALID


def _renew_at(record: CertificateRecord) -> int:
    return record.not_before + (record.not_after - record.not_before) * 2 // 3
