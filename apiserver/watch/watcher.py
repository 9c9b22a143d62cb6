"""One watcher: what it wants, what waits to be sent to it, and how it ends.

- What waits is bounded. A watcher that does not keep up is cut off; nobody waits for it.
- Cheap while idle: no task, no timer of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from apiserver.requests.selectors import Selection
from apiserver.watch.events import EventEncoder, Told

MOST_EVENTS = 1000
MOST_OCTETS = 16 << 20


class End(Enum):
    """Why a watch is over."""

    TIMEOUT = auto()
    TOO_SLOW = auto()
    STOPPING = auto()
    EXPIRED = auto()


class Watcher:
    """Belongs to the event loop."""

    __slots__ = (
        "_octets",
        "_pending",
        "_waiter",
        "after",
        "bookmarks",
        "cut_off",
        "encoder",
        "end",
        "is_live",
        "selection",
        "storage",
        "told_first",
    )

    def __init__(self, *, storage: str, selection: Selection, encoder: EventEncoder, bookmarks: bool) -> None:
        self.storage = storage
        self.selection = selection
        self.encoder = encoder
        self.bookmarks = bookmarks
        self.after = 0
        self.is_live = False
        self.told_first = False
        self.end: End | None = None
        self.cut_off: Callable[[], None] | None = None
        self._pending: deque[Told] = deque()
        self._octets = 0
        self._waiter: asyncio.Future[None] | None = None

    def start_after(self, revision: int) -> None:
        """From here on only later changes are its concern; those that are waiting already and are not later go."""
        self.after = revision
        kept = [(number, frame) for number, frame in self._pending if number > revision]
        self._pending = deque(kept)
        self._octets = sum(len(frame) for _, frame in kept)

    def put(self, told: Told) -> None:
        """Never waits."""
        self._pending.append(told)
        self._octets += len(told[1])
        if (len(self._pending) > MOST_EVENTS or self._octets > MOST_OCTETS) and len(self._pending) > 1:
            self.finish(End.TOO_SLOW)
        else:
            self._wake()

    def finish(self, end: End) -> None:
        """What waits is still sent, unless the watcher was too slow for it."""
        if self.end is not None:
            return
        self.end = end
        if end is End.TOO_SLOW:
            self._pending.clear()
            self._octets = 0
            if self.cut_off is not None:
                self.cut_off()
        self._wake()

    def release(self) -> None:
        """Nobody reads any more: it ends, and holds on to nothing."""
        self.cut_off = None
        self.finish(End.STOPPING)
        self._pending.clear()
        self._octets = 0

    async def take(self) -> list[bytes]:
        """Waits for something to send and takes all of it; empty once the watch is over."""
        if not self._pending and self.end is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        taken = [frame for _, frame in self._pending]
        self._pending.clear()
        self._octets = 0
        return taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
