"""Free loopback ports for servers that are told theirs, and bind it some time later.

- From below the range out of which the kernel serves outgoing connections and port 0, so that none of those takes one meanwhile.
- Each test process has a stretch of its own, held by a socket that is bound to its first port for as long as the process lives,
  and gives out no port twice in a row.
"""

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator

_LOWEST, _BEYOND = 10_000, 32_000
_STRETCHES = 44
_LENGTH = (_BEYOND - _LOWEST) // _STRETCHES


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


def free_port() -> int:
    if _own.process != os.getpid():
        _own.take()
    for port in itertools.islice(_own.candidates, _LENGTH):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port of the stretch of this process is free")


class _Stretch:
    """Of the process that has taken it: a fork of it takes another one."""

    process = 0
    candidates: Iterator[int] = iter(())
    holder: socket.socket

    def take(self) -> None:
        self.process = os.getpid()
        for number in range(_STRETCHES):
            first = _LOWEST + (self.process + number) % _STRETCHES * _LENGTH
            holder = socket.socket()
            try:
                holder.bind(("127.0.0.1", first))  # and does not listen: who calls it is refused
            except OSError:
                holder.close()
            else:
                self.holder, self.candidates = holder, itertools.cycle(range(first + 1, first + _LENGTH))
                return
        raise OSError("each stretch of ports is held by another test process")


_own = _Stretch()
