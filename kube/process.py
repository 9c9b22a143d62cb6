"""A process of controllers: opened in order, run until it is told to stop, and closed in the opposite order.

- Every replica keeps its collections up to date; the one that leads works on them.
- A controller begins its term when all that it watches was read anew.
- A term ends with the writers: no more keys, then no more writes, then the lease.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from kube.ambient import Clock, Entropy, Monotonic
from kube.clock_skew import ClockComparison
from kube.cluster import Cluster
from kube.collections import Collections
from kube.controllers import Controller
from kube.election import LeaseName, LeaseTiming
from kube.errors import KubeSettingsInvalid
from kube.events import Events
from kube.health import health_application
from kube.leadership import Leadership
from kube.metrics import Metrics
from kube.own_identity import identity_ends_at
from kube.reflector import Reflector, Timing
from kube.reflectors import Reflectors
from kube.runner import ControllerRunner
from kube.settings import ControllerSettings
from kube.work_queue import Retries
from serving.http import AddressUnavailable, HttpListener

if TYPE_CHECKING:
    from ca.client.followed import FollowedConnection
    from serving.tracing import Tracing

COMPONENT = "chancery-controller"
_LONGEST_STANDSTILL = 60.0
_TICK_SECONDS = 1.0
_WORKERS_GRACE = 8.0
_EVENTS_GRACE = 2.0
_LISTENER_GRACE = 1.0

_log = structlog.get_logger("chancery.kube")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """`boottime` goes on while the machine sleeps; `instance` names this process and no other."""

    clock: Clock
    monotonic: Monotonic
    boottime: Monotonic
    entropy: Entropy
    instance: str
    tracing: "Tracing | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What controllers are made of. `cluster` is fenced: it raises NotLeading instead of writing for one who does not lead."""

    settings: ControllerSettings
    cluster: Cluster
    collections: Collections
    events: Events
    metrics: Metrics
    authority: "FollowedConnection"
    clock: Clock
    monotonic: Monotonic
    boottime: Monotonic
    entropy: Entropy


MakeControllers = Callable[[Parts], Sequence[Controller]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What tests make shorter."""

    lease: LeaseTiming = field(default_factory=LeaseTiming)
    reflector: Timing = field(default_factory=Timing)
    retries: Retries = field(default_factory=Retries)


class ControllerProcess:
    """All but the health listener; made, started and stopped by one thread."""

    def __init__(
        self,
        settings: ControllerSettings,
        *,
        cluster: Cluster,
        authority: "FollowedConnection",
        make: MakeControllers,
        ambient: Ambient,
        tuning: Tuning | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self.metrics = Metrics()
        self.leadership = Leadership(
            cluster,
            LeaseName(namespace=settings.namespace, name=settings.cluster.lease_name),
            identity=ambient.instance,
            begin=self._begin_term,
            end=self._end_term,
            clock=ambient.clock,
            boottime=ambient.boottime,
            entropy=ambient.entropy,
            timing=tuning.lease,
        )
        parts = self._make_parts(settings, cluster.fenced(self.leadership.permit), authority, ambient)
        self._events = parts.events
        self._reflectors = Reflectors(
            cluster,
            parts.collections,
            monotonic=ambient.monotonic,
            entropy=ambient.entropy,
            timing=tuning.reflector,
        )
        self._runners = [self._make_runner(one, parts, tuning.retries, ambient.tracing) for one in make(parts)]
        self._monotonic = ambient.monotonic
        self._identity = settings.authority.identity
        self._clocks = ClockComparison(
            lambda: cluster.fetch("/version").headers, clock=ambient.clock, show=self.metrics.clock_skew.set
        )
        self._stopping = threading.Event()
        self._term_lock = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def _make_parts(
        self, settings: ControllerSettings, fenced: Cluster, authority: "FollowedConnection", ambient: Ambient
    ) -> Parts:
        events = Events(
            fenced,
            component=COMPONENT,
            instance=ambient.instance,
            clock=ambient.clock,
            monotonic=ambient.monotonic,
            entropy=ambient.entropy,
            dropped=self.metrics.events_dropped.inc,
        )
        return Parts(
            settings=settings,
            cluster=fenced,
            collections=Collections(),
            events=events,
            metrics=self.metrics,
            authority=authority,
            clock=ambient.clock,
            monotonic=ambient.monotonic,
            boottime=ambient.boottime,
            entropy=ambient.entropy,
        )

    def _make_runner(
        self, controller: Controller, parts: Parts, retries: Retries, tracing: "Tracing | None"
    ) -> ControllerRunner:
        watches = [(watch, *self._reflectors.follow(watch)) for watch in controller.watches()]
        runner = ControllerRunner(
            controller,
            [(watch, collection) for watch, _, collection in watches],
            metrics=self.metrics,
            within=self.leadership.within,
            clock=parts.clock,
            monotonic=parts.monotonic,
            entropy=parts.entropy,
            workers=parts.settings.cluster.workers,
            retries=retries,
            tracing=tracing,
        )
        for watch, reflector, _ in watches:
            reflector.subscribe(partial(runner.tell, watch))
        return runner

    def start(self) -> None:
        self._reflectors.start()
        for runner in self._runners:
            runner.start()
        self._events.start()
        self._ticker.start()
        self._clocks.start()
        self.leadership.start()

    def stop(self) -> None:
        """Blocks for some seconds: workers finish what they have, and then the lease is given back."""
        self._stopping.set()
        self._clocks.stop()
        for runner in self._runners:
            runner.stop()
        deadline = self._monotonic() + _WORKERS_GRACE
        have_ended = all([runner.join(deadline - self._monotonic()) for runner in self._runners])  # noqa: C419 - each of them
        self._events.stop(_EVENTS_GRACE)
        self.leadership.stop(release=have_ended)
        self._reflectors.stop(_EVENTS_GRACE)

    def refresh_metrics(self) -> None:
        self.metrics.leading.set(self.leadership.is_leading)
        self.metrics.identity_expiry.set(identity_ends_at(self._identity))
        self._reflectors.show(self.metrics)

    def check_alive(self) -> str:
        idle = self.leadership.idle_seconds
        return f"leadership has not moved for {idle:.0f} seconds" if idle > _LONGEST_STANDSTILL else ""

    def check_ready(self) -> str:
        stopping = ["stopping"] if self._stopping.is_set() else []
        return "\n".join([*self._reflectors.faults(), *stopping])

    def _begin_term(self, term: int) -> None:
        """Each controller begins as soon as what it watches was read anew: one that waits for a permission holds up no other."""
        wanted = self._reflectors.relist()
        for runner in self._runners:
            lists = [wanted[id(collection)] for _, collection in runner.sources]
            name = f"{runner.controller.name}-term"
            threading.Thread(target=self._lead, args=(runner, lists, term), name=name, daemon=True).start()

    def _lead(self, runner: ControllerRunner, lists: Sequence[tuple[Reflector, int]], term: int) -> None:
        for reflector, number in lists:
            while not reflector.await_list(number, _TICK_SECONDS):
                if self._stopping.is_set() or not self.leadership.lasts(term):
                    return
        with self._term_lock:
            if self.leadership.lasts(term):
                runner.lead(term)

    def _end_term(self) -> None:
        with self._term_lock:
            for runner in self._runners:
                runner.rest()

    def _tick(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            for runner in self._runners:
                runner.tick()


async def serve(
    settings: ControllerSettings,
    process: ControllerProcess,
    *,
    stopping: asyncio.Event,
    announce: Callable[[str], None],
) -> None:
    """Runs `process` until `stopping` is set; `announce` is called with the URL of its health once that listens.

    Raises KubeSettingsInvalid."""
    application = health_application(
        live=[process.check_alive],
        ready=[process.check_ready],
        registry=process.metrics.registry,
        refresh=process.refresh_metrics,
    )
    listener = HttpListener(application, None)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(listener.stop, _LISTENER_GRACE)
        try:
            url = await listener.start(settings.observability.health_address, settings.observability.health_port)
        except AddressUnavailable as err:
            raise KubeSettingsInvalid([str(err)]) from err
        process.start()
        stack.push_async_callback(asyncio.to_thread, process.stop)
        announce(url)
        await stopping.wait()
        _log.info("stopping")
    _log.info("stopped")
