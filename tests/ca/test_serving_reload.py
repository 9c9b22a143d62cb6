"""The serving certificate is renewed while clients connect: none of them sees a failed handshake, and open connections stay."""

import asyncio
import contextlib
import secrets
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest

from ca.edges import Edges, Endpoints
from ca.metrics import Metrics
from ca.office import open_office
from ca.pipeline import SigningPipeline
from ca.serving import ServingCertificate, serving_names
from ca.settings import ServeSettings
from ca.watching import CertificateWatch
from certs.keys import generate_private_key
from protos.chancery.ca.v1 import trust_service_pb2 as trust
from protos.chancery.ca.v1.trust_service_pb2_grpc import TrustServiceStub
from tests.threads import join

pytestmark = pytest.mark.slow

_CLIENTS = 20
_RENEWALS = 8


@dataclass(slots=True, kw_only=True)
class Renewing:
    """Listeners whose serving certificate the test renews when it likes; and the clients' findings."""

    endpoints: Endpoints
    serving: ServingCertificate
    roots: bytes
    serials: set[str] = field(default_factory=set)
    connections: int = 0
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=self.roots.decode())
        address = urlsplit(self.endpoints.http)
        plain = socket.create_connection((address.hostname, address.port), timeout=60)
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    def connect_over_https(self) -> None:
        with self.connect() as connection:
            self.serials.add(_serial(connection))

    def connect_over_grpc(self) -> None:
        """gRPC for Python does not show the server's certificate; that the call succeeds is what counts."""
        target = (self.endpoints.enrollment or "").replace("127.0.0.1", "localhost")
        own = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(self.roots), own) as channel:
            TrustServiceStub(channel).GetTrustBundle(trust.GetTrustBundleRequest(), timeout=60)

    def await_connections(self, number: int) -> None:
        wanted = self.connections + number
        deadline = time.monotonic() + 60
        while self.connections < wanted:
            assert time.monotonic() < deadline, "clients have stopped connecting"
            time.sleep(0.01)

    def keep_connecting(self, connect: Callable[[], None]) -> None:
        while not self.over.is_set():
            try:
                connect()
            except (OSError, grpc.RpcError) as err:
                self.failures.append(repr(err))
            self.connections += 1


@pytest.fixture
async def renewing(tmp_path: Path) -> AsyncIterator[Renewing]:
    """Composed as the process is, but for the job that renews when it is due."""
    ports = {"grpc_port": 0, "http_port": 0, "enrollment_port": 0}
    settings = ServeSettings.from_mapping({"data_directory": tmp_path / "data", "drain_timeout": "1s", **ports})
    stopping = asyncio.Event()
    with open_office(
        settings, clock=lambda: datetime.now(UTC), entropy=secrets.token_bytes, key_factory=generate_private_key
    ) as office:
        metrics = Metrics()
        serving = ServingCertificate(
            authority=office.authority,
            issuers=office.issuers,
            names=serving_names((), "test-host"),
            key_factory=office.key_factory,
            clock=office.clock,
            metrics=metrics,
        )
        serving.renew()
        watch = CertificateWatch(
            inventory=office.inventory, policy=office.policy, clock=office.clock, stopping=stopping
        )
        pipeline = SigningPipeline(office.authority, capacity=100)
        edges = Edges(
            office=office, metrics=metrics, serving=serving, pipeline=pipeline, watch=watch, stopping=stopping
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(pipeline.close)
            endpoints = await edges.listen(stack)
            yield Renewing(endpoints=endpoints, serving=serving, roots=office.issuers.bundle.pem)
            stopping.set()


async def test_no_handshake_fails_while_the_certificate_is_renewed(renewing: Renewing) -> None:
    """Half of the clients speak HTTPS and half gRPC, each with a new connection every time."""
    attempts = [renewing.connect_over_https, renewing.connect_over_grpc] * (_CLIENTS // 2)
    threads = [threading.Thread(target=renewing.keep_connecting, args=(attempt,)) for attempt in attempts]
    try:
        for thread in threads:
            thread.start()
        for _ in range(_RENEWALS):
            await asyncio.to_thread(renewing.serving.renew)
            await asyncio.to_thread(renewing.await_connections, 2 * _CLIENTS)
    finally:
        renewing.over.set()
        await asyncio.to_thread(join, *threads)

    assert renewing.failures == []
    assert len(renewing.serials) >= _RENEWALS


async def test_new_connections_see_the_new_certificate_and_open_ones_stay(renewing: Renewing) -> None:
    early = await asyncio.to_thread(renewing.connect)
    with early:
        before = _serial(early)
        await asyncio.to_thread(renewing.serving.renew)

        early.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await asyncio.to_thread(early.recv, 100)
        await asyncio.to_thread(renewing.connect_over_https)

    assert answer.startswith(b"HTTP/1.1 200")
    assert before not in renewing.serials


def _serial(connection: ssl.SSLSocket) -> str:
    certificate = connection.getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])
