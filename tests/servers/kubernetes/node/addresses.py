"""Addresses of pods and Services: those that the cluster knows, and where they are on loopback.

- EndpointSlices refuse loopback addresses. So the cluster is told 10.P.x.y, and the same pod listens on 127.P.x.y; every pod
  has all ports to itself. P differs between nodes that run at once on one machine.
"""

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

SERVICES = "10.0.0."
"""What cluster IPs begin with: --service-cluster-ip-range of the test cluster."""

_LOCK_PORT = 20_009
_UNPRIVILEGED = 1024
_SHIFT = 20_000


@dataclass(slots=True)
class Addresses:
    part: int = 0
    _lock: socket.socket = field(default_factory=socket.socket)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2))

    def __post_init__(self) -> None:
        for part in ((os.getpid() + tried) % 200 + 20 for tried in range(200)):
            with contextlib.suppress(OSError):
                self._lock.bind((f"127.{part}.0.1", _LOCK_PORT))
                self.part = part
                return
        raise OSError("all addresses of loopback are in use")

    def new(self) -> str:
        """Of a pod, as the cluster knows it."""
        number = next(self._numbers)
        return f"10.{self.part}.{number // 250}.{number % 250 + 1}"

    def is_of_pod(self, address: str) -> bool:
        return address.startswith(f"10.{self.part}.")

    def of_pod(self, address: str) -> str:
        """Where a pod is on loopback."""
        return f"127.{address.partition('.')[2]}"

    def of_service(self, address: str, port: int) -> tuple[str, int]:
        """Where a Service is on loopback: nobody without rights may listen on its low ports."""
        return f"127.{self.part}.255.{address.rpartition('.')[2]}", port if port >= _UNPRIVILEGED else port + _SHIFT

    def release(self) -> None:
        self._lock.close()


class OwnAddresses(Addresses):
    """In a network of the node's own Services are where the cluster knows them. Pods are on loopback there too: tests may connect
    to nothing else."""

    def of_service(self, address: str, port: int) -> tuple[str, int]:
        return address, port
