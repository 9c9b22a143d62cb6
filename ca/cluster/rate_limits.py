"""How often a pod, and all pods of a node together, may enroll."""

from ca.ambient import Clock
from ca.errors import Overloaded
from ca.orders import PodCredential
from ca.token_buckets import Buckets, Rate

_CAPACITY = 65536

PER_POD = Rate(burst=10, seconds=10)
"""An agent needs one, and one more at each restart of its container."""
PER_NODE = Rate(burst=500, seconds=0.1)
"""A node that comes back brings a few hundred pods at once."""


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
