"""Drives the load generator's process and reads the server's CPU time around each of its orders."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench.cpu import compare, pin, process_seconds
from bench.crypto import raw_variants
from bench.load import Order, Result
from bench.servers import RunningServer, ServerFailed

IN_FLIGHT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of load on one server."""

    server: str
    mode: str
    in_flight: int = IN_FLIGHT

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.server, self.mode, self.in_flight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One turn of a scenario. `signature` and `raw` are CPU microseconds of a raw signature, and of one with a verification."""

    result: Result
    server_seconds: float
    signature: float
    raw: float

    @property
    def rate(self) -> float:
        return self.result.answers / self.result.seconds

    @property
    def microseconds(self) -> float:
        """CPU time of the server for one answer."""
        return self.server_seconds / max(self.result.answers, 1) * 1e6


class LoadGenerator:
    """The process of `bench.load`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, order: Order, server: RunningServer) -> tuple[Result, float]:
        """What came back, and the CPU seconds that the server took for it. Raises ServerFailed."""
        self._write(json.dumps(asdict(order)))
        self._expect("begin")
        before = process_seconds(server.pid)
        line = self._read()
        return Result(**json.loads(line)), process_seconds(server.pid) - before

    def await_ready(self) -> None:
        self._expect("ready")

    def _expect(self, word: str) -> None:
        line = self._read()
        if line != word:
            raise ServerFailed(f"the load generator said {line!r}")

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ServerFailed("the load generator ended; its error is above")
        return line.strip()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def load_generator(core: int | None) -> Iterator[LoadGenerator]:
    arguments = [sys.executable, "-m", "bench.load"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pin(process.pid, core)
        try:
            generator = LoadGenerator(process)
            generator.await_ready()
            yield generator
        finally:
            process.terminate()


def take_turn(
    generator: LoadGenerator,
    scenario: Scenario,
    server: RunningServer,
    warm_up: float,
    seconds: float,
    core: int | None,
) -> Measured:
    signature, raw = _raw_microseconds(core)
    order = Order(
        target=server.target,
        identity=str(server.identity),
        mode=scenario.mode,
        in_flight=scenario.in_flight,
        warm_up=warm_up,
        seconds=seconds,
    )
    result, server_seconds = generator.run(order, server)
    return Measured(result=result, server_seconds=server_seconds, signature=signature, raw=raw)


def _raw_microseconds(core: int | None) -> tuple[float, float]:
    """A raw signature, and a signature and a verification, on the core that the server has."""
    everywhere = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        costs = compare(raw_variants(), reference="sign", rounds=5, slice_seconds=0.02)
    finally:
        os.sched_setaffinity(0, everywhere)
    signature = costs["sign"].microseconds
    return signature, signature + costs["verify"].microseconds
