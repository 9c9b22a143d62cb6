"""How a service is told that its certificate has changed: by a signal, by a command or by an HTTP request.

- A hook that fails raises ReloadFailed; the certificate is in place by then and stays.
- A command is an argument list and never passes a shell. It has a time limit, no input, and a process group of its
  own, so that what it started ends with it.
- A request goes to this machine or pod alone, in plain text, and carries nothing. It, too, has a time limit, however the answer
  comes.
"""

import contextlib
import http.client
import ipaddress
import os
import signal
import subprocess
import tempfile
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol, Self

from agent.errors import CommandFailed, CommandTimedOut, RequestNotTaken, SignalNotSent
from agent.pod_processes import first_process_of
from agent.time_limits import at_most

DEFAULT_COMMAND_TIMEOUT = timedelta(seconds=30)
DEFAULT_REQUEST_TIMEOUT = timedelta(seconds=10)
_OUTPUT_SHOWN = 4096
_LARGEST_PID = 2**22


class ReloadHook(Protocol):
    """Tells one user of the files to read them again."""

    @property
    def description(self) -> str:
        """What the hook does, for a log line."""
        ...

    def run(self) -> None:
        """Returns once told. Raises ReloadFailed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHook:
    """Sends a signal to the process `pid`, to the one that `pid_file` names at the time, or to the first one of `container`."""

    signal_number: signal.Signals = signal.SIGHUP
    pid: int | None = None
    pid_file: Path | None = None
    container: str | None = None

    @property
    def description(self) -> str:
        if self.container is not None:
            return f"{self.signal_number.name} to container {self.container}"
        return f"{self.signal_number.name} to {self.pid if self.pid_file is None else self.pid_file}"

    def run(self) -> None:
        """Raises SignalNotSent when there is no such process, it is not ours to signal, or the file names none."""
        pid = self._find_pid()
        if pid is None or not 1 < pid <= _LARGEST_PID:
            raise SignalNotSent(f"{pid} is not the id of a process to reload; name one by id or by pid file")
        try:
            os.kill(pid, self.signal_number)
        except OSError as err:
            raise SignalNotSent(
                f"cannot send {self.signal_number.name} to process {pid}: {err.strerror}; is it running?"
            ) from err

    def _find_pid(self) -> int | None:
        if self.container is not None:
            pid = first_process_of(self.container)
            if pid is None:
                raise SignalNotSent(
                    f"there is no process of container {self.container}; is it running, and does the pod share its processes?"
                )
            return pid
        return self._read_pid() if self.pid_file is not None else self.pid

    def _read_pid(self) -> int:
        path = self.pid_file or Path()
        try:
            with open(path, "rb", opener=_open_at_once) as stream:
                return int(stream.read(32) or b"")
        except OSError as err:
            raise SignalNotSent(f"cannot read the pid file {path}: {err.strerror}; is the service running?") from err
        except ValueError as err:
            raise SignalNotSent(f"{path} does not hold a process id; is it the right file?") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHook:
    """Posts nothing to a path of an HTTP server on a loopback address; any status from 200 to 299 counts as told."""

    host: str
    port: int
    path: str
    timeout: timedelta = DEFAULT_REQUEST_TIMEOUT

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Reads `http://127.0.0.1:9000/reload`. Raises ValueError for another scheme, and for what is not loopback."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not _is_loopback(parts.hostname) or parts.username is not None:
            raise ValueError(f"{url!r} is not a plain http address of this machine; write http://127.0.0.1:PORT/PATH")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError(f"{url!r} holds characters that no address has; percent-encode them")
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return cls(host=parts.hostname or "", port=parts.port or 80, path=path)

    @property
    def description(self) -> str:
        return f"POST http://{self.host}:{self.port}{self.path}"

    def run(self) -> None:
        """Raises RequestNotTaken."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout.total_seconds())
        try:
            with contextlib.closing(connection), at_most(self.timeout.total_seconds(), connection):
                connection.request("POST", self.path, b"")
                with connection.getresponse() as answer:
                    status = answer.status
        except (OSError, http.client.HTTPException) as err:
            raise RequestNotTaken(
                f"{self.description}: {str(err) or type(err).__name__}; is the service running?"
            ) from err
        if not 200 <= status < 300:
            raise RequestNotTaken(f"{self.description} was answered {status}; see what the service says about it")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHook:
    """Runs `arguments` (program first) and waits for exit code 0."""

    arguments: Sequence[str]
    timeout: timedelta = DEFAULT_COMMAND_TIMEOUT

    @property
    def description(self) -> str:
        return f"command {' '.join(self.arguments)}"

    def run(self) -> None:
        """Raises CommandFailed with the last 4 KiB of the output, CommandTimedOut after the whole group was killed."""
        if not self.arguments:
            raise CommandFailed("the reload command is empty; name a program")
        with _room_for_output() as output:
            code = self._wait(output)
            if code != 0:
                raise CommandFailed(
                    f"{self.arguments[0]} ended with code {code}; {_shown(output)}", output=_tail(output)
                )

    def _wait(self, output: IO[bytes]) -> int:
        try:
            process = subprocess.Popen(  # noqa: S603  an argument list that the operator wrote, without a shell
                list(self.arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as err:
            raise CommandFailed(f"cannot start {self.arguments[0]}: {err}; give its full path") from err
        with process:
            try:
                return process.wait(self.timeout.total_seconds())
            except BaseException as err:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(err, subprocess.TimeoutExpired):
                    raise
                raise CommandTimedOut(
                    f"{self.arguments[0]} did not end within {self.timeout.total_seconds():g} s and was killed",
                    output=_tail(output),
                ) from err


def _open_at_once(path: str, flags: int) -> int:
    """A pipe, too, which would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _room_for_output() -> IO[bytes]:
    """On a disk that takes nothing, nowhere: the command is run all the same."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return Path(os.devnull).open("r+b")


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - _OUTPUT_SHOWN, 0))
    return output.read().decode("utf-8", "replace")


def _shown(output: IO[bytes]) -> str:
    lines = _tail(output).strip().splitlines()
    return f"it wrote: {lines[-1][:200]}" if lines else "it wrote nothing"
