"""One container: started, probed, restarted, stopped; in a thread of its own, which lives as long as the process.

- The thread that starts a process must outlive it: PR_SET_PDEATHSIG, by which nothing outlives the tests, goes by threads.
"""

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.kubernetes.node.access import JsonObject, NotThereYet
from tests.servers.kubernetes.node.probes import Health
from tests.servers.kubernetes.node.runtime import Container, Process

_TICK_SECONDS = 0.05
_PROBE_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
"""Seconds before a container that ended is started again; a kubelet begins with ten."""
_LONGEST_MESSAGE = 2048


@dataclass(slots=True, kw_only=True)
class RunningContainer:
    """`prepare` gives command and environment anew for each start, and may raise NotThereYet."""

    said: JsonObject
    container: Container
    directory: Path
    address: str
    prepare: Callable[[], tuple[list[str], dict[str, str], dict[str, str]]]
    make_socket: Callable[[], socket.socket] = socket.socket
    restarts: bool
    """Whether it is started again when it ends well; it always is when it ends badly, unless `tries_once`."""
    tries_once: bool = False
    health: Health | None = None
    exit_status: int | None = None
    """Of one that is not started again."""
    restart_count: int = 0
    last_end: tuple[int, str] | None = None
    """Status and, where that is bad, the end of the log, as by `terminationMessagePolicy: FallbackToLogsOnError`."""
    pid: int = 0
    waits_for: str = ""
    _process: Process | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _grace: float = 30.0

    @property
    def name(self) -> str:
        return str(self.said["name"])

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def is_started(self) -> bool:
        return self.health is not None and self.health.is_started

    @property
    def is_ready(self) -> bool:
        return self.health is not None and self.health.is_ready

    @property
    def has_ended(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"container {self.name}")
        self._thread.start()

    def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; returns at once."""
        self._grace = grace
        self._stopping.set()

    def join(self) -> None:
        if self._thread:
            self._thread.join()

    def kill(self) -> None:
        """As the kernel does it to a container: it will be started again."""
        if self._process:
            self._process.kill()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                status = self._run_once()
            except NotThereYet as err:
                self.waits_for = str(err)
                self._stopping.wait(0.2)
                continue
            self.health = None
            self.last_end = (abs(status), _end_of(self.log) if status else "")
            if self._stopping.is_set() or self.tries_once or (status == 0 and not self.restarts):
                self.exit_status = status
                return
            self.restart_count += 1
            pause = _FIRST_PAUSE if time.monotonic() - began > 10 * pause else min(2 * pause, _LONGEST_PAUSE)
            self._stopping.wait(pause)

    def _run_once(self) -> int:
        command, environment, mounts = self.prepare()
        self.waits_for = ""
        self._process = process = self.container.spawn(command, environment, mounts, self.log)
        self.pid = process.pid
        probing = threading.Thread(target=self._probe, args=(process, environment), daemon=True)
        probing.start()
        while process.poll() is None and not self._stopping.wait(_TICK_SECONDS):
            pass
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(self._grace)
            except subprocess.TimeoutExpired:
                process.kill()
        status = process.wait()
        probing.join(60)
        return status

    def run(
        self, command: list[str], environment: dict[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[bytes]":
        """Another command in the container, as `kubectl exec` does. Raises subprocess.TimeoutExpired."""
        return self.container.run(command, environment, seconds)

    def _probe(self, process: Process, environment: dict[str, str]) -> None:
        def run(command: list[str], seconds: float) -> int:
            try:
                return self.run(command, environment, seconds).returncode
            except subprocess.TimeoutExpired:
                return -1

        def goes_on() -> bool:
            return process.poll() is None and not self._stopping.is_set()

        self.health = Health(said=self.said, address=self.address, run=run, make_socket=self.make_socket)
        while goes_on():
            if self.health.look(time.monotonic()):
                process.kill()
            self._stopping.wait(_PROBE_SECONDS)


def _end_of(log: Path) -> str:
    octets = log.read_bytes()[-_LONGEST_MESSAGE:] if log.exists() else b""
    return octets.decode(errors="replace")
