"""How often a pod, and all pods of a node together, may enroll: token buckets.

- In memory, for each process: replicas multiply the limit, and a restart fills the buckets.
- A bucket that is full again is forgotten; when there are too many of them, those unused for longest go first.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

from ca.ambient import Clock
from ca.errors import Overloaded
from ca.orders import PodCredential

_CAPACITY = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`burst` at once, and one more each `seconds`."""

    burst: int
    seconds: float


PER_POD = Rate(burst=10, seconds=10)
"""An agent needs one, and one more at each restart of its container."""
PER_NODE = Rate(burst=500, seconds=0.1)
"""A node that comes back brings a few hundred pods at once."""


@dataclass(slots=True)
class _Bucket:
    filled: float
    at: datetime


class EnrollmentLimits:
    """Belongs to an event loop."""

    def __init__(
        self, clock: Clock, *, per_pod: Rate = PER_POD, per_node: Rate = PER_NODE, capacity: int = _CAPACITY
    ) -> None:
        """`capacity` is how many pods, and how many nodes, are remembered."""
        self._clock = clock
        self._pods = Buckets(per_pod, capacity)
        self._nodes = Buckets(per_node, capacity)

    def take(self, pod: PodCredential) -> None:
        """Counts one enrollment. Raises Overloaded, and counts none, where pod or node has had its share."""
        now = self._clock()
        for buckets, key, whose in ((self._pods, pod.pod_uid, "pod"), (self._nodes, pod.node_name, "node")):
            if not buckets.holds(key, now):
                raise Overloaded(f"this {whose} enrolls too often; try again in a moment")
        self._pods.take(pod.pod_uid)
        self._nodes.take(pod.node_name)


class Buckets:
    """By whatever key; of one rate."""

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
