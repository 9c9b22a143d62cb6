"""The signing thread: everything that waits is signed back to back and recorded in one transaction.

- One thread for each process. While it commits, the next batch gathers; under load the batches grow by themselves.
- The queue is bounded: beyond it a caller is told to come back, so that nobody waits for an answer that no one expects any more.
- The holder of a pod's certificate gets others only so often.
- An order whose caller has gone away is still signed and recorded if it was taken; it is skipped if it was not.
- `close` lets what is queued finish; afterwards every order is refused with ShuttingDown.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ca.authority import Authority
from ca.errors import Overloaded, ShuttingDown
from ca.holder_limits import HolderLimits
from ca.orders import Order, Outcome
from store.records import CertificateRecord, Issuance

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from serving.tracing import Tracing

_BATCH_LIMIT = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    order: Order
    answer: "asyncio.Future[CertificateRecord]"
    trace: "Context | None" = None


class SigningPipeline:
    """Takes orders from one event loop and answers them there."""

    def __init__(
        self,
        authority: Authority,
        *,
        capacity: int,
        parallel: int = 1,
        on_batch: Callable[[int], None] = lambda _size: None,
        on_recorded: Callable[[], None] = lambda: None,
        tracing: "Tracing | None" = None,
        limits: HolderLimits | None = None,
    ) -> None:
        """`parallel` > 1 prepares with that many threads: worth it where a signature costs a millisecond or more (RSA, P-384,
        ML-DSA), a loss for P-256. `on_batch` is told the size of each batch, in the signing thread; `on_recorded` is called in the
        loop once its answers are out."""
        self._authority = authority
        self._capacity = capacity
        self._on_batch = on_batch
        self._on_recorded = on_recorded
        self._tracing = tracing
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="prepare") if parallel > 1 else None
        self._thread = threading.Thread(target=self._run, name="signing-pipeline", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def issue(self, order: Order) -> CertificateRecord:
        """Returns once it is durable. Raises what `Authority.prepare` and the store raise; Overloaded, ShuttingDown."""
        if self._limits is not None and order.operation.makes_a_certificate:
            await self._limits.take(order.call)
        if self._tracing is None:
            return await self._issue(_Waiting(order, self._loop.create_future()))
        with self._tracing.part("issue", {"chancery.profile": order.profile, "chancery.request_id": order.call.id}):
            return await self._issue(_Waiting(order, self._loop.create_future(), self._tracing.present()))

    async def _issue(self, waiting: _Waiting) -> CertificateRecord:
        with self._wake:
            if self._closing:
                raise ShuttingDown("the server is stopping; try another one, or again in a moment")
            if len(self._queue) >= self._capacity:
                raise Overloaded("too many requests are waiting to be signed; try again in a moment")
            self._queue.append(waiting)
            self._wake.notify()
        return await waiting.answer

    async def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        if self._pool is not None:
            self._pool.shutdown()

    def _run(self) -> None:
        while batch := self._take():
            self._on_batch(len(batch))
            outcomes = self._work(batch)
            self._loop.call_soon_threadsafe(self._answer, batch, outcomes)

    def _take(self) -> list[_Waiting]:
        """Blocks until something waits; empty only once the pipeline is closed and drained."""
        with self._wake:
            while True:
                self._wake.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return []
                count = min(len(self._queue), _BATCH_LIMIT)
                taken = (self._queue.popleft() for _ in range(count))
                if live := [waiting for waiting in taken if not waiting.answer.done()]:
                    return live

    def _work(self, batch: Sequence[_Waiting]) -> list[Outcome]:
        orders = [waiting.order for waiting in batch]
        with self._traced("sign", batch):
            prepared = self._prepare(orders)
        ready = [(order, one) for order, one in zip(orders, prepared, strict=True) if isinstance(one, Issuance)]
        with self._traced("record", batch):
            recorded = iter(self._record([order for order, _ in ready], [one for _, one in ready]))
        return [next(recorded) if isinstance(one, Issuance) else one for one in prepared]

    def _traced(self, what: str, batch: Sequence[_Waiting]) -> AbstractContextManager[None]:
        if self._tracing is None:
            return nullcontext()
        parents = [waiting.trace for waiting in batch if waiting.trace is not None]
        return self._tracing.parts(what, parents, {"chancery.batch_size": len(batch)})

    def _prepare(self, orders: Sequence[Order]) -> Sequence[Issuance | Exception]:
        if self._pool is None:
            return self._authority.prepare(orders)
        return [one for part in self._pool.map(self._authority.prepare, ([order] for order in orders)) for one in part]

    def _record(self, orders: Sequence[Order], issuances: Sequence[Issuance]) -> Sequence[Outcome]:
        if not orders:
            return ()
        try:
            return self._authority.record(orders, issuances)
        except Exception as err:  # noqa: BLE001 - nothing of the batch was recorded, and each caller is told so
            return [err] * len(orders)

    def _answer(self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
        self._on_recorded()
