"""How often the holder of a pod's certificate may have others by it: a token bucket for each pod.

- Whoever has taken over one pod must not fill the database with its certificates, all of which its release would have to revoke in
  one transaction. Other callers have no such limit: they are people, or who serves many.
- By the pod, and not by the certificate: each renewal gives another one of those.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from ca.ambient import Clock
from ca.calls import Call
from ca.errors import Overloaded
from ca.token_buckets import Buckets, Rate

PER_HOLDER = Rate(burst=20, seconds=30)
"""An agent needs one for each half life of a certificate, and one for each rotation."""

_CAPACITY = 65536


class HolderLimits:
    """Belongs to an event loop."""

    def __init__(
        self, pod_of: Callable[[str], str | None], clock: Clock, *, rate: Rate = PER_HOLDER, capacity: int = _CAPACITY
    ) -> None:
        """`pod_of` finds the UID of a certificate's pod by its serial number, and blocks; None or empty for what is no pod's."""
        self._pod_of = pod_of
        self._clock = clock
        self._capacity = capacity
        self._pods: OrderedDict[str, str] = OrderedDict()
        self._buckets = Buckets(rate, capacity)

    async def take(self, call: Call) -> None:
        """Counts one certificate that the caller asks for. Raises Overloaded, and counts none, where its pod has had its share."""
        serial = call.caller.serial_number
        pod = "" if serial is None else await self._pod(serial)
        if not pod:
            return
        if not self._buckets.holds(pod, self._clock()):
            raise Overloaded("this pod asks for certificates too often; try again in a moment")
        self._buckets.take(pod)

    async def _pod(self, serial: str) -> str:
        """What it was recorded for, a certificate is for ever."""
        known = self._pods.get(serial)
        if known is None:
            known = await asyncio.to_thread(self._pod_of, serial) or ""
            self._pods[serial] = known
        self._pods.move_to_end(serial)
        while len(self._pods) > self._capacity:
            self._pods.popitem(last=False)
        return known
