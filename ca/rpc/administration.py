"""chancery.ca.v1.AdminService."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ca import __version__
from ca.ambient import Clock, epoch_seconds
from ca.callers import Caller
from ca.calls import Call
from ca.errors import RequestInvalid
from ca.issuers import Issuers
from ca.policy import Operation, Policy, PolicyRequest
from ca.registry import verify_allowed
from ca.rotation.keeper import RotationKeeper
from ca.rpc import conversion
from ca.rpc.certificates import parse_key_type
from ca.rpc.conversion import DEFAULT_PROFILE
from ca.rpc.rotation import from_issuer_request, from_rotation, rotation_status, to_haste, to_rotation_kind
from ca.serving import ServingCertificate
from ca.tokens import DEFAULT_LIFETIME, Grant, TokenDesk
from certs.fingerprints import certificate_fingerprint
from certs.names import SpiffeId
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from store.audit import AuditTrail
from store.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminHandlers:
    """Everything here asks the policy for the operation `administer`."""

    inventory: Inventory
    audit: AuditTrail
    desk: TokenDesk
    issuers: Issuers
    rotations: RotationKeeper
    serving: ServingCertificate
    policy: Callable[[], Policy]
    clock: Clock
    started_at: datetime
    store_dialect: str
    trust_domain: str

    async def get_status(self, _request: admin.GetStatusRequest, call: Call) -> admin.GetStatusResponse:
        self._verify_administrator(call)
        now = self.clock()
        counts = await asyncio.to_thread(self.inventory.counts, now=epoch_seconds(now))
        status = admin.GetStatusResponse(
            version=__version__,
            trust_domain=self.trust_domain,
            start_time=conversion.timestamp(self.started_at),
            current_time=conversion.timestamp(now),
            store=self.store_dialect,
            issuers=self._issuers(),
            certificates_total=counts.total,
            certificates_valid=counts.valid,
            certificates_revoked=counts.revoked,
        )
        if self.serving.not_after is not None:
            status.serving_not_after_time.CopyFrom(conversion.timestamp(self.serving.not_after))
        if counts.next_expiry is not None:
            status.next_expiry_time.seconds = counts.next_expiry
        return status

    async def list_issuers(self, _request: admin.ListIssuersRequest, call: Call) -> admin.ListIssuersResponse:
        self._verify_administrator(call)
        return admin.ListIssuersResponse(issuers=self._issuers())

    async def create_token(self, request: admin.CreateTokenRequest, call: Call) -> admin.CreateTokenResponse:
        grant = Grant(
            profile=request.profile or DEFAULT_PROFILE,
            subject=conversion.to_subject(request.subject),
            names=conversion.to_names(request.names),
            certificate_lifetime=conversion.to_lifetime(
                request.certificate_lifetime, present=request.HasField("certificate_lifetime")
            ),
            public_key_sha256=request.public_key_sha256 or None,
        )
        lifetime = conversion.to_lifetime(request.token_lifetime, present=request.HasField("token_lifetime"))
        record, secret = await asyncio.to_thread(
            self.desk.create,
            call,
            grant,
            lifetime=lifetime or DEFAULT_LIFETIME,
            root_fingerprint=certificate_fingerprint(self.issuers.bundle.roots[-1]),
        )
        return admin.CreateTokenResponse(
            token=conversion.from_token(record, grant.subject, grant.names), secret=str(secret)
        )

    async def list_tokens(self, request: admin.ListTokensRequest, call: Call) -> admin.ListTokensResponse:
        page = await asyncio.to_thread(
            self.desk.search,
            call,
            page_size=conversion.to_page_size(request.page_size),
            page_token=request.page_token,
        )
        grants = [(record, Grant.from_record(record)) for record in page.items]
        return admin.ListTokensResponse(
            tokens=[conversion.from_token(record, grant.subject, grant.names) for record, grant in grants],
            next_page_token=page.next_token or "",
        )

    async def delete_token(self, request: admin.DeleteTokenRequest, call: Call) -> admin.DeleteTokenResponse:
        await asyncio.to_thread(self.desk.delete, call, request.id)
        return admin.DeleteTokenResponse()

    async def get_policy(self, _request: admin.GetPolicyRequest, call: Call) -> admin.GetPolicyResponse:
        self._verify_administrator(call)
        return admin.GetPolicyResponse(document=self.policy().document)

    async def explain_policy(self, request: admin.ExplainPolicyRequest, call: Call) -> admin.ExplainPolicyResponse:
        self._verify_administrator(call)
        decision = self.policy().decide(
            PolicyRequest(
                caller=_hypothetical(request.caller) if request.HasField("caller") else call.caller,
                operation=_operation(request.operation),
                profile=request.profile or None,
                subject=conversion.to_subject(request.subject),
                names=conversion.to_names(request.names),
                key_type=parse_key_type(request.key_type) if request.key_type else None,
                lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            )
        )
        return admin.ExplainPolicyResponse(
            allowed=decision.allowed,
            rule=decision.rule or "",
            explanation=decision.explanation,
            evaluations=[
                admin.RuleEvaluation(rule=one.rule, matched=one.matched, mismatches=one.mismatches)
                for one in decision.evaluations
            ],
        )

    async def list_audit_events(
        self, request: admin.ListAuditEventsRequest, call: Call
    ) -> admin.ListAuditEventsResponse:
        self._verify_administrator(call)
        page = await asyncio.to_thread(
            self.audit.page,
            page_size=conversion.to_page_size(request.page_size),
            page_token=request.page_token,
            subject_id=request.subject_id or None,
        )
        return admin.ListAuditEventsResponse(
            events=[conversion.from_event(event) for event in page.items], next_page_token=page.next_token or ""
        )

    async def get_rotation(self, _request: admin.GetRotationRequest, call: Call) -> admin.GetRotationResponse:
        self._verify_administrator(call)
        return rotation_status(await asyncio.to_thread(self.rotations.status))

    async def start_rotation(self, request: admin.StartRotationRequest, call: Call) -> admin.StartRotationResponse:
        self._verify_administrator(call)
        kind, haste = to_rotation_kind(request.kind), to_haste(request.haste)
        if not request.certificate_pem:
            rotation = await asyncio.to_thread(self.rotations.start, kind, haste, call, request.profile)
        elif kind == "issuer":
            certificate = request.certificate_pem.encode()
            rotation = await asyncio.to_thread(self.rotations.start_with, certificate, haste, call)
        else:
            raise RequestInvalid("only an issuing CA is brought with its certificate", field="certificate_pem")
        return admin.StartRotationResponse(rotation=from_rotation(rotation))

    async def create_issuer_csr(
        self, request: admin.CreateIssuerCsrRequest, call: Call
    ) -> admin.CreateIssuerCsrResponse:
        self._verify_administrator(call)
        return from_issuer_request(await asyncio.to_thread(self.rotations.request, call, list(request.profiles)))

    async def add_issuer(self, request: admin.AddIssuerRequest, call: Call) -> admin.AddIssuerResponse:
        self._verify_administrator(call)
        profiles, haste = list(request.profiles), to_haste(request.haste)
        rotation = await asyncio.to_thread(self.rotations.add, profiles, haste, call)
        return admin.AddIssuerResponse(rotation=from_rotation(rotation))

    async def remove_issuer(self, request: admin.RemoveIssuerRequest, call: Call) -> admin.RemoveIssuerResponse:
        self._verify_administrator(call)
        rotation = await asyncio.to_thread(self.rotations.remove, request.profile, to_haste(request.haste), call)
        return admin.RemoveIssuerResponse(rotation=from_rotation(rotation))

    async def abort_rotation(self, request: admin.AbortRotationRequest, call: Call) -> admin.AbortRotationResponse:
        self._verify_administrator(call)
        kind = to_rotation_kind(request.kind) if request.kind else None
        rotation = await asyncio.to_thread(self.rotations.abort, call, kind)
        return admin.AbortRotationResponse(rotation=from_rotation(rotation))

    def _issuers(self) -> list[admin.Issuer]:
        return [conversion.from_authority(record) for record in self.issuers.records]

    def _verify_administrator(self, call: Call) -> None:
        verify_allowed(self.policy(), call, Operation.ADMINISTER)


def _operation(text: str) -> Operation:
    """Raises RequestInvalid."""
    try:
        return Operation(text) if text else Operation.ISSUE
    except ValueError as err:
        raise RequestInvalid(
            f"no operation {text[:32]!r}; take one of {', '.join(Operation)}", field="operation"
        ) from err


def _hypothetical(message: admin.Caller) -> Caller:
    """Raises MalformedName, RequestInvalid."""
    if message.service_account:
        if message.common_name or message.organizations:
            raise RequestInvalid("a service account has a SPIFFE ID and no other name", field="caller")
        return Caller.for_service_account(SpiffeId.parse(message.spiffe_id))
    return Caller.hypothetical(
        common_name=message.common_name or None,
        organizations=tuple(message.organizations),
        spiffe_id=SpiffeId.parse(message.spiffe_id) if message.spiffe_id else None,
    )
