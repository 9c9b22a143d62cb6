"""Token buckets, one for each key: how much there may be at once, and how much comes back with time.

- In memory, for each process: replicas multiply what they allow, and a restart fills them.
- A bucket that is full again is forgotten; when there are too many of them, those unused for longest go first.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`burst` at once, and one more each `seconds`."""

    burst: int
    seconds: float


@dataclass(slots=True)
class _Bucket:
    filled: float
    at: datetime


class Buckets:
    """Of one rate, for so many keys."""

    def __init__(self, rate: Rate, capacity: int) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def holds(self, key: Hashable, now: datetime) -> bool:
        """Whether there is one to take."""
        bucket = self._buckets.setdefault(key, _Bucket(self._rate.burst, now))
        self._buckets.move_to_end(key)
        passed = max(0.0, (now - bucket.at).total_seconds())  # a clock that is set back fills nothing
        bucket.filled, bucket.at = min(self._rate.burst, bucket.filled + passed / self._rate.seconds), now
        self._forget(now)
        return bucket.filled >= 1

    def take(self, key: Hashable) -> None:
        """After `holds`."""
        self._buckets[key].filled -= 1

    def _forget(self, now: datetime) -> None:
        """The oldest two: more leave than come."""
        full_after = self._rate.burst * self._rate.seconds
        for key in list(self._buckets)[:2] if len(self._buckets) > 2 else ():
            if len(self._buckets) > self._capacity or (now - self._buckets[key].at).total_seconds() > full_after:
                del self._buckets[key]
