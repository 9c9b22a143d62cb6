"""Watches over HTTP: frames as they come, each on a line of its own, until the watch is over.

- Headers go out at once, also where there is no event yet.
- A caller that stops reading is cut off when too much waits for it; nobody else notices.
"""

from collections.abc import Callable
from concurrent.futures import Executor

from aiohttp import web

from apiserver.ambient import Entropy
from apiserver.audit.policy import Stage
from apiserver.operations.targets import Target
from apiserver.representations.encoding import watch_frame
from apiserver.representations.negotiation import JSON
from apiserver.requests.options import ListOptions
from apiserver.requests.selectors import Selection
from apiserver.statuses import status_of
from apiserver.storage.records import ChangeLog
from apiserver.watch.feed import Feed
from apiserver.watch.hub import Hub
from apiserver.watch.session import WatchFailed, WatchRequest, WatchSession
from apiserver.web.answers import headers_of
from apiserver.web.calls import Call
from apiserver.web.rendering import Rendering

OnSent = Callable[[Target, int, int], None]


class WatchEdge:
    """Streams watches to callers."""

    def __init__(
        self,
        *,
        log: ChangeLog,
        hub: Hub,
        feed: Feed,
        workers: Executor,
        entropy: Entropy,
        shortest_seconds: float,
        on_sent: OnSent,
    ) -> None:
        """A watch that asks for no time lives for `shortest_seconds` to twice that. `on_sent(target, events, octets)`."""
        self._log = log
        self._hub = hub
        self._feed = feed
        self._workers = workers
        self._entropy = entropy
        self._shortest_seconds = shortest_seconds
        self._on_sent = on_sent

    async def stream(
        self, call: Call, target: Target, selection: Selection, options: ListOptions, rendering: Rendering
    ) -> web.StreamResponse:
        seconds = float(options.timeout) or self._shortest_seconds * (1 + self._entropy(1)[0] / 256)
        session = WatchSession(
            WatchRequest(
                storage=target.kind.storage,
                selection=selection,
                encoder=rendering,
                revision=options.revision,
                initial_events=options.send_initial_events,
                bookmarks=options.allow_bookmarks,
                seconds=seconds,
            ),
            log=self._log,
            hub=self._hub,
            feed=self._feed,
            workers=self._workers,
        )
        try:
            return await self._send(call, target, session)
        finally:
            session.close()

    async def _send(self, call: Call, target: Target, session: WatchSession) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers_of(call, content_type=JSON))
        response.enable_chunked_encoding()
        await response.prepare(call.request)
        call.has_begun = True
        if call.audit is not None:
            await call.audit.tell(Stage.RESPONSE_STARTED, code=200)
        transport = call.request.transport
        if transport is not None:
            session.on_cut_off(transport.abort)
        try:
            async for frames in session.chunks():
                octets = b"".join(frames)
                self._on_sent(target, len(frames), len(octets))
                await response.write(octets)
        except WatchFailed as err:
            await response.write(watch_frame("ERROR", status_of(err.error)[1]))
        await response.write_eof()
        return response
