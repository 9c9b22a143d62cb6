"""Answers that are remembered for a while, and asked for once at a time."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class AnswerCache(Generic[V]):
    """Least recently used first out; belongs to the event loop. Failures are not remembered."""

    def __init__(self, capacity: int, *, monotonic: Callable[[], float]) -> None:
        self._capacity = capacity
        self._monotonic = monotonic
        self._known: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Future[V]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[V]], seconds_for: Callable[[V], float]) -> V:
        """What is known under `key`, or what `ask` answers; that is good for `seconds_for` it (0: not remembered)."""
        known = self._known.get(key)
        if known is not None and known[0] > self._monotonic():
            self._known.move_to_end(key)
            return known[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._ask(key, ask, seconds_for))
            asking.add_done_callback(_seen)  # also where all who asked have gone meanwhile
        return await asyncio.shield(asking)

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[V]], seconds_for: Callable[[V], float]) -> V:
        try:
            value = await ask()
        finally:
            self._asking.pop(key, None)
        seconds = seconds_for(value)
        if seconds > 0:
            self._known[key] = (self._monotonic() + seconds, value)
            self._known.move_to_end(key)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return value


def _seen(asked: "asyncio.Future[V]") -> None:
    """An error that nobody waits for any more is no news."""
    if not asked.cancelled():
        asked.exception()
