"""Clocks that a test moves, and entropy that is counted."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Time:
    """Both clocks, in seconds; a machine that sleeps moves the wall clock alone."""

    wall: float = 1_800_000_000.0
    mono: float = 1000.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.wall, UTC)

    def monotonic(self) -> float:
        return self.mono

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self.wall += seconds
            self.mono += seconds


def real_clock() -> datetime:
    return datetime.now(UTC)


def no_entropy(octets: int) -> bytes:
    """The least of what could be drawn."""
    return bytes(octets)


def await_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {seconds} seconds")
        time.sleep(0.005)


HOUR = timedelta(hours=1)
