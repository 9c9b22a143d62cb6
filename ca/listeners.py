"""The gRPC listeners: one that requires client certificates, and one, for enrollment and trust, that cannot ask for them.

- gRPC for Python asks for client certificates always or never on one port (ADR 4); hence two.
- TLS 1.3 only. The library has no setting for it: no cipher suite of TLS 1.2 that works with our ECDSA certificates is offered
  (`ca.transport` in the environment, before gRPC starts), and each call checks what was negotiated.
- Serving certificate and trust are asked for at each handshake; open connections are not touched when they change.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ca.errors import SettingsInvalid
from ca.issuers import Issuers
from ca.rpc.services import Gate, service_handler
from ca.serving import ServingCertificate

MAXIMUM_MESSAGE = 1024 * 1024
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAXIMUM_MESSAGE),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),  # clients connect again by themselves
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 5),
    ("grpc.so_reuseport", 0),  # two servers on one port would share callers between two inventories
)


class GrpcListener:
    """One grpc.aio server on one port."""

    def __init__(
        self, services: Sequence[tuple[ServiceDescriptor, object]], gate: Gate, *, with_reflection: bool
    ) -> None:
        self._server = grpc.aio.server(ThreadPoolExecutor(1), options=_OPTIONS)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # set on import, for Python 3 only
        self._names = [descriptor.full_name for descriptor, _ in services]
        self._server.add_generic_rpc_handlers(
            [service_handler(one, implementation, gate) for one, implementation in services]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if with_reflection:
            names = (*self._names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def start(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listens and returns the port. Raises SettingsInvalid where the address cannot be had."""
        try:
            port = (
                self._server.add_insecure_port(address)
                if credentials is None
                else self._server.add_secure_port(address, credentials)
            )
        except RuntimeError as err:
            raise SettingsInvalid(
                [f"cannot listen on {address}: another process has it, or it is not of this machine"]
            ) from err
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def stop(self, grace: float) -> None:
        """Refuses new calls at once and lets those under way finish within `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)


def mutual_credentials(serving: ServingCertificate, issuers: Issuers) -> grpc.ServerCredentials:
    """Requires a client certificate that chains to one of our roots."""
    return _dynamic_credentials(serving, issuers, require_client=True)


def server_credentials(serving: ServingCertificate, issuers: Issuers) -> grpc.ServerCredentials:
    """Does not ask for a client certificate."""
    return _dynamic_credentials(serving, issuers, require_client=False)


def _dynamic_credentials(
    serving: ServingCertificate, issuers: Issuers, *, require_client: bool
) -> grpc.ServerCredentials:
    def configuration() -> grpc.ServerCertificateConfiguration:
        pair = serving.pair
        trust = issuers.client_trust_pem if require_client else None
        return grpc.ssl_server_certificate_configuration([(pair.private_key, pair.chain)], trust)

    shown = serving.pair, issuers.client_trust_pem

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Called before every handshake, so it answers None (no change) as cheaply as it can."""
        nonlocal shown
        present = serving.pair, issuers.client_trust_pem
        if present[0] is shown[0] and present[1] is shown[1]:
            return None
        shown = present
        return configuration()

    return grpc.dynamic_ssl_server_credentials(configuration(), fetch, require_client)  # type: ignore[arg-type]  # None: no change
