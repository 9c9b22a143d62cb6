"""How a node runs containers: as processes of the tests' Python (`container`), or as what they are (`runc`)."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.servers.kubernetes.node.access import JsonObject
from tests.servers.kubernetes.node.ownership import Ownership, Unowned

_PROGRAM = Path(__file__).with_name("container.py")


class Process(Protocol):
    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Container(Protocol):
    """One of a pod, which is started again and again."""

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str], mounts: Mapping[str, str], log: Path
    ) -> Process:
        """From a thread that outlives it. May raise NotThereYet. `mounts` are as Volumes has them."""

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[bytes]":
        """Another command in it, as `kubectl exec` does. Raises subprocess.TimeoutExpired."""


class Runtime(Protocol):
    def start(self) -> None:
        """Before anything else."""

    def end(self) -> None:
        """After the last container."""

    def container(self, said: JsonObject, pod: JsonObject, *, directory: Path, address: str) -> Container:
        """`directory` is the pod's, `address` where it listens."""

    def ownership(self, pod: JsonObject) -> Ownership: ...

    def names_changed(self, hosts: Mapping[str, str]) -> None:
        """Where the Services of the cluster are by now."""

    def socket(self) -> socket.socket:
        """For TCP, in the network in which the containers are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """`root` is the node's directory; `names` the file that its network writes."""

    root: Path
    names: Path
    look_seconds: float

    def start(self) -> None:
        return

    def end(self) -> None:
        return

    def container(self, said: JsonObject, pod: JsonObject, *, directory: Path, address: str) -> "ProcessContainer":
        return ProcessContainer(
            specification=directory / f"{said['name']}.json",
            led={
                "kept": str(self.root),
                "names": str(self.names),
                "address": address,
                "look_seconds": self.look_seconds,
            },
        )

    def ownership(self, pod: JsonObject) -> Ownership:
        return Unowned()

    def names_changed(self, hosts: Mapping[str, str]) -> None:
        return

    def socket(self) -> socket.socket:
        return socket.socket()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContainer:
    specification: Path
    led: JsonObject

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str], mounts: Mapping[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        self.specification.write_text(json.dumps({**self.led, "mounts": dict(mounts)}))
        with log.open("ab") as output:
            return subprocess.Popen(
                self._command(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.specification.parent,
            )

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            self._command(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.specification.parent,
            timeout=seconds,
            check=False,
        )

    def _command(self, command: Sequence[str]) -> list[str]:
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        return [*prefix, sys.executable, "-P", str(_PROGRAM), str(self.specification), *command]
