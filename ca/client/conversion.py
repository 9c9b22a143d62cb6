"""Messages of `chancery.ca.v1` as values of ours, and the other way round; the calls alone use it.

- What a message leaves unset becomes None, or the empty value of its field.
"""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ca.client.values import (
    CertificateFilter,
    CertificateState,
    IssuedCertificate,
    Names,
    RevocationReason,
    TrustBundle,
)
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import certificate_pb2, certificate_service_pb2, trust_service_pb2

_STATE_PREFIX = "CERTIFICATE_STATE_"
_REASON_PREFIX = "REVOCATION_REASON_"
_SUBJECT_LISTS = (
    "organizations",
    "organizational_units",
    "countries",
    "localities",
    "provinces",
    "street_addresses",
    "postal_codes",
)


def issued_certificate(message: certificate_pb2.Certificate) -> IssuedCertificate:
    """A certificate of an answer."""
    revoked = message.state == certificate_pb2.CERTIFICATE_STATE_REVOKED
    return IssuedCertificate(
        id=message.id,
        serial_number=message.serial_number,
        issuer_id=message.issuer_id,
        profile=message.profile,
        subject=message.subject,
        names=names(message.names),
        not_before=instant(message.not_before_time),
        not_after=instant(message.not_after_time),
        issued_at=instant(message.issue_time),
        renew_at=instant(message.renew_time),
        sha256_fingerprint=message.sha256_fingerprint,
        requester=message.requester,
        state=_state(message.state),
        revoked_at=instant(message.revoke_time) if revoked else None,
        revocation_reason=_reason(message.revocation_reason) if revoked else None,
        certificate_pem=message.certificate_pem.encode(),
        chain_pem=message.chain_pem.encode(),
        renewed_from_id=message.renewed_from_id,
        has_private_key=message.has_private_key,
    )


def trust_bundle(message: trust_service_pb2.TrustBundle) -> TrustBundle:
    return TrustBundle(
        generation=message.generation,
        roots_pem=message.roots_pem.encode(),
        sha256_fingerprints=tuple(message.sha256_fingerprints),
        trust_domain=message.trust_domain,
        retiring_key_ids=tuple(message.retiring_key_ids),
    )


def names(message: certificate_pb2.SubjectAlternativeNames) -> Names:
    return Names(
        dns=tuple(message.dns_names),
        ips=tuple(message.ip_addresses),
        uris=tuple(message.uris),
        emails=tuple(message.email_addresses),
    )


def subject_attributes(message: certificate_pb2.Subject) -> dict[str, tuple[str, ...]]:
    """The attributes that are there, by the names of `SubjectName`'s fields."""
    single = {"common_name": message.common_name, "serial_number": message.serial_number}
    attributes: dict[str, tuple[str, ...]] = {field: (value,) for field, value in single.items() if value}
    attributes |= {field: tuple(getattr(message, field)) for field in _SUBJECT_LISTS if getattr(message, field)}
    return attributes


def subject_message(subject: SubjectName) -> certificate_pb2.Subject:
    return certificate_pb2.Subject(
        common_name=subject.common_name or "",
        serial_number=subject.serial_number or "",
        organizations=subject.organizations,
        organizational_units=subject.organizational_units,
        countries=subject.countries,
        localities=subject.localities,
        provinces=subject.provinces,
        street_addresses=subject.street_addresses,
        postal_codes=subject.postal_codes,
    )


def names_message(alternative_names: SubjectAlternativeNames) -> certificate_pb2.SubjectAlternativeNames:
    return certificate_pb2.SubjectAlternativeNames(
        dns_names=alternative_names.dns,
        ip_addresses=[str(address) for address in alternative_names.ips],
        uris=alternative_names.uris,
        email_addresses=alternative_names.emails,
    )


def filter_message(conditions: CertificateFilter) -> certificate_service_pb2.CertificateFilter:
    state = certificate_pb2.CertificateState.Value(
        f"{_STATE_PREFIX}{conditions.state.name}" if conditions.state else f"{_STATE_PREFIX}UNSPECIFIED"
    )
    return certificate_service_pb2.CertificateFilter(
        name=conditions.name,
        profile=conditions.profile,
        issuer_id=conditions.issuer_id,
        requester=conditions.requester,
        state=state,
        expires_before_time=_timestamp(conditions.expires_before),
        expires_after_time=_timestamp(conditions.expires_after),
    )


def reason_number(reason: RevocationReason) -> certificate_pb2.RevocationReason.ValueType:
    return certificate_pb2.RevocationReason.Value(f"{_REASON_PREFIX}{reason.name}")


def instant(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)


def duration(span: timedelta | None) -> Duration | None:
    """None where there is none, which leaves the field unset."""
    if span is None:
        return None
    message = Duration()
    message.FromTimedelta(span)
    return message


def _timestamp(value: datetime | None) -> Timestamp | None:
    if value is None:
        return None
    message = Timestamp()
    message.FromDatetime(value)
    return message


def _state(number: certificate_pb2.CertificateState.ValueType) -> CertificateState:
    known = certificate_pb2.CertificateState.DESCRIPTOR.values_by_number.get(number)
    text = known.name.removeprefix(_STATE_PREFIX).lower() if known else ""
    return CertificateState(text) if text in set(CertificateState) else CertificateState.UNKNOWN


def _reason(number: certificate_pb2.RevocationReason.ValueType) -> RevocationReason:
    known = certificate_pb2.RevocationReason.DESCRIPTOR.values_by_number.get(number)
    name = known.name.removeprefix(_REASON_PREFIX) if known else ""
    return RevocationReason[name] if name in RevocationReason.__members__ else RevocationReason.UNSPECIFIED
