"""The load generator: a process of its own that asks for certificates as fast as it gets answers.

It reads one order in JSON from each line of standard input and answers two lines: `begin` once the warm-up is over,
then the result. Messages are serialised beforehand and answers are not parsed, so that its core has room to spare. On a
stream, where answers come in any order, a latency is counted from the oldest request without an answer.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import uvloop

from bench.material import make_requests
from protos.chancery.ca.v1 import certificate_service_pb2

SERVICE = "/chancery.ca.v1.CertificateService"
SIGN = f"{SERVICE}/SignCsr"
DEADLINE = 60.0
REQUESTS = 256
CONNECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do: `mode` is unary, bulk, template, health or connect; `identity` a directory with tls.crt, tls.key and ca.crt."""

    target: str
    identity: str
    mode: str
    in_flight: int
    warm_up: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came back between `begin` and the end; latencies in milliseconds, seconds of wall and of this process's CPU."""

    answers: int
    seconds: float
    client_seconds: float
    p50: float
    p99: float


@dataclass(slots=True)
class Tally:
    """Answers since the warm-up ended."""

    counting: bool = False
    stopping: bool = False
    latencies: list[float] = field(default_factory=list)

    def add(self, started: float) -> None:
        if self.counting:
            self.latencies.append(time.perf_counter() - started)


class Generator:
    """One order being carried out."""

    def __init__(self, order: Order, messages: Iterator[bytes], entries: Iterator[bytes]) -> None:
        self._order = order
        self._messages = messages
        self._entries = entries
        self._tally = Tally()
        identity = Path(order.identity)
        self._credentials = grpc.ssl_channel_credentials(
            root_certificates=(identity / "ca.crt").read_bytes(),
            private_key=(identity / "tls.key").read_bytes(),
            certificate_chain=(identity / "tls.crt").read_bytes(),
        )

    async def run(self) -> Result:
        mode: dict[str, Callable[[], Awaitable[None]]] = {
            "unary": lambda: self._unary(SIGN),
            "template": lambda: self._unary(f"{SERVICE}/GetCsrTemplate"),
            "health": lambda: self._unary("/grpc.health.v1.Health/Check"),
            "bulk": self._bulk,
            "connect": self._connect,
        }
        work = asyncio.ensure_future(mode[self._order.mode]())
        await self._wait(work, self._order.warm_up)
        self._tally.counting = True
        print("begin", flush=True)
        wall, cpu = time.perf_counter(), time.process_time()
        await self._wait(work, self._order.seconds)
        self._tally.counting = False
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self._tally.stopping = True
        result = self._result(wall, cpu)
        await work
        return result

    async def _wait(self, work: "asyncio.Future[None]", seconds: float) -> None:
        """Sleeps, unless the work fails first: it raises then."""
        done, _ = await asyncio.wait([work], timeout=seconds)
        if done:
            await work

    def _result(self, wall: float, cpu: float) -> Result:
        ordered = sorted(self._tally.latencies) or [0.0]
        return Result(
            answers=len(self._tally.latencies),
            seconds=wall,
            client_seconds=cpu,
            p50=ordered[len(ordered) // 2] * 1000,
            p99=ordered[len(ordered) * 99 // 100] * 1000,
        )

    def _channel(self) -> grpc.aio.Channel:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", "localhost")]
        return grpc.aio.secure_channel(self._order.target, self._credentials, options=options)

    async def _unary(self, method: str) -> None:
        channels = [self._channel() for _ in range(min(CONNECTIONS, self._order.in_flight))]
        calls = [channel.unary_unary(method, None, None) for channel in channels]
        signing = method == SIGN

        async def ask(call: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]") -> None:
            while not self._tally.stopping:
                started = time.perf_counter()
                await call(next(self._messages) if signing else b"", timeout=DEADLINE)
                self._tally.add(started)

        await asyncio.gather(*(ask(calls[number % len(calls)]) for number in range(self._order.in_flight)))
        await asyncio.gather(*(channel.close(None) for channel in channels))

    async def _bulk(self) -> None:
        """One stream with a window of `in_flight` unanswered requests on each of the connections."""
        channels = [self._channel() for _ in range(min(CONNECTIONS, self._order.in_flight))]
        window = self._order.in_flight // len(channels)

        async def stream(channel: grpc.aio.Channel) -> None:
            room = asyncio.Semaphore(window)
            started: list[float] = []

            async def requests() -> AsyncIterator[bytes]:
                while not self._tally.stopping:
                    await room.acquire()
                    started.append(time.perf_counter())
                    yield next(self._entries)

            call = channel.stream_stream(f"{SERVICE}/SignCsrs", None, None)(requests(), timeout=DEADLINE)
            async for _answer in call:
                self._tally.add(started.pop(0))
                room.release()

        await asyncio.gather(*(stream(channel) for channel in channels))
        await asyncio.gather(*(channel.close(None) for channel in channels))

    async def _connect(self) -> None:
        """A new connection for each certificate."""

        async def ask() -> None:
            while not self._tally.stopping:
                started = time.perf_counter()
                async with self._channel() as channel:
                    await channel.unary_unary(SIGN, None, None)(next(self._messages), timeout=DEADLINE)
                self._tally.add(started)

        await asyncio.gather(*(ask() for _ in range(self._order.in_flight)))


def main() -> None:
    requests = make_requests(REQUESTS)
    messages = itertools.cycle([sign_request(csr).SerializeToString() for csr in requests])
    entries = bulk_entries(requests)
    print("ready", flush=True)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(Generator(order, messages, entries).run())
        print(json.dumps(asdict(result)), flush=True)


def sign_request(csr: bytes, request_id: str = "") -> certificate_service_pb2.SignCsrRequest:
    return certificate_service_pb2.SignCsrRequest(csr=csr, profile="server", request_id=request_id)


def bulk_entries(requests: list[bytes]) -> Iterator[bytes]:
    """Entries of SignCsrs, each under a request_id of its own."""
    run = time.time_ns()
    for number, csr in enumerate(itertools.cycle(requests)):
        request = sign_request(csr, f"bench-{run}-{number}")
        yield certificate_service_pb2.SignCsrsRequest(request=request).SerializeToString()


if __name__ == "__main__":
    main()
