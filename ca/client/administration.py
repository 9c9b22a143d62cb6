"""Calls of `AdminService`: status, issuers, tokens, policy, audit. Every method raises ClientError."""

from collections.abc import Sequence
from datetime import timedelta

from ca.client import conversion
from ca.client.connection import Connection
from ca.client.values import (
    AuditPage,
    AuditRecord,
    IssuerCsr,
    IssuerStatus,
    NewToken,
    PolicyExplanation,
    PolicyQuestion,
    RemainingCertificate,
    Rotation,
    RotationStatus,
    RuleOutcome,
    ServerStatus,
    TokenPage,
    TokenStatus,
    TrustConsumer,
)
from certs.names import SubjectAlternativeNames, SubjectName
from protos.chancery.ca.v1 import admin_service_pb2 as messages
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub


class AdministrationClient:
    """`AdminService` over a connection that the caller opened and closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AdminServiceStub(connection.channel)

    def get_status(self) -> ServerStatus:
        answer = self._connection.call(self._stub.GetStatus, messages.GetStatusRequest())
        return ServerStatus(
            version=answer.version,
            trust_domain=answer.trust_domain,
            started_at=conversion.instant(answer.start_time),
            current_time=conversion.instant(answer.current_time),
            store=answer.store,
            issuers=tuple(map(_issuer, answer.issuers)),
            serving_not_after=(
                conversion.instant(answer.serving_not_after_time) if answer.HasField("serving_not_after_time") else None
            ),
            certificates_total=answer.certificates_total,
            certificates_valid=answer.certificates_valid,
            certificates_revoked=answer.certificates_revoked,
            next_expiry=conversion.instant(answer.next_expiry_time) if answer.HasField("next_expiry_time") else None,
        )

    def list_issuers(self) -> tuple[IssuerStatus, ...]:
        answer = self._connection.call(self._stub.ListIssuers, messages.ListIssuersRequest())
        return tuple(map(_issuer, answer.issuers))

    def create_token(
        self,
        *,
        subject: SubjectName,
        names: SubjectAlternativeNames,
        profile: str = "",
        token_lifetime: timedelta | None = None,
        certificate_lifetime: timedelta | None = None,
        public_key_sha256: bytes = b"",
    ) -> NewToken:
        """A token that may be spent once, on a certificate of exactly this subject and these names."""
        request = messages.CreateTokenRequest(
            profile=profile,
            subject=conversion.subject_message(subject),
            names=conversion.names_message(names),
            token_lifetime=conversion.duration(token_lifetime),
            certificate_lifetime=conversion.duration(certificate_lifetime),
            public_key_sha256=public_key_sha256,
        )
        answer = self._connection.call(self._stub.CreateToken, request)
        return NewToken(token=_token(answer.token), secret=answer.secret)

    def list_tokens(self, *, page_size: int = 0, page_token: str = "") -> TokenPage:
        """One page, newest first."""
        answer = self._connection.call(
            self._stub.ListTokens, messages.ListTokensRequest(page_size=page_size, page_token=page_token)
        )
        return TokenPage(tokens=tuple(map(_token, answer.tokens)), next_page_token=answer.next_page_token)

    def delete_token(self, token_id: str) -> None:
        """Withdraws a token that has not been spent."""
        self._connection.call(self._stub.DeleteToken, messages.DeleteTokenRequest(id=token_id))

    def get_policy(self) -> str:
        """The document in force, as it was read."""
        return self._connection.call(self._stub.GetPolicy, messages.GetPolicyRequest()).document

    def explain_policy(
        self, question: PolicyQuestion, *, subject: SubjectName, names: SubjectAlternativeNames
    ) -> PolicyExplanation:
        """How policy would decide; issues nothing."""
        caller = messages.Caller(
            common_name=question.caller_common_name,
            organizations=question.caller_organizations,
            spiffe_id=question.caller_spiffe_id,
            service_account=question.caller_is_pod,
        )
        request = messages.ExplainPolicyRequest(
            caller=caller if caller != messages.Caller() else None,
            operation=question.operation,
            profile=question.profile,
            subject=conversion.subject_message(subject),
            names=conversion.names_message(names),
            key_type=question.key_type,
            lifetime=conversion.duration(question.lifetime),
        )
        answer = self._connection.call(self._stub.ExplainPolicy, request)
        return PolicyExplanation(
            allowed=answer.allowed,
            rule=answer.rule,
            explanation=answer.explanation,
            evaluations=tuple(
                RuleOutcome(rule=one.rule, matched=one.matched, mismatches=tuple(one.mismatches))
                for one in answer.evaluations
            ),
        )

    def list_audit_events(self, *, page_size: int = 0, page_token: str = "", subject_id: str = "") -> AuditPage:
        """One page, newest first; with `subject_id`, only what is about that certificate, token or issuer."""
        request = messages.ListAuditEventsRequest(page_size=page_size, page_token=page_token, subject_id=subject_id)
        answer = self._connection.call(self._stub.ListAuditEvents, request)
        return AuditPage(events=tuple(map(_audit_record, answer.events)), next_page_token=answer.next_page_token)

    def get_rotation(self) -> RotationStatus:
        answer = self._connection.call(self._stub.GetRotation, messages.GetRotationRequest())
        return RotationStatus(
            rotation=_rotation(answer.rotation) if answer.HasField("rotation") else None,
            waits=tuple(answer.waits),
            consumers=tuple(
                TrustConsumer(
                    name=one.name,
                    held_generation=one.held_generation,
                    reported_at=conversion.instant(one.report_time),
                )
                for one in answer.consumers
            ),
            consumers_total=answer.consumers_total,
            consumers_behind=answer.consumers_behind,
            remaining=tuple(
                RemainingCertificate(
                    id=one.id,
                    subject=one.subject,
                    requester=one.requester,
                    not_after=conversion.instant(one.not_after_time),
                )
                for one in answer.remaining_certificates
            ),
            generation=answer.generation,
            issuer_due=conversion.instant(answer.issuer_due_time),
            root_due=conversion.instant(answer.root_due_time),
        )

    def start_rotation(
        self, kind: str, *, haste: str = "due", certificate_pem: bytes = b"", profile: str = ""
    ) -> Rotation:
        """`kind` is `issuer` or `root`; `haste` is `due`, `now` or `emergency`. Makes haste with a rotation under way.

        `certificate_pem` is of an issuing CA that `create_issuer_csr` asked for; `profile` one that the issuing CA serves alone.
        """
        request = messages.StartRotationRequest(
            kind=messages.RotationKind.Value(f"ROTATION_KIND_{kind.upper()}"),
            haste=messages.RotationHaste.Value(f"ROTATION_HASTE_{haste.upper()}"),
            certificate_pem=certificate_pem.decode(),
            profile=profile,
        )
        return _rotation(self._connection.call(self._stub.StartRotation, request).rotation)

    def add_issuer(self, profiles: Sequence[str], *, haste: str = "due") -> Rotation:
        """Has these leaf profiles served by an issuing CA of their own."""
        request = messages.AddIssuerRequest(
            profiles=profiles, haste=messages.RotationHaste.Value(f"ROTATION_HASTE_{haste.upper()}")
        )
        return _rotation(self._connection.call(self._stub.AddIssuer, request).rotation)

    def remove_issuer(self, profile: str, *, haste: str = "due") -> Rotation:
        """Has what the issuing CA of this profile served alone served by the one for all others."""
        request = messages.RemoveIssuerRequest(
            profile=profile, haste=messages.RotationHaste.Value(f"ROTATION_HASTE_{haste.upper()}")
        )
        return _rotation(self._connection.call(self._stub.RemoveIssuer, request).rotation)

    def create_issuer_csr(self, profiles: Sequence[str] = ()) -> IssuerCsr:
        """A request for a new issuing CA whose key the server keeps; the same one until its certificate is there."""
        request = messages.CreateIssuerCsrRequest(profiles=profiles)
        answer = self._connection.call(self._stub.CreateIssuerCsr, request)
        return IssuerCsr(
            csr_pem=answer.csr_pem.encode(),
            subject=answer.subject,
            created_at=conversion.instant(answer.create_time),
        )

    def abort_rotation(self, kind: str) -> Rotation:
        """Turns the rotation of the `issuer` or the `root` back, if that is under way."""
        request = messages.AbortRotationRequest(kind=messages.RotationKind.Value(f"ROTATION_KIND_{kind.upper()}"))
        return _rotation(self._connection.call(self._stub.AbortRotation, request).rotation)


def _rotation(message: messages.Rotation) -> Rotation:
    return Rotation(
        id=message.id,
        kind=messages.RotationKind.Name(message.kind).removeprefix("ROTATION_KIND_").lower(),
        phase=messages.RotationPhase.Name(message.phase).removeprefix("ROTATION_PHASE_").lower(),
        haste=messages.RotationHaste.Name(message.haste).removeprefix("ROTATION_HASTE_").lower(),
        aborted=message.aborted,
        started_at=conversion.instant(message.start_time),
        entered_at=conversion.instant(message.phase_start_time),
        finished_at=conversion.instant(message.finish_time) if message.HasField("finish_time") else None,
        generation=message.generation,
    )


def _issuer(message: messages.Issuer) -> IssuerStatus:
    return IssuerStatus(
        id=message.id,
        profile=message.profile,
        subject=message.subject,
        key_type=message.key_type,
        state=messages.IssuerState.Name(message.state).removeprefix("ISSUER_STATE_").lower(),
        not_before=conversion.instant(message.not_before_time),
        not_after=conversion.instant(message.not_after_time),
        sha256_fingerprint=message.sha256_fingerprint,
        certificate_pem=message.certificate_pem.encode(),
        profiles=tuple(message.profiles),
    )


def _token(message: messages.Token) -> TokenStatus:
    return TokenStatus(
        id=message.id,
        profile=message.profile,
        subject=conversion.subject_attributes(message.subject),
        names=conversion.names(message.names),
        created_at=conversion.instant(message.create_time),
        expires_at=conversion.instant(message.expire_time),
        spent_at=conversion.instant(message.spend_time) if message.HasField("spend_time") else None,
        certificate_id=message.certificate_id,
        creator=message.creator,
    )


def _audit_record(message: messages.AuditEvent) -> AuditRecord:
    return AuditRecord(
        sequence=message.sequence,
        at=conversion.instant(message.event_time),
        action=message.action,
        actor=message.actor,
        subject_id=message.subject_id,
        request_id=message.request_id,
        details_json=message.details_json,
        chain_hash=message.chain_hash,
    )
