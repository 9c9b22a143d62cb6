"""A whole CA process in a thread of the test: real listeners on loopback, a clock that the test moves, its own data directory."""

import asyncio
import contextlib
import gc
import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog

from ca.edges import Endpoints
from ca.office import AdministratorIdentity, Office, issue_administrator, open_office
from ca.process import serve
from ca.settings import ServeSettings
from certs.keys import generate_private_key
from tests.threads import PATIENCE_SECONDS, join

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@dataclass(slots=True)
class MovableClock:
    """The present instant plus whatever the test has added: TLS on both sides judges by the machine's clock."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, span: timedelta) -> None:
        self.offset += span


@dataclass(slots=True, kw_only=True)
class RunningServer:
    """What a test needs of a server."""

    office: Office
    clock: MovableClock
    endpoints: Endpoints
    administrator: AdministratorIdentity
    directory: Path
    _channels: list[grpc.Channel] = field(default_factory=list)

    @property
    def grpc_target(self) -> str:
        return (self.endpoints.grpc or "").replace("127.0.0.1", "localhost")

    @property
    def enrollment_target(self) -> str:
        return (self.endpoints.enrollment or "").replace("127.0.0.1", "localhost")

    @property
    def url(self) -> str:
        return self.endpoints.http.replace("127.0.0.1", "localhost")

    def channel(self, identity: "AdministratorIdentity | None" = None) -> grpc.Channel:
        """A channel to the mTLS port, as the administrator where no other identity is given."""
        shown = identity or self.administrator
        credentials = grpc.ssl_channel_credentials(self.administrator.roots, shown.private_key, shown.chain)
        return self._kept(grpc.secure_channel(self.grpc_target, credentials))

    def public_channel(self) -> grpc.Channel:
        return self._kept(
            grpc.secure_channel(self.enrollment_target, grpc.ssl_channel_credentials(self.administrator.roots))
        )

    def write_identity(self, directory: Path) -> Path:
        """The administrator's tls.crt, tls.key and ca.crt, for curl and the like."""
        directory.mkdir(mode=0o700, exist_ok=True)
        contents = {
            "tls.crt": self.administrator.chain,
            "tls.key": self.administrator.private_key,
            "ca.crt": self.administrator.roots,
        }
        for name, content in contents.items():
            (directory / name).write_bytes(content)
            (directory / name).chmod(0o600)
        return directory

    def close_channels(self) -> None:
        for channel in self._channels:
            channel.close()

    def _kept(self, channel: grpc.Channel) -> grpc.Channel:
        self._channels.append(channel)
        return channel


@contextlib.contextmanager
def running_server(directory: Path, **settings: object) -> Iterator[RunningServer]:
    """Starts a server on free ports and stops it gracefully. `settings` are those of `ServeSettings`, by their flat names."""
    values = {"data_directory": directory, "grpc_port": 0, "http_port": 0, "enrollment_port": 0, **settings}
    clock = MovableClock()
    with open_office(
        ServeSettings.from_mapping(values),
        clock=clock,
        entropy=secrets.token_bytes,
        key_factory=generate_private_key,
    ) as office:
        administrator = issue_administrator(office, common_name="administrator")
        with _served(office) as endpoints:
            server = RunningServer(
                office=office, clock=clock, endpoints=endpoints, administrator=administrator, directory=directory
            )
            try:
                yield server
            finally:
                server.close_channels()


@contextlib.contextmanager
def _served(office: Office) -> Iterator[Endpoints]:
    announced: Future[Endpoints] = Future()
    stop: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        stopping = asyncio.Event()
        stop.set_result((asyncio.get_running_loop(), stopping))
        await serve(office, host_name="test-host", stopping=stopping, announce=announced.set_result)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as err:
            if announced.done():
                raise
            announced.set_exception(err)

    thread = threading.Thread(target=run, name="ca-server")
    thread.start()
    try:
        yield announced.result(PATIENCE_SECONDS)
    finally:
        loop, stopping = stop.result(PATIENCE_SECONDS)
        with contextlib.suppress(RuntimeError):  # the loop has ended already, with an error that the test sees
            loop.call_soon_threadsafe(stopping.set)
        join(thread, loops=[loop])
        gc.unfreeze()  # what the server has had the garbage collector pass over
