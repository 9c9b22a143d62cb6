"""Events (core/v1): what is said about an object, for those who `kubectl describe` it.

- Never in the way: recording makes no call, drops what is too much, and what the cluster does not take is forgotten.
- The same said again about the same object is counted in one Event, written at most once a minute.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from kube.ambient import Clock, Entropy, Monotonic
from kube.cluster import Cluster, PatchKind
from kube.collections import Resource
from kube.documents import JsonObject, name_of, namespace_of, resource_version_of, text, uid_of
from kube.errors import KubeError, NotThere
from kube.instants import timestamp

EVENTS = Resource(version="v1", plural="events")
_REMEMBERED = 1000
_LONGEST_MESSAGE = 1024
_LONGEST_NAME = 230
_SECONDS_BETWEEN_WRITES = 60.0
_NAP_SECONDS = 1.0
_UNFIT = re.compile(r"[^a-z0-9.-]")
"""What may be in the name of a ClusterTrustBundle, or of a role, and not in that of an Event."""

_log = structlog.get_logger("chancery.kube.events")


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(slots=True, kw_only=True)
class _Series:
    """One Event, and how often it was said. `written` is how often the cluster has heard of, `write_at` when it may again."""

    document: JsonObject
    last_time: str
    count: int = 1
    written: int = 0
    write_at: float = field(default=float("-inf"))


class Events:
    """Safe from any thread."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        component: str,
        instance: str,
        clock: Clock,
        monotonic: Monotonic,
        entropy: Entropy,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        """`component` says what speaks, `instance` which process of it; `dropped` counts what was not written."""
        self._cluster = cluster
        self._component = component
        self._instance = instance
        self._clock = clock
        self._monotonic = monotonic
        self._entropy = entropy
        self._dropped = dropped
        self._series: OrderedDict[tuple[str, str, str, str], _Series] = OrderedDict()
        self._condition = threading.Condition()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Writes what waits, for so long at most."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)

    def record(self, one: JsonObject, type: EventType, reason: str, message: str) -> None:  # noqa: A002 - the field's name
        """`one` needs apiVersion, kind and its metadata; `reason` is in UpperCamelCase, `message` is cut at 1024 characters."""
        said = (uid_of(one) or f"{namespace_of(one)}/{name_of(one)}", type, reason, message)
        with self._condition:
            now = self._now()
            known = self._series.get(said)
            if known is not None:
                known.count += 1
                known.last_time = now
                self._series.move_to_end(said)
            else:
                self._series[said] = _Series(document=self._document(one, type, reason, message, now), last_time=now)
                if len(self._series) > _REMEMBERED:
                    _, oldest = self._series.popitem(last=False)
                    if oldest.written < oldest.count:
                        self._dropped()
            self._condition.notify_all()

    def flush(self) -> None:
        """Writes what may be written now. Blocks."""
        while (series := self._next()) is not None:
            try:
                self._write(series)
            except KubeError as err:
                self._dropped()
                _log.debug("an event was not written", error=str(err))

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._is_stopping, _NAP_SECONDS)
                is_last = self._is_stopping
            self.flush()
            if is_last:
                return

    def _next(self) -> _Series | None:
        """Counts as written from now on, whatever comes of it."""
        with self._condition:
            present = self._monotonic()
            for series in self._series.values():
                if series.written < series.count and series.write_at <= present:
                    series.write_at = present + _SECONDS_BETWEEN_WRITES
                    return series
        return None

    def _write(self, series: _Series) -> None:
        with self._condition:
            count, last_time, is_new = series.count, series.last_time, series.written == 0
            series.written = count
        document: JsonObject = {**series.document, "count": count, "lastTimestamp": last_time}
        namespace = namespace_of(document)
        if not is_new:
            patch: JsonObject = {"count": count, "lastTimestamp": last_time}
            try:
                self._cluster.patch(EVENTS.path(namespace, name_of(document)), patch, kind=PatchKind.MERGE)
            except NotThere:
                pass  # the cluster keeps Events for an hour
            else:
                return
        self._cluster.create(EVENTS.path(namespace), document)

    def _document(self, one: JsonObject, kind: EventType, reason: str, message: str, now: str) -> JsonObject:
        namespace = namespace_of(one)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "namespace": namespace or "default",
                "name": f"{_UNFIT.sub('-', name_of(one)[:_LONGEST_NAME].lower()).strip('.-')}.{self._entropy(8).hex()}",
            },
            "involvedObject": {
                "apiVersion": text(one, "apiVersion"),
                "kind": text(one, "kind"),
                "namespace": namespace,
                "name": name_of(one),
                "uid": uid_of(one),
                "resourceVersion": resource_version_of(one),
            },
            "type": kind,
            "reason": reason,
            "message": message[:_LONGEST_MESSAGE],
            "source": {"component": self._component, "host": self._instance},
            "reportingComponent": f"chancery.dev/{self._component}",
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    def _now(self) -> str:
        return timestamp(self._clock())
