"""Runs one Python program as if in a container: the first thing that such a process executes.

- It needs no rights: what a kernel does with namespaces is done inside the process. A path below a mount is led to the
  directory of the volume; the name of a Service to where the network of the node serves it.
- The program itself, its arguments and its environment are those of the pod. What is not reached in this way (a file that a
  C library opens by itself) is not there, and fails visibly.
- One time of ours may be made shorter: whoever holds an identity looks at the trust bundle each minute.
- Not played: the user, the group and the modes of volumes, read-only mounts, and limits. `runc` has all but the last.
"""

import builtins
import functools
import importlib
import io
import json
import os
import runpy
import socket
import sqlite3
import ssl
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

_OF_ONE_PATH = (
    "access", "chmod", "chown", "lchown", "listdir", "lstat", "mkdir", "open", "readlink", "remove", "rmdir",
    "scandir", "stat", "statvfs", "truncate", "unlink", "utime",
)  # fmt: skip
_OF_TWO_PATHS = ("link", "rename", "replace")


class Mounts:
    """What lies below `kept` is the machine's, and never taken for a path of the container."""

    def __init__(self, mounts: Mapping[str, str], kept: tuple[str, ...]) -> None:
        self._mounts = sorted(mounts.items(), key=lambda mount: -len(mount[0]))
        self._kept = kept

    def outside(self, path: Any) -> Any:
        """Where a path of the container is on the machine; what is no path comes back as it is."""
        text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        if not isinstance(text, str) or text.startswith(self._kept):
            return path
        for inner, outer in self._mounts:
            if text == inner or text.startswith(f"{inner}/"):
                return outer + text[len(inner) :]
        return path

    def lead(self, function: Callable[..., Any], *positions: int) -> Callable[..., Any]:
        @functools.wraps(function)
        def led(*arguments: Any, **options: Any) -> Any:
            given = list(arguments)
            for position in positions:
                if position < len(given):
                    given[position] = self.outside(given[position])
            return function(*given, **{name: self.outside(value) for name, value in options.items()})

        return led

    def install(self) -> None:
        for name in _OF_ONE_PATH:
            self._replace_in_os(name, 0)
        for name in _OF_TWO_PATHS:
            self._replace_in_os(name, 0, 1)
        self._replace_in_os("symlink", 1)
        opened = self.lead(builtins.open, 0)
        builtins.open = io.open = opened
        for method in ("load_cert_chain", "load_verify_locations"):
            setattr(ssl.SSLContext, method, self.lead(getattr(ssl.SSLContext, method), 1, 2))
        sqlite3.connect = self._connecting(sqlite3.connect)
        for method in ("bind", "connect"):  # of sockets that are files
            setattr(socket.socket, method, self.lead(getattr(socket.socket, method), 1))

    def _replace_in_os(self, name: str, *positions: int) -> None:
        original = getattr(os, name)
        led = self.lead(original, *positions)
        for capable in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            if original in capable:
                capable.add(led)
        setattr(os, name, led)

    def _connecting(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        def led(database: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(database, str) and database.startswith("file://"):
                return connect(f"file://{self.outside(database[7:])}", *arguments, **options)
            return connect(self.outside(database), *arguments, **options)

        return led


class Names:
    """The names of Services, out of a file that the network writes: {"host port": [address, port]}; and `localhost`, which is
    where all containers of the pod listen."""

    def __init__(self, file: Path, address: str) -> None:
        self._file, self._address = file, address

    def find(self, host: Any, port: Any) -> tuple[str, int] | None:
        if host == "localhost" and isinstance(port, int):
            return self._address, port
        found = json.loads(self._file.read_text()).get(f"{host} {port}")
        return (found[0], found[1]) if found else None

    def install(self) -> None:
        resolve = socket.getaddrinfo

        def resolving(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            address, number = self.find(name, port) or (host, port)
            return resolve(address, number, *arguments, **options)

        socket.getaddrinfo = resolving

    def install_in_grpc(self) -> None:
        """gRPC resolves names in a library of its own."""
        import grpc

        dial = grpc.secure_channel

        def dialling(target: str, credentials: Any, options: Any = None, **further: Any) -> Any:
            host, _, port = target.rpartition(":")
            if not (found := self.find(host, int(port))):
                return dial(target, credentials, options, **further)
            named = (("grpc.ssl_target_name_override", host), ("grpc.default_authority", target))
            return dial(f"ipv4:{found[0]}:{found[1]}", credentials, (*(options or ()), *named), **further)

        grpc.secure_channel = dialling


def look_sooner(seconds: float, arguments: list[str]) -> None:
    """Also the authority then waits, where it was away, for shorter looks."""
    importlib.import_module("agent.schedule").LONGEST_SLEEP = timedelta(seconds=seconds)
    if arguments[:1] == ["serve"]:
        importlib.import_module("ca.rotation.keeper")._AWAY_SECONDS = int(3 * seconds)


_TREE = Path(__file__).parents[4]


def main() -> None:
    """container.py SPECIFICATION COMMAND ARGUMENT…; COMMAND is `ca-cli` or `python`, which takes a file."""
    _, specification, command, *arguments = sys.argv
    sys.path.insert(0, str(_TREE))
    said = json.loads(Path(specification).read_text())
    mounts = Mounts(said["mounts"], (said["kept"], str(_TREE), sys.prefix, sys.base_prefix))
    names = Names(Path(said["names"]), said["address"])
    names.install()
    socket.gethostname = lambda: os.environ["HOSTNAME"]
    if said["look_seconds"]:
        look_sooner(said["look_seconds"], arguments)
    if command == "ca-cli":
        if arguments[:1] != ["agent"]:  # which must not import it
            names.install_in_grpc()
        sys.argv = [command, *arguments]
        mounts.install()
        importlib.import_module("cli.main").main()
    else:
        sys.argv = arguments
        program = Path(arguments[0]).resolve()
        mounts.install()
        runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
