"""Processes, mounts and a network apart from the machine's, which end with whoever made them, however that ends.

- It is a process that holds namespaces. It dies with the tests (PR_SET_PDEATHSIG); then the kernel kills whoever is in that of
  PIDs, and undoes what is mounted in that of mounts.
- What the machine mounts later is not seen in it. Its network is a loopback that has all of 10.0.0.0/8 as well, and leads nowhere.
"""

import ctypes
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_HOLDS = """
mount -t tmpfs -o mode=0711 tmpfs "$1" && ip link set lo up && ip address add 10.255.255.254/8 dev lo && echo && exec sleep infinity
"""
_SECONDS = 60.0
_CLONE_NEWNET = 0x40000000


@dataclass(slots=True, kw_only=True)
class Enclosure:
    """`directory` has a file system in memory there."""

    directory: Path
    _holder: "subprocess.Popen[bytes] | None" = None
    _pid: int = 0
    _inside: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """From a thread that outlives it. It takes root."""
        self.directory.mkdir(parents=True)
        self._holder = holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--pid", "--mount", "--net", "--fork", "--kill-child=KILL", "--mount-proc"),
                *("sh", "-c", _HOLDS, "sh", str(self.directory)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout
        assert holder.stdout.readline() == b"\n", "no namespaces can be had"
        self._pid = int(Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0])
        self._inside = ThreadPoolExecutor(max_workers=1, initializer=self._enter)

    def end(self) -> None:
        if self._inside:
            self._inside.shutdown()
        if self._holder:
            self._holder.kill()
            self._holder.communicate(timeout=_SECONDS)
            self._holder = None

    def command(self, *words: str) -> list[str]:
        """That runs `words` in it."""
        return ["nsenter", f"--target={self._pid}", "--pid", "--mount", "--net", "--", *words]

    def run(self, *words: str, seconds: float = _SECONDS) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )

    def seen(self, path: Path) -> Path:
        """The machine's path of what is at `path` in it."""
        return Path(f"/proc/{self._pid}/root{path}")

    def socket(self) -> socket.socket:
        """For TCP, of its network, whoever then uses it."""
        assert self._inside
        return self._inside.submit(socket.socket).result(_SECONDS)

    def _enter(self) -> None:
        """A thread alone."""
        namespace = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace can be entered")
        os.close(namespace)
