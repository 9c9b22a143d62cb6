"""One container as a process: started, probed, restarted, stopped; in a thread of its own, which lives as long as the process.

- The thread that starts a process must outlive it: PR_SET_PDEATHSIG, by which nothing outlives the tests, goes by threads.
"""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.kubernetes.node.access import JsonObject, NotThereYet
from tests.servers.kubernetes.node.probes import Health

_PROGRAM = Path(__file__).with_name("container.py")
_TICK_SECONDS = 0.05
_PROBE_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
"""Seconds before a container that ended is started again; a kubelet begins with ten."""


@dataclass(slots=True, kw_only=True)
class RunningContainer:
    """`prepare` gives command and environment anew for each start, and may raise NotThereYet."""

    said: JsonObject
    directory: Path
    root: Path
    names: Path
    address: str
    prepare: Callable[[], tuple[list[str], dict[str, str], dict[str, str]]]
    look_seconds: float
    restarts: bool
    """Whether it is started again when it ends well; it always is when it ends badly, unless `tries_once`."""
    tries_once: bool = False
    health: Health | None = None
    exit_status: int | None = None
    """Of one that is not started again."""
    restart_count: int = 0
    pid: int = 0
    waits_for: str = ""
    _process: "subprocess.Popen[bytes] | None" = None
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
            if self._stopping.is_set() or self.tries_once or (status == 0 and not self.restarts):
                self.exit_status = status
                return
            self.restart_count += 1
            pause = _FIRST_PAUSE if time.monotonic() - began > 10 * pause else min(2 * pause, _LONGEST_PAUSE)
            self._stopping.wait(pause)

    def _run_once(self) -> int:
        command, environment, mounts = self.prepare()
        self.waits_for = ""
        self._process = process = self._spawn(command, environment, mounts)
        self.pid = process.pid
        probing = threading.Thread(target=self._probe, args=(process, environment), daemon=True)
        probing.start()
        while process.poll() is None and not self._stopping.wait(_TICK_SECONDS):
            pass
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(self._grace)
            except subprocess.TimeoutExpired:
                process.kill()
        status = process.wait()
        probing.join(10)
        return status

    def _spawn(
        self, command: list[str], environment: dict[str, str], mounts: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        specification = self.directory / f"{self.name}.json"
        led = {"mounts": mounts, "kept": str(self.root), "names": str(self.names), "address": self.address}
        specification.write_text(json.dumps({**led, "look_seconds": self.look_seconds}))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )

    def _command(self, command: list[str]) -> list[str]:
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        return [*prefix, sys.executable, "-P", str(_PROGRAM), str(self.directory / f"{self.name}.json"), *command]

    def run(
        self, command: list[str], environment: dict[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[bytes]":
        """Another command in the container, as `kubectl exec` does. Raises subprocess.TimeoutExpired."""
        return subprocess.run(
            self._command(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.directory,
            timeout=seconds,
            check=False,
        )

    def _probe(self, process: "subprocess.Popen[bytes]", environment: dict[str, str]) -> None:
        def run(command: list[str], seconds: float) -> int:
            try:
                return self.run(command, environment, seconds + 5).returncode  # machines of tests are slow
            except subprocess.TimeoutExpired:
                return -1

        def goes_on() -> bool:
            return process.poll() is None and not self._stopping.is_set()

        self.health = Health(said=self.said, address=self.address, run=run)
        while goes_on():
            if self.health.look(time.monotonic()):
                process.kill()
            self._stopping.wait(_PROBE_SECONDS)
