"""Lists: at which revision, from which key, and page by page.

- Every page of one list is read at one revision, however long it takes; a revision that is gone is said to be gone (410).
- What a list holds in memory is bounded by octets, not by objects: pages are cut, and the log streams behind them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from apiserver.errors import BadRequest, Expired, ResourceVersionTooLarge
from apiserver.operations.targets import Target
from apiserver.requests.continue_tokens import PRESENT, ContinueToken
from apiserver.requests.options import ListOptions, ResourceVersionMatch
from apiserver.requests.selectors import Selection
from apiserver.storage.records import ChangeLog, Compacted, Page, Record

T = TypeVar("T")

PAGE = 500
_FUTURE_SECONDS = 3.0
_TOO_OLD = "The resourceVersion for the provided list is too old."
_CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list: what of, at which revision (None: the newest, fixed by its first page), from behind which key."""

    target: Target
    selection: Selection
    at: int | None
    after: tuple[str, str] | None
    expired: Expired
    """What to answer where the revision is gone."""

    remaining: int | None = None
    """How many objects follow, where an earlier page has told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPage:
    """`continue_token` "" at the end; `remaining` None where nobody can say (selectors)."""

    records: Sequence[Record]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


class Lists:
    """Used on the event loop; the log is read in worker threads."""

    def __init__(self, *, log: ChangeLog, wait_for: Callable[[int, float], Awaitable[bool]], workers: Executor) -> None:
        """`wait_for(revision, seconds)` says whether the revision has come in that time."""
        self._log = log
        self._wait_for = wait_for
        self._workers = workers

    async def begin(self, target: Target, selection: Selection, options: ListOptions) -> Listing:
        """Raises BadRequest, Expired, ResourceVersionTooLarge."""
        if options.continue_token:
            return await self._continued(target, selection, options)
        at = None
        if options.revision:
            await self.reach(options.revision)
            if options.match is ResourceVersionMatch.EXACT:
                at = options.revision
        return Listing(target=target, selection=selection, at=at, after=None, expired=Expired(_TOO_OLD))

    async def reach(self, revision: int) -> None:
        """Waits a little for a revision of the future. Raises ResourceVersionTooLarge."""
        current = await self._in_worker(self._log.current_revision)
        if revision > current and not await self._wait_for(revision, _FUTURE_SECONDS):
            raise ResourceVersionTooLarge(asked=revision, current=await self._in_worker(self._log.current_revision))

    async def pages(self, listing: Listing, *, with_bodies: bool) -> AsyncIterator[ListedPage]:
        """All of it, `PAGE` objects at a time; the first page tells the revision. Raises Expired, also half-way."""
        at, after, more = listing.at, listing.after, True
        while more:
            page = await self._page(listing, at, after, PAGE, with_bodies=with_bodies)
            at, more = page.revision, page.more
            if page.records:
                after = _position(page.records[-1])
            yield ListedPage(records=_selected(listing, page.records), revision=page.revision)

    async def page(self, listing: Listing, limit: int, *, with_bodies: bool, budget: int) -> ListedPage:
        """At most `limit` objects, fewer where their bodies would be more than `budget` octets. Raises Expired."""
        found: list[Record] = []
        at, after, more, octets = listing.at, listing.after, True, 0
        while more and len(found) < limit:
            wanted = PAGE if not listing.selection.is_everything else min(PAGE, limit - len(found))
            page = await self._page(listing, at, after, wanted, with_bodies=with_bodies)
            at, more = page.revision, page.more
            for index, record in enumerate(page.records):
                after = _position(record)
                if listing.selection.matches(record):
                    found.append(record)
                    octets += record.body.octets if with_bodies else len(record.metadata)
                    if len(found) == limit or octets > budget:
                        more = more or index + 1 < len(page.records)
                        break
            if octets > budget:
                break
        assert at is not None  # noqa: S101 - a page was read and has told it
        if not more or after is None:
            return ListedPage(records=found, revision=at)
        remaining = await self._remaining(listing, at, listed=len(found))
        token = ContinueToken(revision=at, after=after, remaining=remaining).encode(namespace=listing.target.namespace)
        return ListedPage(records=found, revision=at, continue_token=token, remaining=remaining)

    async def _remaining(self, listing: Listing, at: int, *, listed: int) -> int | None:
        """Behind `listed` objects, of which there are more."""
        if not listing.selection.is_everything:
            return None
        target, after, before = listing.target, listing.after, listing.remaining
        if before is None or before <= listed:  # nobody has told, or something forged
            before = await self._in_worker(
                lambda: self._log.count(target.kind.storage, namespace=target.namespace or None, at=at, after=after)
            )
        return before - listed

    async def _continued(self, target: Target, selection: Selection, options: ListOptions) -> Listing:
        if options.revision:
            raise BadRequest("specifying resource version is not allowed when using continue")
        token = ContinueToken.decode(options.continue_token, namespace=target.namespace)
        if token.revision != PRESENT:  # it may be forged, or of a replica that is a little ahead
            await self.reach(token.revision)
        again = ContinueToken(revision=PRESENT, after=token.after).encode(namespace=target.namespace)
        return Listing(
            target=target,
            selection=selection,
            at=None if token.revision == PRESENT else token.revision,
            after=token.after,
            expired=Expired(_CONTINUE_TOO_OLD, continue_token=again),
            remaining=None if token.revision == PRESENT else token.remaining,
        )

    async def _page(
        self, listing: Listing, at: int | None, after: tuple[str, str] | None, limit: int, *, with_bodies: bool
    ) -> Page:
        target, selection = listing.target, listing.selection
        try:
            return await self._in_worker(
                lambda: self._log.page(
                    target.kind.storage,
                    namespace=selection.namespace,
                    at=at,
                    after=after,
                    limit=limit,
                    with_bodies=with_bodies,
                    name=selection.name or None,
                )
            )
        except Compacted as err:
            raise listing.expired from err

    async def _in_worker(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)


def _selected(listing: Listing, records: Sequence[Record]) -> Sequence[Record]:
    selection = listing.selection
    return records if selection.is_everything else [record for record in records if selection.matches(record)]


def _position(record: Record) -> tuple[str, str]:
    return record.key.namespace, record.key.name
