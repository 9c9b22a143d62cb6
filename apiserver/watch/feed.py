"""The feed: follows the change log and hands what is new to the hub, in order, each change once.

- A commit only wakes it; what it tells is read from the log. So it misses nothing and invents nothing.
- With many watchers it lets changes gather for a few milliseconds, and tells all of them at once.
- Where it has fallen behind the log's history, every watcher is sent to start over (410).
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog

from apiserver.storage.records import Change, ChangeLog, Compacted, Record
from apiserver.watch.hub import BodiesNeeded, Hub
from apiserver.watch.watcher import End
from store.errors import StoreCorrupt, StoreError

T = TypeVar("T")

_BATCH = 500
_RETRY_SECONDS = 0.5
_TICK_SECONDS = 1.0
_FEW_WATCHERS = 50
_WINDOW_SECONDS = 0.05
_WINDOW_FOR_EACH = 0.0001  # seconds for each watcher, up to the window

_log = structlog.get_logger("chancery.apiserver.watch")


class Feed:
    """Belongs to the event loop; the log is read in worker threads."""

    def __init__(self, *, log: ChangeLog, hub: Hub, workers: Executor, poll_seconds: float | None = None) -> None:
        """`poll_seconds`: look that often without being woken, as other processes may write to the same log."""
        self._log = log
        self._hub = hub
        self._workers = workers
        self._poll_seconds = poll_seconds
        self.started = asyncio.Event()
        self._new = asyncio.Event()
        self._waiting: dict[asyncio.Future[None], int] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._new.set)

        unsubscribe = self._log.subscribe(wake)
        self._hub.seen = await self._in_worker(self._log.current_revision)
        self.started.set()
        ticking = asyncio.create_task(self._tick())
        try:
            while True:
                await self._woken()
                await self._catch_up()
                window = self._window()
                if window:
                    await asyncio.sleep(window)
        finally:
            ticking.cancel()
            unsubscribe()

    async def wait_for(self, revision: int, seconds: float) -> bool:
        """Whether the hub has seen `revision` within that time."""
        if self._hub.seen >= revision:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = revision
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(future, None)
        return True

    async def _woken(self) -> None:
        if self._poll_seconds is None:
            await self._new.wait()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), self._poll_seconds)
        self._new.clear()

    async def _catch_up(self) -> None:
        while True:
            needs = self._hub.needs
            try:
                changes = await self._in_worker(partial(self._read, needs))
            except Compacted:
                _log.warning("the feed fell behind the history that is kept; watches start over")
                self._hub.finish(End.EXPIRED)
                self._hub.seen = await self._in_worker(self._log.current_revision)
                return
            except StoreError as err:
                _log.warning("changes cannot be read; trying again", error=str(err))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not changes:
                return
            if self._hub.needs.go_beyond(needs):
                continue  # for those who came while it read
            self._hub.publish(changes)
            self._release()

    def _read(self, needs: BodiesNeeded) -> Sequence[Change]:
        changes = self._log.changes(after=self._hub.seen, limit=_BATCH, with_bodies=needs.current)
        return [self._with_previous(change) for change in changes] if needs.previous else changes

    def _with_previous(self, change: Change) -> Change:
        return change if change.previous is None else replace(change, previous=with_body(self._log, change.previous))

    def _release(self) -> None:
        for future, revision in list(self._waiting.items()):
            if revision <= self._hub.seen and not future.done():
                future.set_result(None)

    def _window(self) -> float:
        watchers = len(self._hub)
        return 0.0 if watchers < _FEW_WATCHERS else min(watchers * _WINDOW_FOR_EACH, _WINDOW_SECONDS)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._hub.tick()

    async def _in_worker(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)


def with_body(log: ChangeLog, record: Record) -> Record:
    """The record with its body inline; without, where the body is damaged or gone: one object must not hold up all. Blocks."""
    if record.body.inline is not None:
        return record
    try:
        return record.with_body(log.read_body(record.body))
    except (StoreCorrupt, Compacted) as err:
        _log.error("the body of an object cannot be read", key=str(record.key), error=str(err))
        return record
