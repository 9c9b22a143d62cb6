"""Everything that listens, composed around one office: handlers once, then the listeners that show them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from ca.authentication import Authenticator
from ca.cluster.connection import ClusterConnection
from ca.cluster.enrollment import ServiceAccountEnrollment
from ca.cluster.questions import Questions
from ca.cluster.rate_limits import EnrollmentLimits
from ca.crls import CrlPublisher
from ca.denials import DenialLog
from ca.errors import SettingsInvalid
from ca.key_making import KeyMaker
from ca.listeners import GrpcListener, mutual_credentials, server_credentials
from ca.metrics import Metrics
from ca.ocsp import OcspDesk
from ca.office import Office
from ca.pipeline import SigningPipeline
from ca.registrar import Registrar
from ca.registry import Registry
from ca.rpc.administration import AdminHandlers
from ca.rpc.certificates import CertificateHandlers
from ca.rpc.enrollment import EnrollmentHandlers
from ca.rpc.myca import MycaHandlers
from ca.rpc.registrar import RegistrarHandlers
from ca.rpc.services import Gate
from ca.rpc.trust import TrustHandlers
from ca.serving import ServingCertificate
from ca.succession import Succession
from ca.tokens import TokenDesk
from ca.watching import CertificateWatch
from ca.web.applications import Edge, full_application, revocation_application
from ca.web.public import PublicDocuments
from ca.web.reloading import ReloadingContext
from certs.names import TrustDomain
from protos.chancery.ca.v1 import (
    admin_service_pb2,
    certificate_service_pb2,
    enrollment_service_pb2,
    registrar_service_pb2,
    trust_service_pb2,
)
from protos.myca import service_pb2 as myca_service_pb2
from serving.http import AddressUnavailable, HttpListener

if TYPE_CHECKING:
    from serving.tracing import Tracing

Services = Sequence[tuple[ServiceDescriptor, object]]
_Stop = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the process listens, once it does; None for what was switched off."""

    http: str
    grpc: str | None
    enrollment: str | None
    revocation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What is served, over gRPC and HTTP alike."""

    certificates: CertificateHandlers
    enrollment: EnrollmentHandlers
    trust: TrustHandlers
    administration: AdminHandlers
    registrar: RegistrarHandlers
    myca: MycaHandlers

    @property
    def private_services(self) -> Services:
        """Those whose callers show a certificate."""
        return (
            (certificate_service_pb2.DESCRIPTOR.services_by_name["CertificateService"], self.certificates),
            (admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"], self.administration),
            (registrar_service_pb2.DESCRIPTOR.services_by_name["RegistrarService"], self.registrar),
            (trust_service_pb2.DESCRIPTOR.services_by_name["TrustService"], self.trust),
            (myca_service_pb2.DESCRIPTOR.services_by_name["CertificateService"], self.myca),
        )

    @property
    def public_services(self) -> Services:
        return (
            (enrollment_service_pb2.DESCRIPTOR.services_by_name["EnrollmentService"], self.enrollment),
            (trust_service_pb2.DESCRIPTOR.services_by_name["TrustService"], self.trust),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """The listeners of one process; belongs to one event loop."""

    office: Office
    metrics: Metrics
    serving: ServingCertificate
    pipeline: SigningPipeline
    watch: CertificateWatch
    stopping: asyncio.Event
    tracing: "Tracing | None" = None

    async def listen(self, stack: contextlib.AsyncExitStack) -> Endpoints:
        """Starts them all; `stack` stops them, together. Raises SettingsInvalid where an address cannot be had."""
        stops: list[_Stop] = []
        stack.push_async_callback(self._stop, stops)
        office, settings = self.office, self.office.settings.listeners
        authenticator = Authenticator(office.inventory, office.revocations, office.clock) if settings.mtls else None
        denials = DenialLog(audit=office.audit, clock=office.clock)
        handlers = self._handlers(denials, self._service_accounts(denials, stack))
        edge = Edge(
            authenticator=authenticator,
            entropy=office.entropy,
            metrics=self.metrics,
            denials=denials,
            tracing=self.tracing,
        )
        http, revocation = await self._listen_http(handlers, edge, stops)
        if not settings.grpc:
            return Endpoints(http=http, grpc=None, enrollment=None, revocation=revocation)
        gate = Gate(
            authenticator=authenticator,
            tls=settings.mtls,
            entropy=office.entropy,
            metrics=self.metrics,
            denials=denials,
            tracing=self.tracing,
        )
        mutual = mutual_credentials(self.serving, office.issuers) if settings.mtls else None
        plain = server_credentials(self.serving, office.issuers) if settings.mtls else None
        return Endpoints(
            http=http,
            grpc=await self._listen_grpc(handlers.private_services, gate, settings.grpc_port, mutual, stops),
            enrollment=await self._listen_grpc(
                handlers.public_services, replace(gate, authenticator=None), settings.enrollment_port, plain, stops
            ),
            revocation=revocation,
        )

    async def _listen_http(self, handlers: Handlers, edge: Edge, stops: list[_Stop]) -> tuple[str, str | None]:
        settings = self.office.settings.listeners
        documents = self._documents(handlers)
        tls = ReloadingContext(self.serving, self.office.issuers).context if settings.mtls else None
        full = HttpListener(full_application(edge, documents, handlers), tls)
        stops.append(full.stop)
        try:
            url = await full.start(settings.listen_address, settings.http_port)
            if settings.revocation_port is None:
                return url, None
            revocation = HttpListener(revocation_application(edge, documents), None)
            stops.append(revocation.stop)
            return url, await revocation.start(settings.listen_address, settings.revocation_port)
        except AddressUnavailable as err:
            raise SettingsInvalid([str(err)]) from err

    async def _listen_grpc(
        self,
        services: Services,
        gate: Gate,
        port: int,
        credentials: grpc.ServerCredentials | None,
        stops: list[_Stop],
    ) -> str:
        settings = self.office.settings.listeners
        address = settings.listen_address
        host = f"[{address}]" if ":" in address else address
        listener = GrpcListener(services, gate, with_reflection=settings.reflection)
        bound = await listener.start(f"{host}:{port}", credentials)
        stops.append(listener.stop)
        return f"{host}:{bound}"

    async def _stop(self, stops: Sequence[_Stop]) -> None:
        """All at once: what one of them refuses must not get in by another, and the grace is given once."""
        grace = self.office.settings.listeners.drain_timeout.total_seconds()
        await asyncio.gather(*(stop(grace) for stop in stops))

    def _service_accounts(
        self, denials: DenialLog, stack: contextlib.AsyncExitStack
    ) -> ServiceAccountEnrollment | None:
        """None where it is off. Raises SettingsInvalid."""
        office, settings = self.office, self.office.settings.kubernetes
        if not settings.kubernetes_enrollment:
            return None
        connection = ClusterConnection.open(settings.kubernetes_kubeconfig)
        questions = Questions(entropy=office.entropy)
        stack.callback(connection.close)
        stack.callback(questions.close)
        return ServiceAccountEnrollment(
            connection=connection,
            questions=questions,
            limits=EnrollmentLimits(office.clock),
            pipeline=self.pipeline,
            succession=self._succession,
            denials=denials,
            clock=office.clock,
            trust_domain=TrustDomain.parse(office.settings.hierarchy.trust_domain),
            audience=settings.kubernetes_audience,
            looks_at_pods=settings.kubernetes_pod_check,
            metrics=self.metrics,
        )

    @property
    def _succession(self) -> Succession:
        return Succession(inventory=self.office.inventory, pod_certificates=self.office.pod_certificates)

    def _handlers(self, denials: DenialLog, service_accounts: ServiceAccountEnrollment | None) -> Handlers:
        office = self.office
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
        certificates = CertificateHandlers(
            authority=office.authority,
            pipeline=self.pipeline,
            registry=registry,
            succession=self._succession,
            issuers=office.issuers,
            watch=self.watch,
            policy=office.policy,
            key_maker=KeyMaker(office.key_factory),
            clock=office.clock,
            metrics=self.metrics,
            denials=denials,
            trust_domain=trust_domain,
            stopping=self.stopping,
        )
        return Handlers(
            certificates=certificates,
            enrollment=EnrollmentHandlers(
                pipeline=self.pipeline,
                desk=desk,
                issuers=office.issuers,
                clock=office.clock,
                metrics=self.metrics,
                service_accounts=service_accounts,
            ),
            trust=TrustHandlers(
                issuers=office.issuers,
                rotations=office.rotations,
                crls=self._crls(),
                trust_domain=trust_domain,
                stopping=self.stopping,
            ),
            administration=AdminHandlers(
                inventory=office.inventory,
                audit=office.audit,
                desk=desk,
                issuers=office.issuers,
                rotations=office.rotations,
                serving=self.serving,
                policy=office.policy,
                clock=office.clock,
                started_at=office.clock(),
                store_dialect=office.database.dialect,
                trust_domain=trust_domain,
            ),
            registrar=RegistrarHandlers(
                pipeline=self.pipeline,
                registrar=Registrar(
                    pods=office.pods,
                    revocations=office.revocations,
                    policy=office.policy,
                    clock=office.clock,
                    trust_domain=TrustDomain.parse(trust_domain),
                ),
                issuers=office.issuers,
                clock=office.clock,
                metrics=self.metrics,
            ),
            myca=MycaHandlers(certificates=certificates, registry=registry),
        )

    def _crls(self) -> CrlPublisher:
        office = self.office
        return CrlPublisher(
            inventory=office.inventory,
            authorities=office.authorities,
            issuers=office.issuers,
            revocations=office.revocations,
            settings=office.settings.issuance,
            clock=office.clock,
        )

    def _documents(self, handlers: Handlers) -> PublicDocuments:
        office = self.office
        ocsp = OcspDesk(
            authority=office.authority,
            issuers=office.issuers,
            inventory=office.inventory,
            revocations=office.revocations,
            key_factory=office.key_factory,
            clock=office.clock,
        )
        return PublicDocuments(
            issuers=office.issuers,
            crls=handlers.trust.crls,
            ocsp=ocsp,
            database=office.database,
            metrics=self.metrics,
            stopping=self.stopping,
        )
