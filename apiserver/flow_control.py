"""What the server lets itself be asked at once (k8s.io/apiserver: max-in-flight), and how much of it may be in memory.

- Reads and writes have a bound each; who comes beyond it is told to come back in a second (429). Nobody waits in line: a
  client that is told backs off, one that waits only times out later.
- Bodies share a budget of octets: many small ones, or a few large ones, but never more than memory can hold.
- One caller may have half of a bound, so that whoever loops leaves room for the others.
- system:masters is exempt from the bounds on requests, not from the budget. Watches count nowhere.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from apiserver.errors import TooManyRequests
from apiserver.identity.user import MASTERS_GROUP, User


class FlowControl:
    """Belongs to the event loop."""

    def __init__(
        self, *, reads: int, writes: int, body_octets: int, on_rejected: Callable[[str], None] = lambda _why: None
    ) -> None:
        """`on_rejected` gets `readOnly`, `mutating` or `body`."""
        self._bounds = {"readOnly": reads, "mutating": writes}
        self._in_flight = Counter[str]()
        self._by_caller = Counter[tuple[str, str]]()
        self._body_budget = body_octets
        self._body_octets = 0
        self._on_rejected = on_rejected

    @property
    def in_flight(self) -> "Counter[str]":
        """By kind: readOnly, mutating."""
        return self._in_flight

    @contextmanager
    def admitted(self, user: User, *, read_only: bool) -> Iterator[None]:
        """Counts a request for the length of the block. Raises TooManyRequests."""
        kind = "readOnly" if read_only else "mutating"
        caller = (kind, user.name)
        bound = self._bounds[kind]
        if MASTERS_GROUP not in user.groups and (
            self._in_flight[kind] >= bound or self._by_caller[caller] >= max(bound // 2, 1)
        ):
            self._on_rejected(kind)
            raise TooManyRequests
        self._in_flight[kind] += 1
        self._by_caller[caller] += 1
        try:
            yield
        finally:
            self._in_flight[kind] -= 1
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes octets from the budget, and raises TooManyRequests; the block's end gives them back."""
        taken = 0

        def take(octets: int) -> None:
            nonlocal taken
            if self._body_octets + octets > self._body_budget:
                self._on_rejected("body")
                raise TooManyRequests
            self._body_octets += octets
            taken += octets

        try:
            yield take
        finally:
            self._body_octets -= taken
