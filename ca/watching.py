"""Following the inventory as it grows: from a cursor on, in the order of the commits.

- The store is the truth, asked at least every second; a local nudge after each batch only makes it sooner.
- One page at a time: a slow reader holds a page, not the inventory.
- Policy is asked again before each page: who may no longer read is told nothing more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from ca.ambient import Clock, epoch_seconds
from ca.calls import Call
from ca.errors import ShuttingDown
from ca.policy import Operation, Policy
from ca.registry import is_allowed, verify_allowed
from store.inventory import Inventory
from store.records import CertificateFilter, CertificateRecord

_PAGE = 200
_POLL_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class CertificateWatch:
    """Belongs to one event loop."""

    inventory: Inventory
    policy: Callable[[], Policy]
    clock: Clock
    stopping: asyncio.Event
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def nudge(self) -> None:
        """Says that something was recorded. Call it in the loop."""
        self._news.set()
        self._news = asyncio.Event()

    async def follow(
        self, call: Call, cursor: int | None, wanted: CertificateFilter
    ) -> AsyncIterator[CertificateRecord]:
        """Yields every matching certificate recorded after `cursor` that may be read; None: after now.

        Never ends by itself. Raises PolicyDenied; ShuttingDown once the process is told to stop.
        """
        verify_allowed(self.policy(), call, Operation.READ)
        if cursor is None:
            cursor = await asyncio.to_thread(self._newest)
        while not self.stopping.is_set():
            verify_allowed(self.policy(), call, Operation.READ)
            news = self._news
            records = await asyncio.to_thread(self.inventory.after, cursor, limit=_PAGE)
            for record in records:
                if record.sequence is not None:
                    cursor = record.sequence
                if matches(wanted, record, epoch_seconds(self.clock())) and self._may_read(call, record):
                    yield record
            if not records:
                await _wait(news)
        raise ShuttingDown("the server is stopping; go on from the last cursor at another one, or in a moment")

    def _may_read(self, call: Call, record: CertificateRecord) -> bool:
        return is_allowed(self.policy(), call, Operation.READ, record)

    def _newest(self) -> int:
        page = self.inventory.search(CertificateFilter(), now=epoch_seconds(self.clock()), page_size=1)
        return next((record.sequence for record in page.items if record.sequence is not None), 0)


def matches(wanted: CertificateFilter, record: CertificateRecord, now: int) -> bool:
    """Whether one record would be among the results of a search."""
    state = "revoked" if record.revoked_at is not None else "expired" if record.not_after < now else "valid"
    conditions = (
        wanted.name is None or wanted.name.lower() in {value.lower() for _kind, value in record.names},
        wanted.profile in {None, record.profile},
        wanted.issuer_id in {None, record.issuer_id},
        wanted.requester in {None, record.requester},
        wanted.state in {None, state},
        wanted.expires_before is None or record.not_after < wanted.expires_before,
        wanted.expires_after is None or record.not_after >= wanted.expires_after,
    )
    return all(conditions)


async def _wait(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_POLL_SECONDS):
            await news.wait()
    except TimeoutError:
        return
