"""chancery.ca.v1.CertificateService."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography import x509

from ca.ambient import Clock
from ca.authority import Authority
from ca.callers import CallerKind
from ca.calls import Call, parse_request_id
from ca.denials import DenialLog
from ca.errors import CertificateRequired, RequestInvalid
from ca.issuers import Issuers
from ca.key_making import KeyMaker
from ca.metrics import Metrics
from ca.orders import Order
from ca.pipeline import SigningPipeline
from ca.policy import Operation, Policy
from ca.registry import Registry
from ca.rpc import conversion
from ca.rpc.conversion import DEFAULT_PROFILE
from ca.rpc.reading import verify_texts
from ca.rpc.statuses import to_status
from ca.rpc.streams import answer_side_by_side
from ca.succession import Succession
from ca.watching import CertificateWatch
from certs.holders import alternative_names, public_key
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from certs.profiles import LEAF_PROFILES
from certs.requests import CertificateRequest
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1 import certificate_service_pb2 as service
from store.records import CertificateRecord

_STREAM_WINDOW = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateHandlers:
    """The methods of CertificateService; any edge may call them with a wire message and a Call."""

    authority: Authority
    pipeline: SigningPipeline
    registry: Registry
    succession: Succession
    issuers: Issuers
    watch: CertificateWatch
    policy: Callable[[], Policy]
    key_maker: KeyMaker
    clock: Clock
    metrics: Metrics
    denials: DenialLog
    trust_domain: str
    stopping: asyncio.Event

    async def get_csr_template(
        self, _request: service.GetCsrTemplateRequest, call: Call
    ) -> service.GetCsrTemplateResponse:
        return service.GetCsrTemplateResponse(
            subject=conversion.from_subject(call.caller.subject),
            names=conversion.from_names(call.caller.names),
            profiles=self.policy().profiles_for(call.caller),
            key_types=[key_type.value for key_type in KeyType],
            trust_domain=self.trust_domain,
        )

    async def sign_csr(self, request: service.SignCsrRequest, call: Call) -> service.SignCsrResponse:
        return service.SignCsrResponse(certificate=await self._sign(request, call))

    async def sign_csrs(
        self, requests: AsyncIterator[service.SignCsrsRequest], call: Call
    ) -> AsyncIterator[service.SignCsrsResponse]:
        """Keeps a bounded number of requests under way: a client that does not read its answers stops being read."""

        async def sign(request: service.SignCsrsRequest) -> service.SignCsrsResponse:
            return await self._sign_in_stream(request.request, call)

        answers = answer_side_by_side(requests, sign, window=_STREAM_WINDOW, stopping=self.stopping)
        async with contextlib.aclosing(answers) as responses:
            async for response in responses:
                yield response

    async def issue_certificate(
        self, request: service.IssueCertificateRequest, call: Call
    ) -> service.IssueCertificateResponse:
        """Policy is asked before the key is made, since making an RSA key is costly, and again when signing."""
        order = Order(
            call=call,
            operation=Operation.ISSUE,
            profile=request.profile or DEFAULT_PROFILE,
            request=b"",
            lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            request_id=parse_request_id(request.request_id),
        )
        key_type = parse_key_type(request.key_type)
        record = await self.issue_with_server_key(
            order, key_type, conversion.to_subject(request.subject), conversion.to_names(request.names)
        )
        return service.IssueCertificateResponse(certificate=self._message(record))

    async def issue_with_server_key(
        self, order: Order, key_type: KeyType, subject: SubjectName, names: SubjectAlternativeNames
    ) -> CertificateRecord:
        self.authority.verify_permitted(order, key_type=key_type, subject=subject, names=names)
        key = await self.key_maker.make(key_type)
        asked = CertificateRequest.for_key(key.public_key(), subject, names)
        return await self._issue(replace(order, request=asked, server_key=key))

    async def get_certificate(
        self, request: service.GetCertificateRequest, call: Call
    ) -> service.GetCertificateResponse:
        record = await asyncio.to_thread(self.registry.find, call, request.id)
        return service.GetCertificateResponse(certificate=self._message(record))

    async def get_private_key(self, request: service.GetPrivateKeyRequest, call: Call) -> service.GetPrivateKeyResponse:
        key = await asyncio.to_thread(self.registry.take_private_key, call, request.certificate_id)
        return service.GetPrivateKeyResponse(private_key_pem=key.decode())

    async def renew_certificate(
        self, request: service.RenewCertificateRequest, call: Call
    ) -> service.RenewCertificateResponse:
        if call.caller.kind is not CallerKind.CERTIFICATE or call.caller.serial_number is None:
            raise CertificateRequired("present the certificate that is to be renewed")
        held = await asyncio.to_thread(self.registry.find, call, call.caller.serial_number)
        asked = _renewal_request(held, request.csr)
        order = Order(
            call=call,
            operation=Operation.RENEW,
            profile=held.profile,
            request=asked,
            lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            usual_lifetime=_same_lifetime(held),
            request_id=parse_request_id(request.request_id),
            renewed_from=held.id,
        )
        if order.lifetime is not None and order.lifetime > _lifetime(held):
            self._verify_longer(order, asked)
        return service.RenewCertificateResponse(certificate=self._message(await self._issue(order)))

    async def revoke_certificate(
        self, request: service.RevokeCertificateRequest, call: Call
    ) -> service.RevokeCertificateResponse:
        reason = conversion.to_reason(request.reason)
        record = await asyncio.to_thread(self.registry.revoke, call, request.id, reason)
        self.metrics.count_revoked(reason)
        return service.RevokeCertificateResponse(certificate=self._message(record))

    async def list_certificates(
        self, request: service.ListCertificatesRequest, call: Call
    ) -> service.ListCertificatesResponse:
        page = await asyncio.to_thread(
            self.registry.search,
            call,
            conversion.to_filter(request.filter),
            page_size=conversion.to_page_size(request.page_size),
            page_token=request.page_token,
        )
        now = self.clock()
        return service.ListCertificatesResponse(
            certificates=[
                conversion.to_certificate(record, now=now, chain_pem=None, pem=request.include_pem)
                for record in page.items
            ],
            next_page_token=page.next_token or "",
        )

    async def watch_certificates(
        self, request: service.WatchCertificatesRequest, call: Call
    ) -> AsyncIterator[service.WatchCertificatesResponse]:
        wanted = conversion.to_filter(request.filter)
        async for record in self.watch.follow(call, _cursor(request.resume_cursor), wanted):
            yield service.WatchCertificatesResponse(certificate=self._message(record), cursor=str(record.sequence))

    def _verify_longer(self, order: Order, asked: CertificateRequest) -> None:
        """A longer life than before is for those who could be issued it anew. Raises PolicyDenied."""
        issue = replace(order, operation=Operation.ISSUE)
        self.authority.verify_permitted(issue, key_type=asked.key_type, subject=asked.subject, names=asked.names)

    async def _sign(self, request: service.SignCsrRequest, call: Call) -> wire.Certificate:
        order = Order(
            call=call,
            operation=Operation.ISSUE,
            profile=request.profile or DEFAULT_PROFILE,
            request=request.csr,
            lifetime=conversion.to_lifetime(request.lifetime, present=request.HasField("lifetime")),
            request_id=parse_request_id(request.request_id),
            renewed_from=await self._replaced(request.replaces, call),
        )
        return self._message(await self._issue(order))

    async def _replaced(self, name: str, call: Call) -> str | None:
        """Raises CertificateNotFound."""
        return await asyncio.to_thread(self.succession.of_caller, call, name) if name else None

    async def _sign_in_stream(self, request: service.SignCsrRequest, call: Call) -> service.SignCsrsResponse:
        try:
            verify_texts(request)
            if not request.request_id:
                raise RequestInvalid("each request of the stream needs a request_id", field="request_id")
            return service.SignCsrsResponse(request_id=request.request_id, certificate=await self._sign(request, call))
        except Exception as err:  # noqa: BLE001 - this request's answer, in band; the stream goes on
            await self.denials.note(call, "SignCsrs", err)
            return service.SignCsrsResponse(request_id=request.request_id, error=to_status(err, call.id))

    async def _issue(self, order: Order) -> CertificateRecord:
        record = await self.pipeline.issue(order)
        self.metrics.issued.labels(profile=record.profile).inc()
        return record

    def _message(self, record: CertificateRecord) -> wire.Certificate:
        return conversion.to_certificate(record, now=self.clock(), chain_pem=self.issuers.chain_pem(record.issuer_id))


def parse_key_type(text: str) -> KeyType:
    """ECDSA P-256 where empty. Raises RequestInvalid."""
    try:
        return KeyType(text) if text else KeyType.EC_P256
    except ValueError as err:
        raise RequestInvalid(f"no key type {text[:32]!r}; take one of {', '.join(KeyType)}", field="key_type") from err


def _renewal_request(held: CertificateRecord, csr: bytes) -> CertificateRequest:
    """The names of the certificate held, with the key of `csr` or, without one, the key it has. Raises errors of `certs`."""
    certificate = x509.load_der_x509_certificate(held.der)
    subject = SubjectName.from_x509(certificate.subject)
    names = alternative_names(certificate)
    if csr:
        return replace(CertificateRequest.from_bytes(csr), subject=subject, names=names)
    return CertificateRequest.for_key(public_key(certificate), subject, names)


def _same_lifetime(held: CertificateRecord) -> timedelta | None:
    """As long as the one before, unless that one was cut short by the end of its issuer."""
    profile = LEAF_PROFILES[held.profile]
    span = _lifetime(held)
    return span if profile.minimum_lifetime <= span <= profile.maximum_lifetime else None


def _lifetime(held: CertificateRecord) -> timedelta:
    return timedelta(seconds=held.not_after - held.issued_at)


def _cursor(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise RequestInvalid("resume_cursor must be a cursor of an earlier answer", field="resume_cursor")
    return int(text)
