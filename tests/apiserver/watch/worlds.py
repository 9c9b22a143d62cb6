"""A log, its feed and its hub in the event loop of a test, and what a watcher makes of what it is told."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson

from apiserver.requests.selectors import Selection
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.opening import open_change_log
from apiserver.storage.records import ChangeType, Key, Record, Write
from apiserver.watch.feed import Feed
from apiserver.watch.hub import Hub
from apiserver.watch.session import WatchRequest, WatchSession

STORAGE = "things.example.com"


class PlainEncoder:
    """Tells type, name, labels and revision."""

    needs_bodies = True
    first_differs = False
    key = "plain"

    def event(self, kind: ChangeType, record: Record, *, first: bool) -> bytes:
        metadata = orjson.loads(record.metadata)
        told = {
            "type": kind,
            "name": f"{record.key.namespace}/{record.key.name}",
            "labels": metadata.get("labels", {}),
            "revision": record.revision,
            "body": orjson.loads(record.body.inline or b"null"),
        }
        return orjson.dumps(told)

    def bookmark(self, revision: int, *, initial_events_end: bool) -> bytes:
        return orjson.dumps({"type": "BOOKMARK", "revision": revision, "end": initial_events_end})


@dataclass(slots=True, kw_only=True)
class World:
    log: StoredChangeLog
    feed: Feed
    hub: Hub
    workers: ThreadPoolExecutor
    now: list[float] = field(default_factory=lambda: [1000.0])
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def write(self, name: str, *, namespace: str = "a", deletes: bool = False, **labels: str) -> Record:
        """Creates, updates or deletes, whatever is there."""
        key = Key(storage=STORAGE, namespace=namespace, name=name)
        current = await asyncio.to_thread(self.log.get, key)
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        if deletes:
            assert current is not None
            metadata = orjson.loads(current.metadata)
        write = Write(
            key=key,
            expected=current.revision if current else 0,
            uid="u",
            metadata=json.dumps(metadata).encode(),
            projection=json.dumps({".spec.colour": labels.get("x", "")}).encode(),
            body=None if deletes else json.dumps({"spec": next(self._numbers)}).encode(),
            deletes=deletes,
        )
        return await asyncio.wrap_future(self.log.commit(write))

    def watch(self, *, revision=None, initial_events=None, bookmarks=False, seconds=60.0, **selection) -> WatchSession:
        chosen = Selection.parse(
            labels=selection.get("labels", ""),
            fields=selection.get("fields", ""),
            namespace=selection.get("namespace"),
            selectable=(".spec.colour",),
        )
        request = WatchRequest(
            storage=STORAGE,
            selection=chosen,
            encoder=PlainEncoder(),
            revision=revision,
            initial_events=initial_events,
            bookmarks=bookmarks,
            seconds=seconds,
        )
        return WatchSession(request, log=self.log, hub=self.hub, feed=self.feed, workers=self.workers)


class Reader:
    """Reads a watch one event at a time."""

    def __init__(self, session: WatchSession) -> None:
        self.session = session
        self._chunks = session.chunks()
        self._pending: list[dict] = []

    async def next(self) -> dict:
        while not self._pending:
            frames = await asyncio.wait_for(anext(self._chunks), 60)
            self._pending = [orjson.loads(frame) for frame in frames]
        return self._pending.pop(0)

    async def take(self, count: int) -> list[dict]:
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[dict]:
        """What comes until the watch is over."""
        found = list(self._pending)
        async for frames in self._chunks:
            found += [orjson.loads(frame) for frame in frames]
        return found

    async def close(self) -> None:
        self.session.close()
        await self._chunks.aclose()


@contextlib.asynccontextmanager
async def world(directory) -> AsyncIterator[World]:
    log = open_change_log(f"sqlite:///{directory / 'log.db'}", directory)
    workers = ThreadPoolExecutor(4)
    now = [time.monotonic()]
    hub = Hub(monotonic=lambda: now[0], entropy=bytes)
    feed = Feed(log=log, hub=hub, workers=workers)
    running = asyncio.create_task(feed.run())
    await feed.started.wait()
    try:
        yield World(log=log, feed=feed, hub=hub, workers=workers, now=now)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        workers.shutdown()
        log.close()


def names(events: list[dict]) -> list[tuple[str, str]]:
    return [(event["type"], event["name"].partition("/")[2]) for event in events]
