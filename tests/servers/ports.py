"""Free loopback ports for servers that are told theirs, and bind it some time later.

- From below the range out of which the kernel serves outgoing connections and port 0, so that none of those takes one meanwhile.
- Each test process has a stretch of its own and gives out no port twice in a row.
"""

import contextlib
import itertools
import os
import socket

_LOWEST, _BEYOND = 10_000, 32_000
_STRETCHES = 44
_LENGTH = (_BEYOND - _LOWEST) // _STRETCHES
_first = _LOWEST + os.getpid() % _STRETCHES * _LENGTH
_candidates = itertools.cycle(range(_first, _first + _LENGTH))


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


def free_port() -> int:
    for port in itertools.islice(_candidates, _LENGTH):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no port from {_first} to {_first + _LENGTH} is free")
