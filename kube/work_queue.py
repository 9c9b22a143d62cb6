"""Keys that wait to be reconciled: each at most once, never with two workers, and not before its time.

- A key that is told while a worker has it waits for that worker, and is then worked on again.
- Times are kept by two clocks, and the one that comes first counts: the wall clock, as the monotonic one stands still while a
  machine sleeps; the monotonic one, as the wall clock may be set back. A look too early costs little.
- Failures of a key double its wait, and all failures together are repeated no faster than a bucket of tokens allows.
"""

import heapq
import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta

from kube.ambient import Clock, Entropy, Monotonic
from kube.backoff import spread
from kube.controllers import Key

LONGEST_NAP = 5.0
"""Seconds after which the wall clock is looked at again, in case it has jumped."""


@dataclass(slots=True, kw_only=True)
class Retries:
    """How failures are spaced, in seconds and repetitions per second."""

    shortest: float = 0.5
    longest: float = 300.0
    rate: float = 10.0
    burst: float = 100.0


@dataclass(slots=True, kw_only=True)
class Agenda:
    """The queue without threads and clocks. `now` is a pair: seconds by the wall clock, and by the monotonic one."""

    _ready: "OrderedDict[Key, None]" = field(default_factory=OrderedDict)
    _held: set[Key] = field(default_factory=set)
    _told_meanwhile: set[Key] = field(default_factory=set)
    _due: dict[Key, tuple[float, float]] = field(default_factory=dict)
    _heaps: tuple[list[tuple[float, int, Key]], list[tuple[float, int, Key]]] = field(default_factory=lambda: ([], []))
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, key: Key) -> None:
        self._due.pop(key, None)
        if key in self._held:
            self._told_meanwhile.add(key)
        else:
            self._ready.setdefault(key)

    def add_after(self, key: Key, seconds: float, now: tuple[float, float]) -> None:
        """The earlier of two times counts; a key that is ready stays so."""
        if key in self._ready or key in self._told_meanwhile:
            return
        at = (now[0] + seconds, now[1] + seconds)
        known = self._due.get(key)
        if known is not None and known[1] <= at[1]:
            return
        self._due[key] = at
        for heap, instant in zip(self._heaps, at, strict=True):
            heapq.heappush(heap, (instant, next(self._numbers), key))
        self._tidy()

    def take(self, now: tuple[float, float]) -> Key | None:
        """A key that is ready; the caller has it until `done`."""
        for which, (heap, present) in enumerate(zip(self._heaps, now, strict=True)):
            while heap and heap[0][0] <= present:
                instant, _, key = heapq.heappop(heap)
                if self._due.get(key, (None, None))[which] == instant:
                    self.add(key)
        if not self._ready:
            return None
        key, _ = self._ready.popitem(last=False)
        self._held.add(key)
        return key

    def done(self, key: Key) -> None:
        self._held.discard(key)
        if key in self._told_meanwhile:
            self._told_meanwhile.discard(key)
            self.add(key)

    def clear(self) -> None:
        """Forgets what waits; what workers have they still have."""
        self._ready.clear()
        self._due.clear()
        self._told_meanwhile.clear()
        for heap in self._heaps:
            heap.clear()

    def seconds_to_next(self, now: tuple[float, float]) -> float | None:
        """Until the next key may be due; None where none is waiting for its time."""
        waits = [heap[0][0] - present for heap, present in zip(self._heaps, now, strict=True) if heap]
        return max(0.0, min(waits)) if waits else None

    @property
    def depth(self) -> int:
        return len(self._ready)

    @property
    def waiting(self) -> int:
        return len(self._due)

    def _tidy(self) -> None:
        """Times that were overtaken stay in the heaps until there are too many of them."""
        for which, heap in enumerate(self._heaps):
            if len(heap) > 2 * len(self._due) + 64:
                heap[:] = [entry for entry in heap if self._due.get(entry[2], (None, None))[which] == entry[0]]
                heapq.heapify(heap)


class WorkQueue:
    """Safe from any thread."""

    def __init__(self, *, clock: Clock, monotonic: Monotonic, entropy: Entropy, retries: Retries | None = None) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._entropy = entropy
        self._retries = retries or Retries()
        self._agenda = Agenda()
        self._failures: dict[Key, int] = {}
        self._tokens = self._retries.burst
        self._tokens_at = monotonic()
        self._condition = threading.Condition()
        self._is_open = False
        self._is_stopped = False

    def open(self) -> None:
        """From now on workers get keys."""
        with self._condition:
            self._is_open = True
            self._condition.notify_all()

    def close(self) -> None:
        """Workers get no more keys, and what waits is forgotten."""
        with self._condition:
            self._is_open = False
            self._agenda.clear()
            self._failures.clear()

    def stop(self) -> None:
        with self._condition:
            self._is_stopped = True
            self._is_open = False
            self._condition.notify_all()

    def add(self, *keys: Key) -> None:
        """Ignored while closed: whoever opens the queue tells everything anew."""
        with self._condition:
            if self._is_open:
                for key in keys:
                    self._agenda.add(key)
                self._condition.notify_all()

    def take(self) -> Key | None:
        """Waits for a key that is ready; None once the queue is stopped."""
        with self._condition:
            while not self._is_stopped:
                now = self._now()
                key = self._agenda.take(now) if self._is_open else None
                if key is not None:
                    return key
                wait = self._agenda.seconds_to_next(now) if self._is_open else None
                self._condition.wait(LONGEST_NAP if wait is None else min(wait, LONGEST_NAP))
        return None

    def succeed(self, key: Key, again: timedelta | None) -> None:
        """The key was worked on; `again` is when to look without being told."""
        with self._condition:
            self._failures.pop(key, None)
            self._agenda.done(key)
            if again is not None and self._is_open:
                self._agenda.add_after(key, max(0.0, again.total_seconds()), self._now())
            self._condition.notify()

    def fail(self, key: Key, *, at_least: float = 0.0) -> float:
        """The key was worked on in vain; returns after how many seconds it is tried again."""
        with self._condition:
            times = self._failures[key] = self._failures.get(key, 0) + 1
            retries = self._retries
            seconds = min(retries.shortest * 2 ** min(times - 1, 30), retries.longest)
            seconds = max(at_least, min(spread(seconds, seconds * 1.25, self._entropy), retries.longest))
            seconds += self._take_token(retries)
            self._agenda.done(key)
            if self._is_open:
                self._agenda.add_after(key, seconds, self._now())
            self._condition.notify()
        return seconds

    def drop(self, key: Key) -> None:
        """The worker gives it back, and nothing follows from that."""
        with self._condition:
            self._agenda.done(key)
            self._condition.notify()

    @property
    def depth(self) -> int:
        return self._agenda.depth

    @property
    def waiting(self) -> int:
        return self._agenda.waiting

    def _take_token(self, retries: Retries) -> float:
        """Seconds until there is one."""
        present = self._monotonic()
        self._tokens = min(retries.burst, self._tokens + (present - self._tokens_at) * retries.rate)
        self._tokens_at = present
        self._tokens -= 1
        return max(0.0, -self._tokens / retries.rate)

    def _now(self) -> tuple[float, float]:
        return self._clock().timestamp(), self._monotonic()
