"""One server program as a direct child of the tests: started, stopped, killed, started again on the same port.

- It dies with the tests, even if these are killed (prctl PR_SET_PDEATHSIG, by way of setpriv, where there is one).
- A port is reserved for as long as the object lives, so that nobody else gets it while the server is down: the reserving socket
  is bound with SO_REUSEPORT and does not listen, and the server is told to bind likewise.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 30
_SHOWN_OCTETS = 4000


@dataclass(slots=True, kw_only=True)
class ChildProcess:
    name: str
    command: Sequence[str]
    directory: Path
    """Where it runs, and writes its log."""
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    def log_tail(self) -> str:
        """The last of what it said, under a heading, to be shown with a failure."""
        said = self.log.read_bytes()[-_SHOWN_OCTETS:].decode(errors="replace") if self.log.exists() else ""
        return f"--- the end of {self.log.name} ---\n{said}"

    def start(self) -> None:
        assert not self.is_running, f"{self.name} is running already"
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        environment = {"PATH": os.defpath, "HOME": str(self.directory), "TZ": "UTC"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.directory,
            )

    def stop(self) -> None:
        """Gracefully, by SIGTERM; by SIGKILL if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        self._process = None


@dataclass(slots=True)
class ReservedPort:
    """A free port of 127.0.0.1 for one server that binds with SO_REUSEPORT."""

    _socket: socket.socket = field(default_factory=socket.socket)

    def __post_init__(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("127.0.0.1", 0))

    @property
    def number(self) -> int:
        return int(self._socket.getsockname()[1])

    def release(self) -> None:
        self._socket.close()


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
