"""The probes of a container, exec, httpGet and tcpSocket, and what they make of it.

- Until a container is ready it is probed more often than it says: tests wait for it.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.servers.kubernetes.node.access import JsonObject

_HURRIED_SECONDS = 0.5
_SLOW_SECONDS = 5.0
"""More than a kubelet waits, for machines of tests are slow, and a probe that comes too late has a container killed."""

Run = Callable[[list[str], float], int]
"""Runs a command in the container, for so many seconds at most; its exit status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    said: JsonObject
    container: JsonObject
    address: str
    run: Run
    make_socket: Callable[[], socket.socket] = socket.socket

    @property
    def period(self) -> float:
        return float(self.said.get("periodSeconds", 10))

    @property
    def failures(self) -> int:
        return int(self.said.get("failureThreshold", 3))

    def succeeds(self) -> bool:
        seconds = float(self.said.get("timeoutSeconds", 1)) + _SLOW_SECONDS
        match self.said:
            case {"exec": {"command": command}}:
                return self.run(list(command), seconds) == 0
            case {"httpGet": request}:
                scheme, port = request.get("scheme", "HTTP").lower(), self._port(request["port"])
                return self._answers(scheme, port, request.get("path", "/"), seconds)
            case {"tcpSocket": request}:
                with contextlib.suppress(OSError):
                    self._connect((self.address, self._port(request["port"])), seconds).close()
                    return True
                return False
        raise NotImplementedError(f"a probe of {', '.join(self.said)}")

    def _answers(self, scheme: str, port: int, path: str, seconds: float) -> bool:
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.address, port, timeout=seconds, context=context
            )
        else:
            connection = http.client.HTTPConnection(self.address, port, timeout=seconds)
        connection._create_connection = self._connect  # type: ignore[attr-defined]  # a hook of its own that has no type
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            return 200 <= connection.getresponse().status < 400
        return False

    def _connect(self, address: tuple[str, int], timeout: float, source: object = None) -> socket.socket:
        connecting = self.make_socket()
        connecting.settimeout(timeout)
        try:
            connecting.connect(address)
        except OSError:
            connecting.close()
            raise
        return connecting

    def _port(self, port: int | str) -> int:
        named = {each.get("name"): each["containerPort"] for each in self.container.get("ports", [])}
        return int(named.get(port, port))


@dataclass(slots=True, kw_only=True)
class Health:
    """Of one process. Nothing but `startup` is probed before it has started."""

    said: JsonObject
    address: str
    run: Run
    make_socket: Callable[[], socket.socket] = socket.socket
    is_started: bool = False
    is_ready: bool = False
    _probes: dict[str, Probe] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _failed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("startup", "readiness", "liveness"):
            if found := self.said.get(f"{name}Probe"):
                self._probes[name] = Probe(
                    said=found, container=self.said, address=self.address, run=self.run, make_socket=self.make_socket
                )
        if "startup" not in self._probes:
            self._start()

    def look(self, now: float) -> bool:
        """Probes what is due; whether the process is to be killed."""
        names = ["readiness", "liveness"] if self.is_started else ["startup"]
        return any(one for one in [self._look(name, now) for name in names if now >= self._due.get(name, 0)])

    def _look(self, name: str, now: float) -> bool:
        if not (probe := self._probes.get(name)):
            return False
        succeeds = probe.succeeds()
        failed = self._failed[name] = 0 if succeeds else self._failed.get(name, 0) + 1
        if succeeds and name == "startup":
            self._start()
        if name == "readiness":
            self.is_ready = succeeds or (self.is_ready and failed < probe.failures)
        hurries = not self.is_ready or (name == "readiness" and failed)
        self._due[name] = now + (min(probe.period, _HURRIED_SECONDS) if hurries else probe.period)
        return name != "readiness" and failed >= probe.failures

    def _start(self) -> None:
        self.is_started = True
        self.is_ready = "readiness" not in self._probes
