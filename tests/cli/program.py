"""`ca-cli` for tests: run inside the test process, or as a process of its own where it serves or must be stopped."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cli.main import run

COMMAND = (sys.executable, "-m", "cli.main")
SETTLED = {"GRPC_VERBOSITY": "NONE"}
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    status: int
    output: str
    errors: str

    def __str__(self) -> str:
        return f"status {self.status}\n{self.output}\n{self.errors}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Runs command lines with `home` as CHANCERY_HOME and `variables` beside it; relative paths lie below `directory`."""

    home: Path
    directory: Path
    variables: Mapping[str, str]

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", **variables: str) -> Outcome:
        """In this process: what the console script would print and return."""
        output, errors = _capture(), _capture()
        source = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        with (
            patch.dict(os.environ, {**self.environment, **variables}),
            patch.object(sys, "stdin", source),
            contextlib.chdir(self.directory),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            status = run([str(one) for one in arguments])
        return Outcome(status=status, output=_text(output), errors=_text(errors))

    def succeed(self, *arguments: str | Path, stdin: bytes = b"", **variables: str) -> str:
        """What the command printed; fails the test where its status is not 0."""
        outcome = self(*arguments, stdin=stdin, **variables)
        assert outcome.status == 0, outcome
        return outcome.output

    def start(self, *arguments: str | Path, **variables: str) -> "subprocess.Popen[str]":
        """A process of its own, in its own group."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=self.directory,
            env={**os.environ, **SETTLED, "PYTHONPATH": _repository(), **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def environment(self) -> Mapping[str, str]:
        return {"CHANCERY_HOME": str(self.home), **self.variables}


@contextlib.contextmanager
def serving(program: Program, *arguments: str) -> Iterator[Mapping[str, str]]:
    """A server on free ports; the addresses of its listeners by name. Stopped at the end, gracefully."""
    ports = ("--grpc-port", "0", "--http-port", "0", "--enrollment-port", "0")
    process = program.start("serve", *ports, "--log-level", "warning", *arguments)
    try:
        yield _announced(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def client_variables(endpoints: Mapping[str, str]) -> dict[str, str]:
    """The variables by which a client finds the server."""
    return {
        "CHANCERY_SERVER": _named(endpoints.get("grpc", "127.0.0.1:1")),
        "CHANCERY_ENROLLMENT_SERVER": _named(endpoints.get("enrollment", "127.0.0.1:1")),
        "CHANCERY_HTTP_SERVER": _named(endpoints["http"].partition("://")[2]),
    }


def _announced(process: "subprocess.Popen[str]") -> dict[str, str]:
    endpoints: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        name, address, *_ = line.split()
        endpoints[name] = address
        if name == "enrollment":
            return endpoints
    _, errors = process.communicate()
    raise AssertionError(f"the server did not start: {errors}")


def _named(address: str) -> str:
    return address.replace("127.0.0.1", "localhost")


def _repository() -> str:
    return str(Path(__file__).parents[2])


def _capture() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    buffer: Any = stream.buffer
    return bytes(buffer.getvalue()).decode()
