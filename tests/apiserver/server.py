"""A whole API server in a thread of the test: a real listener on loopback, certificates of an outsider's CA."""

import asyncio
import contextlib
import gc
import logging
import secrets
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import trustme
import uvloop

from apiserver.assembly import Ambient
from apiserver.identity.tls import ReloadingContext, ServingPair
from apiserver.identity.trust import CaBundle, RequestHeaderSettings, Trust, TrustSettings
from apiserver.process import serve
from apiserver.settings import ApiServerSettings
from tests.apiserver.client import ApiClient
from tests.ca.server import MovableClock
from tests.threads import PATIENCE_SECONDS, join

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@dataclass(slots=True, kw_only=True)
class RunningApiServer:
    """What a test needs of a server."""

    url: str
    directory: Path
    clock: MovableClock
    trust: Trust
    tls: ReloadingContext
    serving_ca: trustme.CA
    client_ca: trustme.CA
    proxy_ca: trustme.CA
    _clients: list[ApiClient] = field(default_factory=list)

    def client(self, name: str = "development", *groups: str, ca: trustme.CA | None = None, **options) -> ApiClient:
        """A client with a certificate for a user and its groups, from the CA of clients or another one."""
        groups = groups or ("system:masters",)
        certificate = (ca or self.client_ca).issue_cert(common_name=name, organization_name=groups[0])
        return self.client_with(certificate, **options)

    def client_with(self, certificate: trustme.LeafCert | None, **options) -> ApiClient:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.serving_ca.configure_trust(context)
        if certificate is not None:
            certificate.configure_cert(context)
        client = ApiClient(self.url, context, **options)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()


@contextlib.contextmanager
def running_api_server(directory: Path, **settings: object) -> Iterator[RunningApiServer]:
    """Starts a server on a free port and stops it gracefully. `settings` are those of `ApiServerSettings`, by their flat names.

    What a server does to its process is undone: how soon threads take turns, and what the garbage collector passes over.
    """
    values = {"data_directory": directory, "secure_port": 0, "authorization_skip_lookup": True, **settings}
    parsed = ApiServerSettings.from_mapping(values)
    serving_ca, client_ca, proxy_ca = trustme.CA(), trustme.CA(), trustme.CA()
    trust = Trust(
        TrustSettings(
            client_ca=CaBundle.from_pem(client_ca.cert_pem.bytes()),
            request_header=RequestHeaderSettings(
                ca=CaBundle.from_pem(proxy_ca.cert_pem.bytes()), allowed_names=("front-proxy-client",)
            ),
        )
    )
    clock = MovableClock()
    started: Future[tuple[str, ReloadingContext]] = Future()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stopping = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stopping))
        await serve(
            parsed,
            pair=serving_pair(serving_ca),
            trust=trust,
            ambient=Ambient(
                clock=clock, monotonic=time.monotonic, entropy=secrets.token_bytes, program_version="0.0.0"
            ),
            stopping=stopping,
            announce=lambda url, tls: started.set_result((url, tls)),
        )

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run())
        except BaseException as err:
            if not started.done():
                started.set_exception(err)
            else:
                raise

    switch_interval = sys.getswitchinterval()
    thread = threading.Thread(target=work, name="apiserver")
    thread.start()
    try:
        url, tls = started.result(PATIENCE_SECONDS)
        server = RunningApiServer(
            url=url.replace("127.0.0.1", "localhost"),
            directory=directory,
            clock=clock,
            trust=trust,
            tls=tls,
            serving_ca=serving_ca,
            client_ca=client_ca,
            proxy_ca=proxy_ca,
        )
        try:
            yield server
        finally:
            server.close_clients()
    finally:
        for loop, stopping in stops:
            with contextlib.suppress(RuntimeError):  # the loop has ended already, with an error that the test sees
                loop.call_soon_threadsafe(stopping.set)
        join(thread, loops=[loop for loop, _ in stops])
        sys.setswitchinterval(switch_interval)
        gc.unfreeze()


def serving_pair(ca: trustme.CA) -> ServingPair:
    certificate = ca.issue_cert("localhost", "127.0.0.1", "::1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return ServingPair(chain=chain, private_key=certificate.private_key_pem.bytes())
