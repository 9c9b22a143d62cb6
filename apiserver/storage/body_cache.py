"""Bodies that were written or read lately, bounded by octets: what is fanned out to watchers is not read again for each."""

import threading
from collections import OrderedDict


class BodyCache:
    """Least recently used first out; used from any thread."""

    def __init__(self, budget: int) -> None:
        """`budget` is in octets; a body of more than an eighth of it is not kept."""
        self._budget = budget
        self._octets = 0
        self._bodies: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, body_id: int) -> bytes | None:
        with self._lock:
            body = self._bodies.get(body_id)
            if body is not None:
                self._bodies.move_to_end(body_id)
            return body

    def put(self, body_id: int, body: bytes) -> None:
        if len(body) > self._budget // 8:
            return
        with self._lock:
            if body_id in self._bodies:
                return
            self._bodies[body_id] = body
            self._octets += len(body)
            while self._octets > self._budget:
                _, oldest = self._bodies.popitem(last=False)
                self._octets -= len(oldest)
