"""A small HTTPS client for load: one request at a time on each connection, answers read to their end and not parsed."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


class Connection:
    """Kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext) -> "Connection":
        return cls(*await asyncio.open_connection("localhost", port, ssl=context, limit=1 << 20))

    async def send(self, request: bytes) -> tuple[int, int]:
        """Status and octets of the body."""
        self._writer.write(request)
        await self._writer.drain()
        status, headers = await self.head()
        length = headers.get("content-length")
        if length is not None:
            return status, len(await self.reader.readexactly(int(length)))
        octets = 0
        while chunk := await self.chunk():
            octets += len(chunk)
        return status, octets

    async def begin(self, request: bytes) -> int:
        """Sends a request whose answer is a stream; returns its status."""
        self._writer.write(request)
        status, _ = await self.head()
        return status

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body, empty at its end."""
        size = int((await self.reader.readline()).split(b";")[0], 16)
        content = await self.reader.readexactly(size + 2)
        return content[:-2]

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split()[1]), headers

    async def close(self) -> None:
        self._writer.transport.abort()


def request(method: str, path: str, body: bytes = b"", accept: str = "application/json") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(slots=True, kw_only=True)
class Turn:
    """What was measured: latencies in seconds of those that succeeded."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def drive(connections: Sequence[Connection], make: Callable[[int], bytes], seconds: float) -> Turn:
    """Keeps one request under way on each connection for `seconds`; `make(n)` is the n-th request."""
    turn, numbers = Turn(), iter(range(1 << 40))
    begun = time.perf_counter()

    async def work(connection: Connection) -> None:
        while time.perf_counter() - begun < seconds:
            sent = time.perf_counter()
            status, _ = await connection.send(make(next(numbers)))
            if 200 <= status < 300:
                turn.latencies.append(time.perf_counter() - sent)
            else:
                turn.failures += 1

    await asyncio.gather(*map(work, connections))
    turn.seconds = time.perf_counter() - begun
    return turn
