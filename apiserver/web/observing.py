"""What operators ask for: health, metrics, profiles."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from aiohttp import web

from apiserver.ambient import Clock
from apiserver.errors import BadRequest, TooManyRequests
from apiserver.health import Health
from apiserver.metrics import CONTENT_TYPE, Metrics
from apiserver.profiling.heap import profile_heap
from apiserver.profiling.sampling import profile_cpu
from apiserver.profiling.stacks import profile_stacks, thread_stacks
from apiserver.web.answers import answer, headers_of, not_found
from apiserver.web.calls import Call
from apiserver.web.paths import PathHandlers, verify_reading

T = TypeVar("T")

_TEXT = "text/plain; charset=utf-8"
_LONGEST_PROFILE = 120.0
_DEFAULT_CPU, _DEFAULT_HEAP = 30.0, 10.0
_INDEX = """/debug/pprof/

profile    where time goes: ?seconds=30
heap       what memory is held by: ?seconds=10 (allocations of that time that are still held)
goroutine  every thread and task, and where it is; as text with ?debug=2
cmdline    how the process was started
"""


class Observing:
    """Adds its handlers to the paths of a server."""

    def __init__(
        self, *, health: Health, metrics: Metrics, refresh: Callable[[], None], clock: Clock, workers: Executor
    ) -> None:
        """`refresh` brings metrics up to date that nobody counts; it blocks."""
        self._health = health
        self._metrics = metrics
        self._refresh = refresh
        self._clock = clock
        self._workers = workers
        self._profiling = False
        self._command_line = ""

    def add_to(self, paths: PathHandlers, *, profiling: bool, command_line: str) -> None:
        for endpoint in ("healthz", "livez", "readyz"):
            paths.add(f"/{endpoint}", self._tell_health)
            paths.add(f"/{endpoint}/", self._tell_health)
        paths.add("/metrics", self._tell_metrics)
        if not profiling:
            return
        paths.add("/debug/pprof/", self._profile)
        paths.add("/debug/pprof", self._profile)
        self._command_line = command_line

    async def _tell_health(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        endpoint, _, check = call.info.path.strip("/").partition("/")
        verdict = await self._health.ask(
            endpoint, check, verbose="verbose" in call.query, excluded=call.values("exclude")
        )
        if verdict is None:
            return not_found(call)
        headers = headers_of(call, content_type=_TEXT, more={"X-Content-Type-Options": "nosniff"})
        return web.Response(status=200 if verdict.healthy else 500, body=verdict.text.encode(), headers=headers)

    async def _tell_metrics(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        await self._in_worker(self._refresh)
        octets = await self._in_worker(self._metrics.exposition)
        return await answer(call, octets, workers=self._workers, content_type=CONTENT_TYPE)

    async def _profile(self, call: Call) -> web.StreamResponse:
        verify_reading(call)
        what = call.info.path.removeprefix("/debug/pprof").strip("/")
        if what == "profile":
            return await self._taken(call, what, _seconds(call, _DEFAULT_CPU), self._cpu)
        if what in {"heap", "allocs"}:
            return await self._taken(call, what, _seconds(call, _DEFAULT_HEAP), self._heap)
        if what in {"goroutine", "threadcreate"} and "debug" not in call.query:
            return self._file(call, what, profile_stacks(asyncio.all_tasks(), time_nanos=self._now()))
        text = self._text_of(what)
        return not_found(call) if text is None else await self._text(call, text)

    def _text_of(self, what: str) -> str | None:
        if what in {"goroutine", "threadcreate"}:
            return thread_stacks(asyncio.all_tasks())
        return {"": _INDEX, "cmdline": self._command_line}.get(what)

    async def _taken(
        self, call: Call, name: str, seconds: float, take: Callable[[float, threading.Event], bytes]
    ) -> web.StreamResponse:
        """In a thread of its own, one at a time; ended early where the caller goes."""
        if self._profiling:
            raise TooManyRequests
        self._profiling = True
        gone = threading.Event()
        try:
            octets = await asyncio.to_thread(take, seconds, gone)
        finally:
            gone.set()
            self._profiling = False
        return self._file(call, name, octets)

    @staticmethod
    def _file(call: Call, name: str, octets: bytes) -> web.StreamResponse:
        headers = headers_of(
            call,
            content_type="application/octet-stream",
            more={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
        )
        return web.Response(body=octets, headers=headers)

    def _cpu(self, seconds: float, gone: threading.Event) -> bytes:
        return profile_cpu(seconds, pause=gone.wait, time_nanos=self._now())

    def _heap(self, seconds: float, gone: threading.Event) -> bytes:
        return profile_heap(gone, seconds, time_nanos=self._now())

    def _now(self) -> int:
        return int(self._clock().timestamp() * 1e9)

    async def _text(self, call: Call, text: str) -> web.StreamResponse:
        return await answer(call, text.encode(), workers=self._workers, content_type=_TEXT)

    async def _in_worker(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)


def _seconds(call: Call, default: float) -> float:
    """Raises BadRequest."""
    text = call.query.get("seconds", "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError as err:
        raise BadRequest(f"seconds: {text[:32]!r} is no number") from err
    if not 0 < seconds <= _LONGEST_PROFILE:
        raise BadRequest(f"seconds: must be more than 0 and at most {_LONGEST_PROFILE:.0f}")
    return seconds
