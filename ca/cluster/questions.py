"""Asking the cluster from an event loop: a few questions at a time, each a few times at most, and not for long.

- Nobody needs a credential to have one asked. So no source has more than half of those that wait: a pod that shows made-up
  tokens all the time leaves room for the others.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ca.ambient import Entropy
from ca.cluster.faults import NoAnswer
from ca.errors import Overloaded

T = TypeVar("T")

_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`pause` before the first repetition, doubled for each that follows; `deadline` for all attempts together; in seconds."""

    attempts: int = 3
    pause: float = 0.2
    deadline: float = 8.0
    waiting: int = 64
    """Questions at a time; beyond it callers are told to come back."""
    waiting_of_one: int = 32
    """Of them, for one source. Many pods may come from one address, where a network hides theirs."""


class Questions:
    """Belongs to one event loop."""

    def __init__(self, *, entropy: Entropy, pace: Pace | None = None) -> None:
        self._entropy = entropy
        self._pace = pace or Pace()
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="cluster")
        self._waiting: Counter[str] = Counter()

    async def ask(self, question: Callable[[], T], *, source: str = "") -> T:
        """Calls a blocking function in a worker. Raises what it raises; NoAnswer where time or attempts are used up; Overloaded."""
        if self._waiting.total() >= self._pace.waiting or self._waiting[source] >= self._pace.waiting_of_one:
            raise Overloaded("too many requests wait for the cluster; try again in a moment")
        self._waiting[source] += 1
        try:
            async with asyncio.timeout(self._pace.deadline):
                return await self._repeat(question)
        except TimeoutError as err:
            raise NoAnswer(f"the cluster has not answered within {self._pace.deadline:g} seconds", again=True) from err
        finally:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]

    def close(self) -> None:
        """Waits for nothing: whoever asked is gone."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _repeat(self, question: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        pause = self._pace.pause
        for _ in range(self._pace.attempts - 1):
            try:
                return await loop.run_in_executor(self._workers, question)
            except NoAnswer as err:
                if not err.again:
                    raise
            await asyncio.sleep(pause * (1 + self._entropy(1)[0] / 256))
            pause *= 2
        return await loop.run_in_executor(self._workers, question)
