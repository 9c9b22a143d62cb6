"""What runs one controller: its queue, its workers, and the passes over everything that it watches.

- While the process does not lead, workers wait and nothing is queued; at the start of a term everything is told.
- Whatever a controller raises ends the work on that key, for now, and on no other.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ca.client.errors import ClientError
from kube.ambient import Clock, Entropy, Monotonic
from kube.collections import Collection
from kube.controllers import FULL_PASS, Controller, Key, Prompted, Seeded, Termed, Watch
from kube.documents import JsonObject
from kube.errors import KubeError, NotLeading, Retryable
from kube.metrics import Metrics
from kube.work_queue import Retries, WorkQueue

if TYPE_CHECKING:
    from serving.tracing import Tracing

WORKERS = 4

_log = structlog.get_logger("chancery.kube")


@dataclass(slots=True, kw_only=True)
class _Pass:
    """When the objects of a watch, or the seeds, were last told."""

    every: float
    tell: Callable[[], None]
    last: tuple[float, float] = (0.0, 0.0)


class ControllerRunner:
    def __init__(
        self,
        controller: Controller,
        sources: Sequence[tuple[Watch, Collection]],
        *,
        metrics: Metrics,
        within: Callable[[int], AbstractContextManager[None]],
        clock: Clock,
        monotonic: Monotonic,
        entropy: Entropy,
        workers: int = WORKERS,
        retries: Retries | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        """`within` says, for the length of a block, of which term this thread's work is: 0 is none."""
        self.controller = controller
        self._metrics = metrics
        self._within = within
        self._tracing = tracing
        self._term = 0
        self._clock = clock
        self._monotonic = monotonic
        self._queue = WorkQueue(clock=clock, monotonic=monotonic, entropy=entropy, retries=retries)
        self._passes = [
            _Pass(every=watch.full_pass.total_seconds(), tell=partial(self._tell_all, watch, collection))
            for watch, collection in sources
            if watch.full_pass is not None
        ]
        self.sources = sources
        if isinstance(controller, Seeded):
            self._passes.append(_Pass(every=FULL_PASS.total_seconds(), tell=self._tell_seeds))
        if isinstance(controller, Prompted):
            controller.tell_by(lambda keys: self._queue.add(*keys))
        self._threads = [
            threading.Thread(target=self._work, name=f"{controller.name}-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def lead(self, term: int) -> None:
        """A term begins, with everything read anew: all of it is told."""
        self._term = term
        if isinstance(self.controller, Termed):
            self.controller.begin_term()
        self._queue.open()
        for watch, collection in self.sources:
            self._tell_all(watch, collection)
        self._tell_seeds()
        now = self._now()
        for one in self._passes:
            one.last = now

    def rest(self) -> None:
        """The term is over."""
        self._term = 0
        self._queue.close()

    def stop(self) -> None:
        """Does not wait; a worker finishes what it has."""
        self._queue.stop()

    def join(self, seconds: float) -> bool:
        """Whether all workers have ended within that time."""
        deadline = self._monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def tell(self, watch: Watch, changed: Iterable[JsonObject]) -> None:
        """Queues the keys that these objects concern."""
        for one in changed:
            try:
                keys = tuple(watch.keys(one))
            except Exception:  # noqa: BLE001 - one object that nobody expected must not keep others from being told
                _log.exception("an object's keys cannot be told", controller=self.controller.name)
                continue
            self._queue.add(*keys)

    def tick(self) -> None:
        """Makes the passes that are due, by whichever clock says so, and counts."""
        now = self._now()
        for one in self._passes:
            if any(present - last >= one.every or present < last for present, last in zip(now, one.last, strict=True)):
                one.last = now
                one.tell()
        self._metrics.queue_depth.labels(self.controller.name).set(self._queue.depth)
        self._metrics.queue_waiting.labels(self.controller.name).set(self._queue.waiting)

    def _tell_all(self, watch: Watch, collection: Collection) -> None:
        self.tell(watch, collection.all())

    def _tell_seeds(self) -> None:
        if isinstance(self.controller, Seeded):
            self._queue.add(*self.controller.seeds())

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            began = self._monotonic()
            outcome = self._reconcile(key) if self._tracing is None else self._reconcile_traced(key, self._tracing)
            self._metrics.reconciled.labels(self.controller.name, outcome).inc()
            self._metrics.reconcile_seconds.labels(self.controller.name).observe(self._monotonic() - began)

    def _reconcile_traced(self, key: Key, tracing: "Tracing") -> str:
        name = self.controller.name
        with tracing.part(f"reconcile {name}", {"chancery.controller": name, "chancery.key": str(key)}):
            outcome = self._reconcile(key)
            tracing.describe({"chancery.outcome": outcome}, failed=outcome in {"failed", "fault"})
            return outcome

    def _reconcile(self, key: Key) -> str:
        """What came of it, as metrics name it."""
        controller = self.controller.name
        try:
            with self._within(self._term):
                again = self.controller.reconcile(key)
        except NotLeading:
            self._queue.drop(key)
            return "not_leading"
        except Retryable as err:
            seconds = self._queue.fail(key, at_least=err.retry_after)
            _log.info("put off", controller=controller, key=str(key), error=str(err), retry_in=round(seconds, 1))
            return "retry"
        except (KubeError, ClientError) as err:
            seconds = self._queue.fail(key)
            _log.warning("failed", controller=controller, key=str(key), error=str(err), retry_in=round(seconds, 1))
            return "failed"
        except Exception:  # noqa: BLE001 - a controller's own fault must not end its worker
            seconds = self._queue.fail(key)
            _log.exception("a controller's own fault", controller=controller, key=str(key), retry_in=round(seconds, 1))
            return "fault"
        self._queue.succeed(key, again)
        return "done"

    def _now(self) -> tuple[float, float]:
        return self._clock().timestamp(), self._monotonic()
