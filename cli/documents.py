"""Answers of the authority as documents for programs, under the field names of the API, and as rows for people."""

import json
from collections.abc import Callable
from datetime import datetime

from ca.client.values import (
    AuditRecord,
    CertificateState,
    CsrTemplate,
    IssuedCertificate,
    IssuerStatus,
    Names,
    PolicyExplanation,
    RotationStatus,
    ServerStatus,
    TokenStatus,
    TrustBundle,
)
from cli.output import Column, Document, Listing
from cli.text import instant, joined, relative


def certificate_document(certificate: IssuedCertificate) -> dict[str, Document]:
    """PEM fields only where they are filled."""
    document: dict[str, Document] = {
        "id": certificate.id,
        "serial_number": certificate.serial_number,
        "state": certificate.state.value,
        "profile": certificate.profile,
        "subject": certificate.subject,
        "names": names_document(certificate.names),
        "not_before_time": instant(certificate.not_before),
        "not_after_time": instant(certificate.not_after),
        "issue_time": instant(certificate.issued_at),
        "renew_time": instant(certificate.renew_at),
        "issuer_id": certificate.issuer_id,
        "requester": certificate.requester,
        "sha256_fingerprint": certificate.sha256_fingerprint,
        "has_private_key": certificate.has_private_key,
    }
    optional = {
        "revoke_time": instant(certificate.revoked_at),
        "revocation_reason": certificate.revocation_reason.value if certificate.revocation_reason else "",
        "renewed_from_id": certificate.renewed_from_id,
        "certificate_pem": certificate.certificate_pem.decode(),
        "chain_pem": certificate.chain_pem.decode(),
    }
    return document | {name: value for name, value in optional.items() if value}


def certificate_fields(certificate: IssuedCertificate, now: datetime) -> list[tuple[str, str]]:
    """One certificate for people, without PEM."""
    return [
        ("id", certificate.id),
        ("state", certificate.state.value),
        ("profile", certificate.profile),
        ("subject", certificate.subject),
        ("names", joined(certificate.names.all())),
        ("valid from", instant(certificate.not_before)),
        ("valid until", f"{instant(certificate.not_after)} ({relative(certificate.not_after, now)})"),
        ("renew from", instant(certificate.renew_at)),
        ("issued", instant(certificate.issued_at)),
        ("requester", certificate.requester),
        ("serial", certificate.serial_number),
        ("issuer", certificate.issuer_id),
        ("sha256", certificate.sha256_fingerprint),
        ("renewed from", certificate.renewed_from_id),
        ("private key", "kept by the authority" if certificate.has_private_key else ""),
        ("revoked", instant(certificate.revoked_at)),
        ("reason", certificate.revocation_reason.value if certificate.revocation_reason else ""),
    ]


def certificate_listing(now: datetime) -> Listing[IssuedCertificate]:
    return Listing(
        columns=(
            Column(title="ID", value=lambda one: one.id, whole=True),
            Column(title="NAME", value=_called),
            Column(title="PROFILE", value=lambda one: one.profile, whole=True),
            Column(title="STATE", value=lambda one: one.state.value, style=_state_style),
            Column(title="EXPIRES", value=lambda one: relative(one.not_after, now)),
            Column(title="REQUESTER", value=lambda one: one.requester),
        ),
        document=certificate_document,
        name=lambda one: one.id,
    )


def token_document(token: TokenStatus) -> dict[str, Document]:
    document: dict[str, Document] = {
        "id": token.id,
        "profile": token.profile,
        "subject": _subject_document(token.subject),
        "names": names_document(token.names),
        "create_time": instant(token.created_at),
        "expire_time": instant(token.expires_at),
        "creator": token.creator,
    }
    if token.spent_at:
        document |= {"spend_time": instant(token.spent_at), "certificate_id": token.certificate_id}
    return document


def token_listing(now: datetime) -> Listing[TokenStatus]:
    return Listing(
        columns=(
            Column(title="ID", value=lambda one: one.id, whole=True),
            Column(title="PROFILE", value=lambda one: one.profile, whole=True),
            Column(title="NAMES", value=lambda one: joined(_token_names(one), limit=3)),
            Column(title="STATE", value=_token_state(now)),
            Column(title="EXPIRES", value=lambda one: relative(one.expires_at, now)),
            Column(title="CERTIFICATE", value=lambda one: one.certificate_id),
            Column(title="CREATOR", value=lambda one: one.creator),
        ),
        document=token_document,
        name=lambda one: one.id,
    )


def audit_document(event: AuditRecord) -> dict[str, Document]:
    return {
        "sequence": event.sequence,
        "event_time": instant(event.at),
        "action": event.action,
        "actor": event.actor,
        "subject_id": event.subject_id,
        "request_id": event.request_id,
        "details": json.loads(event.details_json or "{}"),
        "chain_hash": event.chain_hash,
    }


AUDIT_LISTING: Listing[AuditRecord] = Listing(
    columns=(
        Column(title="NUMBER", value=lambda one: str(one.sequence)),
        Column(title="TIME", value=lambda one: instant(one.at)),
        Column(title="ACTION", value=lambda one: one.action),
        Column(title="ACTOR", value=lambda one: one.actor),
        Column(title="ABOUT", value=lambda one: one.subject_id),
        Column(title="DETAILS", value=lambda one: one.details_json),
    ),
    document=audit_document,
    name=lambda one: str(one.sequence),
)


def issuer_document(issuer: IssuerStatus) -> dict[str, Document]:
    return {
        "id": issuer.id,
        "profile": issuer.profile,
        "subject": issuer.subject,
        "key_type": issuer.key_type,
        "state": issuer.state,
        "not_before_time": instant(issuer.not_before),
        "not_after_time": instant(issuer.not_after),
        "sha256_fingerprint": issuer.sha256_fingerprint,
        "profiles": list(issuer.profiles),
    }


def status_document(status: ServerStatus) -> dict[str, Document]:
    return {
        "version": status.version,
        "trust_domain": status.trust_domain,
        "start_time": instant(status.started_at),
        "current_time": instant(status.current_time),
        "store": status.store,
        "serving_not_after_time": instant(status.serving_not_after),
        "certificates_total": status.certificates_total,
        "certificates_valid": status.certificates_valid,
        "certificates_revoked": status.certificates_revoked,
        "next_expiry_time": instant(status.next_expiry),
        "issuers": [issuer_document(issuer) for issuer in status.issuers],
    }


def status_fields(status: ServerStatus) -> list[tuple[str, str]]:
    now = status.current_time
    return [
        ("version", status.version),
        ("trust domain", status.trust_domain),
        ("running since", f"{instant(status.started_at)} ({relative(status.started_at, now)})"),
        ("store", status.store),
        (
            "certificates",
            f"{status.certificates_total} issued, {status.certificates_valid} valid, {status.certificates_revoked} revoked",
        ),
        ("next expiry", _when(status.next_expiry, now)),
        ("serving until", _when(status.serving_not_after, now)),
        *(
            (
                f"{issuer.profile} {issuer.state}",
                f"{issuer.subject}, {issuer.key_type}, until {_when(issuer.not_after, now)}{_served(issuer)}",
            )
            for issuer in status.issuers
        ),
    ]


def _served(issuer: IssuerStatus) -> str:
    return f", for {joined(issuer.profiles)} alone" if issuer.profiles else ""


def rotation_document(status: RotationStatus) -> dict[str, Document]:
    rotation = status.rotation
    return {
        "rotation": None
        if rotation is None
        else {
            "id": rotation.id,
            "kind": rotation.kind,
            "phase": rotation.phase,
            "haste": rotation.haste,
            "aborted": rotation.aborted,
            "start_time": instant(rotation.started_at),
            "phase_start_time": instant(rotation.entered_at),
            "finish_time": instant(rotation.finished_at) or None,
            "generation": rotation.generation,
        },
        "waits": list(status.waits),
        "generation": status.generation,
        "consumers": [
            {"name": one.name, "held_generation": one.held_generation, "report_time": instant(one.reported_at)}
            for one in status.consumers
        ],
        "consumers_total": status.consumers_total,
        "consumers_behind": status.consumers_behind,
        "remaining_certificates": [
            {
                "id": one.id,
                "subject": one.subject,
                "requester": one.requester,
                "not_after_time": instant(one.not_after),
            }
            for one in status.remaining
        ],
        "issuer_due_time": instant(status.issuer_due),
        "root_due_time": instant(status.root_due),
    }


def rotation_fields(status: RotationStatus, now: datetime, *, shown: int = 8) -> list[tuple[str, str]]:
    rotation = status.rotation
    fields = [
        ("issuing CA due", _when(status.issuer_due, now)),
        ("root due", _when(status.root_due, now)),
        ("trust bundle", f"generation {status.generation}, held by {_holders(status)}"),
    ]
    if rotation is None:
        return [("rotation", "none so far"), *fields]
    turned = ", turned back" if rotation.aborted else ""
    fields = [
        ("rotation", f"{rotation.kind}, {rotation.phase}{turned}"),
        ("since", _when(rotation.entered_at, now)),
        *(("waits for", one) for one in status.waits),
        *fields,
    ]
    behind = [one for one in status.consumers if one.held_generation < status.generation]
    fields += [
        ("lags", f"{one.name}: generation {one.held_generation}, heard of {relative(one.reported_at, now)}")
        for one in behind[:shown]
    ]
    if status.consumers_behind > shown:
        fields.append(("lags", f"and {status.consumers_behind - shown} more"))
    remaining = [
        ("not renewed", f"{one.id}  {one.subject}, until {_when(one.not_after, now)}") for one in status.remaining
    ]
    return [*fields, *remaining[:shown]]


def _holders(status: RotationStatus) -> str:
    holders = status.consumers_total - status.consumers_behind
    return f"{holders} of {status.consumers_total} consumers heard of lately"


def template_document(template: CsrTemplate) -> dict[str, Document]:
    return {
        "subject": _subject_document(template.subject),
        "names": names_document(template.names),
        "profiles": list(template.profiles),
        "key_types": list(template.key_types),
        "trust_domain": template.trust_domain,
    }


def template_fields(template: CsrTemplate) -> list[tuple[str, str]]:
    return [
        *((attribute.replace("_", " "), joined(values)) for attribute, values in template.subject.items()),
        ("names", joined(template.names.all())),
        ("profiles", joined(template.profiles) or "none"),
        ("key types", joined(template.key_types)),
        ("trust domain", template.trust_domain),
    ]


def bundle_document(bundle: TrustBundle) -> dict[str, Document]:
    return {
        "generation": bundle.generation,
        "trust_domain": bundle.trust_domain,
        "sha256_fingerprints": list(bundle.sha256_fingerprints),
        "roots_pem": bundle.roots_pem.decode(),
    }


def explanation_document(answer: PolicyExplanation) -> dict[str, Document]:
    return {
        "allowed": answer.allowed,
        "rule": answer.rule,
        "explanation": answer.explanation,
        "evaluations": [
            {"rule": one.rule, "matched": one.matched, "mismatches": list(one.mismatches)} for one in answer.evaluations
        ],
    }


def names_document(names: Names) -> dict[str, Document]:
    kinds = {"dns_names": names.dns, "ip_addresses": names.ips, "uris": names.uris, "email_addresses": names.emails}
    return {kind: list(values) for kind, values in kinds.items() if values}


def _subject_document(subject: dict[str, tuple[str, ...]]) -> dict[str, Document]:
    return {attribute: list(values) for attribute, values in subject.items()}


def _called(certificate: IssuedCertificate) -> str:
    """The first name and how many more; the subject where there are none."""
    return joined(certificate.names.all(), limit=1) or certificate.subject


def _token_names(token: TokenStatus) -> tuple[str, ...]:
    return token.names.all() or token.subject.get("common_name", ())


def _token_state(now: datetime) -> Callable[[TokenStatus], str]:
    def state(token: TokenStatus) -> str:
        if token.spent_at:
            return "spent"
        return "expired" if token.expires_at <= now else "open"

    return state


def _state_style(certificate: IssuedCertificate) -> str:
    return {CertificateState.VALID: "green", CertificateState.REVOKED: "red", CertificateState.EXPIRED: "dim"}.get(
        certificate.state, ""
    )


def _when(value: datetime | None, now: datetime) -> str:
    return f"{instant(value)} ({relative(value, now)})" if value else ""
