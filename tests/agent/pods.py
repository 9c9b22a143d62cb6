"""An agent over a real authority and real files, whose pauses take no time: a test moves the clock and cuts the line."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.authority import Authority
from agent.credentials import Credentials
from agent.enrollment import Enrollment
from agent.formats import Format
from agent.heartbeat import Heartbeat
from agent.https import HttpsServer, JsonObject
from agent.identity import load_credentials
from agent.publication import Publication
from agent.reload import ReloadHook
from agent.renewer import RenewalEvent, StepFailed
from agent.token_keys import TokenKeys
from agent.trust import TrustFollower
from agent.workload import Workload
from certs.keys import KeyType, generate_private_key
from protos.chancery.ca.v1 import admin_service_pb2 as admin
from protos.chancery.ca.v1 import certificate_pb2 as wire
from protos.chancery.ca.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.ca.server import MovableClock, RunningServer
from tests.servers.ports import free_port

SPIFFE_ID = "spiffe://cluster.local/ns/shop/sa/web"


@dataclass
class Line:
    """The way to the authority; while it is cut, to a port on which nobody listens."""

    server: HttpsServer
    is_cut: bool = False
    asked: list[str] = field(default_factory=list)

    def ask(self, verb: str, path: str, **options) -> JsonObject:
        self.asked.append(f"{verb} {path.partition('?')[0]}")
        server = replace(self.server, port=free_port()) if self.is_cut else self.server
        return server.ask(verb, path, **options)


@dataclass
class Pod:
    """One directory and what stands around it. `turns` end a run; `on_pause` is called with the number of the pause."""

    directory: Path
    line: Line
    token_file: Path
    bootstrap: Path
    clock: MovableClock = field(default_factory=MovableClock)
    hooks: tuple[ReloadHook, ...] = ()
    dns_names: tuple[str, ...] = ()
    formats: frozenset[Format] = frozenset({Format.PEM, Format.BUNDLE})
    on_pause: Callable[[int], None] = lambda _number: None
    events: list[RenewalEvent] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    _turns: int = 0
    _workload: Workload | None = None

    @property
    def workload(self) -> Workload:
        self._workload = self._workload or self._start()
        return self._workload

    def restart(self) -> None:
        self._workload = None
        self.line.asked.clear()

    def run(self, turns: int = 1) -> None:
        """The loop, until it has paused so many times."""
        self._turns = len(self.pauses) + turns
        self.workload.run()

    @property
    def held(self) -> Credentials:
        return load_credentials(self.directory)

    @property
    def failures(self) -> list[StepFailed]:
        return [event for event in self.events if isinstance(event, StepFailed)]

    def enrollment(self, authority: Authority | None = None) -> Enrollment:
        """What gets a certificate and publishes nothing, as an agent that dies as soon as it has it."""
        return Enrollment(
            authority or Authority(self.line, bootstrap=self.bootstrap),
            token_file=self.token_file,
            token_keys=TokenKeys(self.directory),
            lifetime=None,
            dns_names=self.dns_names,
            key_type=KeyType.EC_P256,
            clock=self.clock,
            entropy=secrets.token_bytes,
            key_factory=generate_private_key,
            note=self.notes.append,
        )

    def _start(self) -> Workload:
        authority = Authority(self.line, bootstrap=self.bootstrap)
        return Workload(
            authority=authority,
            enrollment=self.enrollment(authority),
            publication=Publication(
                directory=self.directory,
                formats=self.formats,
                clock=self.clock,
                entropy=secrets.token_bytes,
                key_mode=0o440,
            ),
            follower=TrustFollower(consumer="pod"),
            heartbeat=Heartbeat.of(self.directory, lambda: sum(self.pauses)),
            hooks=self.hooks,
            clock=self.clock,
            entropy=os.urandom,
            pause=self._pause,
            report=self.events.append,
        )

    def _pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.on_pause(len(self.pauses))
        return len(self.pauses) >= self._turns


def pod_of(server: RunningServer, directory: Path, **options) -> Pod:
    """A pod with a token that is good for one certificate, and the authority's roots."""
    volume = directory / "bootstrap"
    volume.mkdir()
    (volume / "token").write_text(new_token(server) + "\n")
    (volume / "ca.crt").write_bytes(server.administrator.roots)
    line = Line(HttpsServer.from_url(server.url))
    return Pod(
        directory=directory / "tls", line=line, token_file=volume / "token", bootstrap=volume / "ca.crt", **options
    )


def new_token(server: RunningServer) -> str:
    names = wire.SubjectAlternativeNames(uris=[SPIFFE_ID])
    request = admin.CreateTokenRequest(names=names, profile="workload")
    return AdminServiceStub(server.channel()).CreateToken(request, timeout=60).secret


@contextmanager
def limited_files(octets: int) -> Iterator[None]:
    """No file of this process may grow beyond that, which is how a full disk looks to it."""
    import resource
    import signal

    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)
