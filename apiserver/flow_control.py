"""What the server lets itself be asked at once (k8s.io/apiserver: max-in-flight), and how much of it may be in memory.

- Reads and writes have a bound each; who comes beyond it is told to come back in a second (429). Nobody waits in line: a
  client that is told backs off, one that waits only times out later.
- A kind may have a bound of its own, for reads and writes together: whoever floods the server with one leaves room for the others.
- Up to three quarters of a bound it is first come, first served. The last quarter is for callers that hold less than an equal
  share among those who ask: whoever loops leaves room for the others, and whoever is alone may have it all.
- Bodies share a budget of octets, of which one caller may have three quarters: many small ones, or a few large ones, but
  never more than memory can hold. Their octets count as they came; what is decoded from them is about five times that.
- system:masters and probes of health are exempt from the bounds on requests and take no place from others: a kubelet that is told
  429 would restart a server that is merely busy. Nobody is exempt from the budget. Watches count nowhere.
- There are no FlowSchemas or PriorityLevelConfigurations here, so no X-Kubernetes-PF-…-UID header names one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType

from apiserver.errors import RequestEntityTooLarge, TooManyRequests
from apiserver.identity.user import MASTERS_GROUP, User

READ_ONLY, MUTATING, BODY, EXEMPT = "readOnly", "mutating", "body", "exempt"

_REMEMBERED_SECONDS = 2.0
"""How long who was turned away counts among those who ask: twice the advice to come back."""

_MOST_REMEMBERED = 256


class FlowControl:
    """Belongs to the event loop."""

    def __init__(
        self,
        *,
        reads: int,
        writes: int,
        body_octets: int,
        by_resource: Mapping[str, int] = MappingProxyType({}),
        on_rejected: Callable[[str], None] = lambda _why: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`by_resource` are bounds of kinds, by `<plural>.<group>`; `on_rejected` gets `readOnly`, `mutating` or `body`."""
        self._kinds = {
            READ_ONLY: _Seats(reads, monotonic),
            MUTATING: _Seats(writes, monotonic),
        }
        self._resources = {name: _Seats(bound, monotonic) for name, bound in by_resource.items()}
        self._exempt = 0
        self._body_budget = body_octets
        self._body_octets = 0
        self._body_octets_by_caller = Counter[str]()
        self._on_rejected = on_rejected

    @property
    def in_flight(self) -> "Counter[str]":
        """By kind: readOnly, mutating, exempt."""
        return Counter({**{kind: seats.taken for kind, seats in self._kinds.items()}, EXEMPT: self._exempt})

    @property
    def body_octets(self) -> int:
        """What bodies hold of their budget now."""
        return self._body_octets

    @contextmanager
    def admitted(self, user: User, *, read_only: bool, probe: bool = False, resource: str = "") -> Iterator[None]:
        """Counts a request for the length of the block. `probe`: it asks for health; `resource`: `<plural>.<group>`, if any.

        Raises TooManyRequests.
        """
        if probe or MASTERS_GROUP in user.groups:
            self._exempt += 1
            try:
                yield
            finally:
                self._exempt -= 1
            return
        kind = READ_ONLY if read_only else MUTATING
        with ExitStack() as held:
            for seats in filter(None, (self._kinds[kind], self._resources.get(resource))):
                if not seats.take(user.name):
                    self._on_rejected(kind)
                    raise TooManyRequests
                held.callback(seats.give_back, user.name)
            yield

    @contextmanager
    def body(self, user: User | None = None) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes octets from the budget; the block's end gives them back.

        The function raises TooManyRequests where there is no room now, RequestEntityTooLarge where there never would be.
        """
        caller = "" if user is None else user.name
        most = self._body_budget if user is None else self._body_budget - self._body_budget // 4
        taken = 0

        def take(octets: int) -> None:
            nonlocal taken
            if taken + octets > most:
                raise RequestEntityTooLarge(most)
            if self._body_octets + octets > self._body_budget or self._body_octets_by_caller[caller] + octets > most:
                self._on_rejected(BODY)
                raise TooManyRequests
            self._body_octets += octets
            self._body_octets_by_caller[caller] += octets
            taken += octets

        try:
            yield take
        finally:
            self._body_octets -= taken
            self._body_octets_by_caller[caller] -= taken
            if not self._body_octets_by_caller[caller]:
                del self._body_octets_by_caller[caller]


class _Seats:
    """Requests of one kind under way, by who they are of."""

    def __init__(self, bound: int, monotonic: Callable[[], float]) -> None:
        self._bound = bound
        self._open_to_all = bound - bound // 4
        self._monotonic = monotonic
        self._by_caller = Counter[str]()
        self._turned_away: dict[str, float] = {}
        self.taken = 0

    def take(self, caller: str) -> bool:
        """Whether there was a place."""
        if self.taken >= self._open_to_all and not (
            self.taken < self._bound and self._by_caller[caller] < self._share(caller)
        ):
            self._remember(caller)
            if not self._by_caller[caller]:
                del self._by_caller[caller]
            return False
        self.taken += 1
        self._by_caller[caller] += 1
        return True

    def give_back(self, caller: str) -> None:
        self.taken -= 1
        self._by_caller[caller] -= 1
        if not self._by_caller[caller]:
            del self._by_caller[caller]

    def _share(self, caller: str) -> int:
        """An equal part for everybody who is here or was turned away just now."""
        since = self._monotonic() - _REMEMBERED_SECONDS
        self._turned_away = {name: when for name, when in self._turned_away.items() if when > since}
        asking = {caller, *self._by_caller, *self._turned_away}
        return max(self._bound // len(asking), 1)

    def _remember(self, caller: str) -> None:
        self._turned_away[caller] = self._monotonic()
        while len(self._turned_away) > _MOST_REMEMBERED:
            del self._turned_away[next(iter(self._turned_away))]
