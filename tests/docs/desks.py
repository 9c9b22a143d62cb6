"""Where a page's commands are run: a directory, the variables of a workstation, and the server that they speak of.

- bash runs them, and ends with the first that fails.
- The server is `ca-cli serve` as a process, with whatever the desk's variables say.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.ports import free_ports

_ROOT = Path(__file__).parents[2]
_PORTS = (
    "CHANCERY_GRPC_PORT",
    "CHANCERY_HTTP_PORT",
    "CHANCERY_ENROLLMENT_PORT",
    "CHANCERY_REVOCATION_PORT",
)
_SECONDS = 90
_STOP_SECONDS = 30


@dataclass(slots=True, kw_only=True)
class Desk:
    directory: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, directory: Path, **variables: str) -> "Desk":
        """Somebody sits down: nothing is there but the directory, and `ca-cli` in the path."""
        directory.mkdir(parents=True, exist_ok=True)
        programs = directory / "bin"
        programs.mkdir()
        ports = dict(zip(_PORTS, map(str, free_ports(len(_PORTS))), strict=True))
        own = {
            "HOME": str(directory),
            "CHANCERY_HOME": str(directory / ".chancery"),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(_ROOT),
            "GRPC_VERBOSITY": "NONE",
        }
        desk = cls(directory=directory, variables={**own, **ports, **variables})
        desk.give("ca-cli", [sys.executable, "-m", "cli.main"])
        return desk

    def give(self, program: str, command: Sequence[str]) -> None:
        """Puts a program into the path, which runs `command` with whatever arguments it is given."""
        path = self.directory / "bin" / program
        path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        path.chmod(0o755)

    @property
    def home(self) -> Path:
        return self.directory / ".chancery"

    def run(self, *commands: str, check: bool = True, **variables: str) -> "subprocess.CompletedProcess[str]":
        """One block after another, as one script. Fails the test where a command does."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
            cwd=self.directory,
            env={**os.environ, **self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert done.returncode == 0 or not check, f"{commands}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @contextlib.contextmanager
    def serving(self, *flags: str) -> Iterator["subprocess.Popen[str]"]:
        """The server, from the moment when it listens to the end of the block."""
        with self.launched(*flags) as server:
            assert server.stdout is not None
            for line in server.stdout:
                if line.startswith("enrollment"):
                    break
            else:
                raise AssertionError(f"the server ended with {server.wait()}: {self.log}")
            yield server

    @contextlib.contextmanager
    def launched(self, *flags: str) -> Iterator["subprocess.Popen[str]"]:
        with (self.directory / "serve.log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "serve", "--log-level", "warning", *flags],
                cwd=self.directory,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.communicate(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.communicate()

    @property
    def log(self) -> str:
        return (self.directory / "serve.log").read_text()[-3000:]
