"""The way into the log: whatever waits to be written becomes one group, one transaction and one flush.

- One group at a time, so futures resolve in the order of revisions. While one is made durable, the next gathers.
- Large bodies are packed, and durable as files, in threads of their own before they wait for their group.
- Where a full disk ends a group, each of its writes is tried by itself: what is small may fit.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import Connection

from apiserver.storage.bodies import Bodies, PreparedBody
from apiserver.storage.group import Entry, Outcome, append
from apiserver.storage.records import Record, Write
from store.database import Database
from store.errors import StoreFull, StoreUnavailable

_PREPARED_APART = 64 << 10  # octets of a body from which packing it is not the caller's work
_PREPARERS = 2
_GROUP_WRITES = 256
_GROUP_OCTETS = 8 << 20  # of bodies in rows; bounds a transaction


@dataclass(slots=True, eq=False)
class _Waiting:
    """`alone`: a group that it was in did not fit."""

    write: Write
    body: PreparedBody | None
    future: "Future[Record]" = field(default_factory=Future)
    alone: bool = False

    @property
    def octets(self) -> int:
        return len(self.body.content) if self.body is not None and self.body.content is not None else 0


class Writer:
    """Used from any thread. `on_commit` is called after each group with its newest revision, and must return at once."""

    def __init__(self, database: Database, bodies: Bodies, *, on_commit: Callable[[int], None]) -> None:
        self._database = database
        self._bodies = bodies
        self._on_commit = on_commit
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._writing = False
        self._closed = False
        self._preparers = ThreadPoolExecutor(_PREPARERS, thread_name_prefix="log-bodies")

    def commit(self, write: Write) -> "Future[Record]":
        """Resolves once the change is durable, or with StaleWrite, ValueError, or StorageFault leaves."""
        if write.body is not None and len(write.body) >= _PREPARED_APART:
            future: Future[Record] = Future()
            try:
                self._preparers.submit(self._prepare, write, write.body, future)
            except RuntimeError:  # shut down
                future.set_exception(_closed())
            return future
        waiting = _Waiting(write, None if write.body is None else self._bodies.prepare(write.body))
        self._enqueue(waiting)
        return waiting.future

    def close(self) -> None:
        """Finishes what was committed; afterwards every commit fails with StoreUnavailable."""
        self._preparers.shutdown()
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._writing)

    def _prepare(self, write: Write, body: bytes, future: "Future[Record]") -> None:
        if future.cancelled():
            return
        try:
            prepared = self._bodies.prepare(body)
        except BaseException as err:  # noqa: BLE001 - it is the answer to the caller, whatever it is
            if future.set_running_or_notify_cancel():
                future.set_exception(err)
        else:
            self._enqueue(_Waiting(write, prepared, future))

    def _enqueue(self, waiting: _Waiting) -> None:
        with self._changed:
            refused = self._closed
            if not refused:
                self._waiting.append(waiting)
            idle, self._writing = not self._writing, self._writing or not refused
        if refused:
            if waiting.future.set_running_or_notify_cancel():
                self._fail(waiting, _closed())
        elif idle:
            self._start_group()

    def _start_group(self) -> None:
        group = _Group(self._take)
        try:
            written = self._database.submit(group.append)
        except StoreUnavailable as err:
            written = Future()
            written.set_exception(err)
        written.add_done_callback(lambda done: self._finish(group, done))

    def _take(self) -> list[_Waiting]:
        """What waits, as much as one transaction should hold. A cancelled write is left out."""
        taken: list[_Waiting] = []
        octets = 0
        with self._changed:
            while self._waiting and len(taken) < _GROUP_WRITES and octets < _GROUP_OCTETS:
                if taken and self._waiting[0].alone:
                    break
                waiting = self._waiting.popleft()
                if not waiting.alone and not waiting.future.set_running_or_notify_cancel():
                    self._release(waiting)
                    continue
                taken.append(waiting)
                octets += waiting.octets
                if waiting.alone:
                    break
        return taken

    def _finish(self, group: "_Group", done: "Future[Sequence[Outcome]]") -> None:
        """In the thread that wrote."""
        error = done.exception()
        taken = group.taken()
        if error is None:
            self._resolve(taken, done.result())
        elif isinstance(error, StoreFull) and len(taken) > 1:
            self._try_alone(taken)
        else:
            for waiting in taken:
                self._fail(waiting, error)
        with self._changed:
            self._writing = bool(self._waiting)
            more = self._writing
            self._changed.notify_all()
        if more:
            self._start_group()

    def _resolve(self, taken: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        newest = 0
        for waiting, outcome in zip(taken, outcomes, strict=True):
            self._release(waiting)
            if isinstance(outcome, Record):
                newest = outcome.revision
                if waiting.write.body is not None:
                    self._bodies.remember(outcome.body.id, waiting.write.body)
                waiting.future.set_result(outcome)
            else:
                waiting.future.set_exception(outcome)
        if newest:
            self._on_commit(newest)

    def _try_alone(self, taken: Sequence[_Waiting]) -> None:
        for waiting in taken:
            waiting.alone = True
        with self._changed:
            self._waiting.extendleft(reversed(taken))

    def _fail(self, waiting: _Waiting, error: BaseException) -> None:
        self._release(waiting)
        waiting.future.set_exception(error)

    def _release(self, waiting: _Waiting) -> None:
        if waiting.body is not None:
            self._bodies.release(waiting.body)


class _Group:
    """An operation that may be run more than once, each time with the writes that it took first."""

    def __init__(self, take: Callable[[], list[_Waiting]]) -> None:
        self._take = take
        self._taken: list[_Waiting] | None = None

    def append(self, connection: Connection) -> Sequence[Outcome]:
        return append(connection, [Entry(write=waiting.write, body=waiting.body) for waiting in self.taken()])

    def taken(self) -> list[_Waiting]:
        if self._taken is None:
            self._taken = self._take()
        return self._taken


def _closed() -> StoreUnavailable:
    return StoreUnavailable("the store is closed; the process is stopping")
