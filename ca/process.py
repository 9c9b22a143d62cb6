"""The CA process: the office with its edges, from the first listener to the last answered call.

- Everything is made here and handed on; nothing looks anything up.
- A stop is graceful: listeners refuse, calls under way finish, the signing thread drains, then the store closes.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

import structlog
from google.protobuf.descriptor import ServiceDescriptor

from ca.ambient import epoch_seconds
from ca.audit import Action, audit_event
from ca.authentication import Authenticator
from ca.callers import Caller
from ca.calls import Call
from ca.crls import CrlPublisher
from ca.denials import DenialLog
from ca.listeners import GrpcListener, mutual_credentials, server_credentials
from ca.metrics import Metrics
from ca.office import Office
from ca.pipeline import SigningPipeline
from ca.registry import Registry
from ca.rpc.administration import AdminHandlers
from ca.rpc.certificates import CertificateHandlers
from ca.rpc.enrollment import EnrollmentHandlers
from ca.rpc.myca import MycaHandlers
from ca.rpc.services import Gate
from ca.rpc.trust import TrustHandlers
from ca.serving import ServingCertificate, serving_names
from ca.tokens import TokenDesk
from ca.watching import CertificateWatch
from ca.web.listener import WebListener
from certs.keys import KeyType
from protos.chancery.ca.v1 import admin_service_pb2, certificate_service_pb2, enrollment_service_pb2, trust_service_pb2
from protos.myca import service_pb2 as myca_service_pb2
from store.errors import StoreError
from store.records import AuditEvent

_HOUSEKEEPING_SECONDS = 2.0
_PARALLEL_FOR_SLOW_KEYS = 2
_QUICK_KEYS = frozenset({KeyType.EC_P256, KeyType.ED25519})

_log = structlog.get_logger("chancery.process")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the process listens, once it does; None for what was switched off."""

    http: str
    grpc: str | None
    enrollment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What the edges serve, gRPC and HTTP alike."""

    certificates: CertificateHandlers
    enrollment: EnrollmentHandlers
    trust: TrustHandlers
    administration: AdminHandlers
    myca: MycaHandlers


async def serve(
    office: Office, *, host_name: str, stopping: asyncio.Event, announce: Callable[[Endpoints], None]
) -> None:
    """Serves until `stopping` is set; `announce` is called once everything listens.

    Raises SettingsInvalid where an address cannot be had, and what issuing the serving certificate raises.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        serving = await _serving_certificate(office, metrics, host_name)
        watch = CertificateWatch(inventory=office.inventory, policy=office.policy, clock=office.clock)
        pipeline = _pipeline(office, metrics)
        stack.push_async_callback(pipeline.close)
        denials = DenialLog(audit=office.audit, clock=office.clock)
        handlers = _handlers(office, metrics, serving, watch, pipeline, denials, stopping)
        endpoints = await _listen(office, metrics, serving, handlers, denials, stack)
        await stack.enter_async_context(_running(serving.keep_fresh(), _housekeeping(office, metrics, pipeline)))
        announce(endpoints)
        await stopping.wait()
        _log.info("stopping", waiting=pipeline.waiting)
    _log.info("stopped")


async def _serving_certificate(office: Office, metrics: Metrics, host_name: str) -> ServingCertificate:
    serving = ServingCertificate(
        authority=office.authority,
        issuers=office.issuers,
        names=serving_names(office.settings.listeners.advertised_names, host_name),
        key_factory=office.key_factory,
        clock=office.clock,
        metrics=metrics,
    )
    await asyncio.to_thread(serving.renew)
    return serving


def _pipeline(office: Office, metrics: Metrics) -> SigningPipeline:
    slow = office.issuers.active().issuer.key_type not in _QUICK_KEYS
    return SigningPipeline(
        office.authority,
        capacity=office.settings.issuance.signing_queue,
        parallel=_PARALLEL_FOR_SLOW_KEYS if slow else 1,
        on_batch=metrics.batch_size.observe,
    )


def _handlers(
    office: Office,
    metrics: Metrics,
    serving: ServingCertificate,
    watch: CertificateWatch,
    pipeline: SigningPipeline,
    denials: DenialLog,
    stopping: asyncio.Event,
) -> Handlers:
    trust_domain = office.settings.hierarchy.trust_domain
    registry = Registry(
        inventory=office.inventory,
        private_keys=office.private_keys,
        revocations=office.revocations,
        sealing_key=office.sealing_key,
        policy=office.policy,
        clock=office.clock,
    )
    desk = TokenDesk(tokens=office.tokens, policy=office.policy, clock=office.clock, entropy=office.entropy)
    crls = CrlPublisher(
        inventory=office.inventory,
        authorities=office.authorities,
        issuers=office.issuers,
        revocations=office.revocations,
        settings=office.settings.issuance,
        clock=office.clock,
    )
    certificates = CertificateHandlers(
        authority=office.authority,
        pipeline=pipeline,
        registry=registry,
        issuers=office.issuers,
        watch=watch,
        policy=office.policy,
        key_factory=office.key_factory,
        clock=office.clock,
        metrics=metrics,
        denials=denials,
        trust_domain=trust_domain,
    )
    return Handlers(
        certificates=certificates,
        enrollment=EnrollmentHandlers(
            pipeline=pipeline, desk=desk, issuers=office.issuers, clock=office.clock, metrics=metrics
        ),
        trust=TrustHandlers(issuers=office.issuers, crls=crls, trust_domain=trust_domain, stopping=stopping),
        administration=AdminHandlers(
            inventory=office.inventory,
            audit=office.audit,
            desk=desk,
            issuers=office.issuers,
            serving=serving,
            policy=office.policy,
            clock=office.clock,
            started_at=office.clock(),
            store_dialect=office.database.dialect,
            trust_domain=trust_domain,
        ),
        myca=MycaHandlers(certificates=certificates, registry=registry),
    )


async def _listen(
    office: Office,
    metrics: Metrics,
    serving: ServingCertificate,
    handlers: Handlers,
    denials: DenialLog,
    stack: contextlib.AsyncExitStack,
) -> Endpoints:
    settings = office.settings.listeners
    authenticator = Authenticator(office.inventory, office.revocations, office.clock) if settings.mtls else None
    web = WebListener(
        handlers, office=office, metrics=metrics, serving=serving, authenticator=authenticator, denials=denials
    )
    http = await web.start(settings.listen_address, settings.http_port)
    stack.push_async_callback(web.stop, settings.drain_timeout.total_seconds())
    if not settings.grpc:
        return Endpoints(http=http, grpc=None, enrollment=None)
    private = Gate(
        authenticator=authenticator, tls=settings.mtls, entropy=office.entropy, metrics=metrics, denials=denials
    )
    public = replace(private, authenticator=None)
    addresses = []
    for services, gate, port, credentials in (
        (_private_services(handlers), private, settings.grpc_port, mutual_credentials if settings.mtls else None),
        (_public_services(handlers), public, settings.enrollment_port, server_credentials if settings.mtls else None),
    ):
        listener = GrpcListener(services, gate, with_reflection=settings.reflection)
        bound = await listener.start(
            _join(settings.listen_address, port),
            credentials(serving, office.issuers) if credentials is not None else None,
        )
        stack.push_async_callback(listener.stop, settings.drain_timeout.total_seconds())
        addresses.append(_join(settings.listen_address, bound))
    return Endpoints(http=http, grpc=addresses[0], enrollment=addresses[1])


def _private_services(handlers: Handlers) -> Sequence[tuple[ServiceDescriptor, object]]:
    return (
        (certificate_service_pb2.DESCRIPTOR.services_by_name["CertificateService"], handlers.certificates),
        (admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"], handlers.administration),
        (trust_service_pb2.DESCRIPTOR.services_by_name["TrustService"], handlers.trust),
        (myca_service_pb2.DESCRIPTOR.services_by_name["CertificateService"], handlers.myca),
    )


def _public_services(handlers: Handlers) -> Sequence[tuple[ServiceDescriptor, object]]:
    return (
        (enrollment_service_pb2.DESCRIPTOR.services_by_name["EnrollmentService"], handlers.enrollment),
        (trust_service_pb2.DESCRIPTOR.services_by_name["TrustService"], handlers.trust),
    )


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


async def _housekeeping(office: Office, metrics: Metrics, pipeline: SigningPipeline) -> None:
    """What must happen now and then; a failure is logged and tried again."""
    _report_expiries(office, metrics)
    while True:
        metrics.queue_length.set(pipeline.waiting)
        try:
            if office.policy.refresh():
                await asyncio.to_thread(office.audit.append, policy_event(office))
            await asyncio.to_thread(office.revocations.refresh)
            await asyncio.to_thread(office.private_keys.purge, epoch_seconds(office.clock()))
        except StoreError as err:
            _log.warning("housekeeping put off", error=str(err))
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


def policy_event(office: Office) -> AuditEvent:
    """Which policy has come into force."""
    digest = hashlib.sha256(office.policy().document.encode()).hexdigest()
    return audit_event(Action.POLICY_LOAD, Call(caller=Caller.local(), id="policy"), at=office.clock(), sha256=digest)


def _report_expiries(office: Office, metrics: Metrics) -> None:
    for kind, certificate_id, not_after in office.issuers.expiries():
        metrics.expiry.labels(kind=kind, id=certificate_id).set(not_after.timestamp())


@contextlib.asynccontextmanager
async def _running(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
