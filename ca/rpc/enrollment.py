"""chancery.ca.v1.EnrollmentService."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, replace

from ca.ambient import Clock
from ca.callers import Caller
from ca.calls import Call, parse_request_id
from ca.cluster.enrollment import ServiceAccountEnrollment
from ca.errors import CaError, KubernetesEnrollmentOff, TokenRefused
from ca.issuers import Issuers
from ca.metrics import Metrics
from ca.orders import Order
from ca.pipeline import SigningPipeline
from ca.policy import Operation
from ca.rpc import conversion
from ca.tokens import TokenDesk
from certs.errors import CertsError
from certs.requests import CertificateRequest
from protos.chancery.ca.v1 import certificate_pb2
from protos.chancery.ca.v1 import enrollment_service_pb2 as service
from store.records import CertificateRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentHandlers:
    """The way in for callers without a certificate."""

    pipeline: SigningPipeline
    desk: TokenDesk
    issuers: Issuers
    clock: Clock
    metrics: Metrics
    service_accounts: ServiceAccountEnrollment | None
    """None where no cluster is trusted."""

    async def enroll(self, request: service.EnrollRequest, call: Call) -> service.EnrollResponse:
        """The token is checked here and spent in the transaction that records the certificate."""
        try:
            record = await self._issue(request, call)
        except (CaError, CertsError) as err:
            self.metrics.enrollment_refusals.labels(credential="one-time-token", reason=err.reason).inc()
            raise
        return service.EnrollResponse(
            certificate=self._issued(record), trust_bundle_pem=self.issuers.bundle.pem.decode()
        )

    async def _issue(self, request: service.EnrollRequest, call: Call) -> CertificateRecord:
        token, grant = await asyncio.to_thread(self.desk.redeem, request.token)
        asked = await asyncio.to_thread(CertificateRequest.from_bytes, request.csr)
        if grant.public_key_sha256 is not None:
            _verify_key(asked, grant.public_key_sha256)
        order = Order(
            call=replace(call, caller=Caller.for_token(token.id)),
            operation=Operation.ISSUE,
            profile=grant.profile,
            request=asked,
            lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            maximum_lifetime=grant.certificate_lifetime,
            request_id=parse_request_id(request.request_id),
            binding=grant.binding,
            token_id=token.id,
        )
        return await self.pipeline.issue(order)

    async def enroll_service_account(
        self, request: service.EnrollServiceAccountRequest, call: Call
    ) -> service.EnrollServiceAccountResponse:
        """Every check is `ca.cluster.enrollment`'s."""
        if self.service_accounts is None:
            raise KubernetesEnrollmentOff(
                "this server takes no service-account tokens; start it with kubernetes_enrollment"
            )
        record = await self.service_accounts.enroll(
            call,
            token=request.token,
            csr=request.csr,
            lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            request_id=parse_request_id(request.request_id),
            dns_names=tuple(request.dns_names),
            replaces=request.replaces,
        )
        return service.EnrollServiceAccountResponse(
            certificate=self._issued(record), trust_bundle_pem=self.issuers.bundle.pem.decode()
        )

    def _issued(self, record: CertificateRecord) -> certificate_pb2.Certificate:
        self.metrics.issued.labels(profile=record.profile).inc()
        return conversion.to_certificate(record, now=self.clock(), chain_pem=self.issuers.chain_pem(record.issuer_id))


def _verify_key(asked: CertificateRequest, expected: bytes) -> None:
    """Raises TokenRefused: a stolen token is worthless without the key that it names."""
    if not hmac.compare_digest(hashlib.sha256(asked.public_key_info).digest(), expected):
        raise TokenRefused("the token is bound to another key; make the request with that one")
