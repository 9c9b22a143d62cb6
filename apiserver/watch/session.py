"""One watch from its start to its end: what there is, what has happened, then what happens (apiserver watch semantics).

- A watcher is registered before the past is read, so that nothing falls between the two; what it is told twice is dropped.
- The past comes from the log, page by page, and waits for the caller to read; the live part is bounded instead.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeVar

from apiserver.errors import ApiError, Expired, ResourceVersionTooLarge
from apiserver.requests.selectors import Selection
from apiserver.storage.records import Change, ChangeLog, ChangeType, Compacted, Page, Record
from apiserver.watch.events import EventEncoder, event_of
from apiserver.watch.feed import Feed, with_body
from apiserver.watch.hub import Hub
from apiserver.watch.watcher import End, Watcher

T = TypeVar("T")

_PAGE = 500
_FUTURE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """`revision` None: not said. `initial_events` None: not said, so as the revision implies. `seconds`: how long it lives."""

    storage: str
    selection: Selection
    encoder: EventEncoder
    revision: int | None
    initial_events: bool | None
    bookmarks: bool
    seconds: float

    @property
    def wants_state(self) -> bool:
        """Whether it begins with all that there is."""
        if self.initial_events is not None:
            return self.initial_events
        return not self.revision


class WatchFailed(Exception):
    """The watch ends with an ERROR event, which holds the Status of `error`."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


class WatchSession:
    """Iterate over `chunks`; close it whatever happens."""

    def __init__(self, request: WatchRequest, *, log: ChangeLog, hub: Hub, feed: Feed, workers: Executor) -> None:
        self._request = request
        self._log = log
        self._hub = hub
        self._feed = feed
        self._workers = workers
        self._watcher = Watcher(
            storage=request.storage,
            selection=request.selection,
            encoder=request.encoder,
            bookmarks=request.bookmarks,
        )
        self._unregister = hub.register(self._watcher, seconds=request.seconds)

    def close(self) -> None:
        self._unregister()

    @property
    def end(self) -> End | None:
        return self._watcher.end

    def on_cut_off(self, callback: Callable[[], None]) -> None:
        """Called where the watcher does not keep up: whoever waits for its connection stops waiting."""
        self._watcher.cut_off = callback

    async def chunks(self) -> AsyncIterator[list[bytes]]:
        """Lists of frames, until the watch is over. Raises WatchFailed."""
        request = self._request
        past = self._state() if request.wants_state else self._history()
        async for frames in past:
            yield frames
        self._watcher.is_live = True
        while True:
            frames = await self._watcher.take()
            if frames:
                yield frames
            elif self._watcher.end is not None:
                if self._watcher.end is End.EXPIRED:
                    raise WatchFailed(Expired("too old resource version: the watch fell behind"))
                return

    async def _state(self) -> AsyncIterator[list[bytes]]:
        request = self._request
        if request.revision and not await self._reached(request.revision):
            current = await self._in_worker(self._log.current_revision)
            raise WatchFailed(ResourceVersionTooLarge(asked=request.revision, current=current))
        at: int | None = None
        after: tuple[str, str] | None = None
        more = True
        while more:
            page = await self._page(at, after)
            if at is None:
                self._watcher.start_after(page.revision)
            at, more = page.revision, page.more
            if page.records:
                after = (page.records[-1].key.namespace, page.records[-1].key.name)
            frames = [
                self._frame(ChangeType.ADDED, record) for record in page.records if request.selection.matches(record)
            ]
            if frames:
                yield frames
        if request.bookmarks and at is not None:
            yield [request.encoder.bookmark(at, initial_events_end=True)]

    async def _page(self, at: int | None, after: tuple[str, str] | None) -> Page:
        """Of what there is. Raises WatchFailed where the caller read so slowly that its revision is gone."""
        request = self._request

        def read() -> Page:
            return self._log.page(
                request.storage,
                namespace=request.selection.namespace,
                at=at,
                after=after,
                limit=_PAGE,
                with_bodies=request.encoder.needs_bodies,
            )

        try:
            return await self._in_worker(read)
        except Compacted as err:
            raise self._too_old(err) from err

    async def _history(self) -> AsyncIterator[list[bytes]]:
        request = self._request
        if not request.revision:
            self._watcher.start_after(await self._in_worker(self._log.current_revision))
            return
        after, boundary = request.revision, self._hub.seen
        self._watcher.start_after(max(after, boundary))
        while after < boundary:
            changes = await self._changes(after)
            if not changes:
                return
            frames = []
            for change in changes:
                if change.revision > boundary:
                    break
                event = self._event(change)
                if event is not None:
                    frames.append(self._frame(*event))
            after = changes[-1].revision
            if frames:
                yield frames
        if after >= boundary:
            await self._verify_kept(request.revision)

    async def _changes(self, after: int) -> Sequence[Change]:
        request = self._request

        def read() -> Sequence[Change]:
            bodies = request.encoder.needs_bodies
            changes = self._log.changes(after=after, limit=_PAGE, storage=request.storage, with_bodies=bodies)
            if not bodies or request.selection.is_everything:
                return changes
            return [
                change if change.previous is None else replace(change, previous=with_body(self._log, change.previous))
                for change in changes
            ]

        try:
            return await self._in_worker(read)
        except Compacted as err:
            raise self._too_old(err) from err

    async def _verify_kept(self, revision: int) -> None:
        """A watch from a revision that is gone is told so even where nothing has happened since. Raises WatchFailed."""
        oldest = await self._in_worker(self._log.oldest_revision)
        if revision < oldest:
            raise self._too_old(Compacted(asked=revision, oldest=oldest))

    def _event(self, change: Change) -> tuple[ChangeType, Record] | None:
        selection, key = self._request.selection, change.record.key
        if selection.namespace is not None and key.namespace != selection.namespace:
            return None
        return event_of(change, selection)

    def _frame(self, kind: ChangeType, record: Record) -> bytes:
        first = not self._watcher.told_first
        self._watcher.told_first = True
        return self._request.encoder.event(kind, record, first=first and self._request.encoder.first_differs)

    async def _reached(self, revision: int) -> bool:
        current = await self._in_worker(self._log.current_revision)
        return revision <= current or await self._feed.wait_for(revision, _FUTURE_SECONDS)

    @staticmethod
    def _too_old(err: Compacted) -> WatchFailed:
        return WatchFailed(Expired(f"too old resource version: {err.asked} ({err.oldest - 1})"))

    def _in_worker(self, function: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._workers, function)
