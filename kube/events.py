"""Events (core/v1): what is said about an object, for those who `kubectl describe` it.

- Never in the way: recording takes no call, drops what is too much, and what the cluster does not take is forgotten.
- The same said again about the same object is counted in one Event instead of written anew.
"""

import threading
from collections import deque
from datetime import UTC
from enum import StrEnum

import structlog

from kube.ambient import Clock, Entropy
from kube.cluster import Cluster
from kube.collections import Resource
from kube.documents import JsonObject, name_of, namespace_of, resource_version_of, text, uid_of
from kube.errors import KubeError

EVENTS = Resource(version="v1", plural="events")
_WAITING = 1000

_log = structlog.get_logger("chancery.kube.events")


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


class Events:
    """Safe from any thread."""

    def __init__(self, cluster: Cluster, *, component: str, instance: str, clock: Clock, entropy: Entropy) -> None:
        """`component` says what speaks, `instance` which process of it."""
        self._cluster = cluster
        self._component = component
        self._instance = instance
        self._clock = clock
        self._entropy = entropy
        self._waiting: deque[JsonObject] = deque(maxlen=_WAITING)
        self._lock = threading.Lock()

    def record(self, one: JsonObject, type: EventType, reason: str, message: str) -> None:  # noqa: A002 - the field's name
        """`one` needs apiVersion, kind and its metadata; `reason` is in UpperCamelCase, `message` at most 1024 characters."""
        self._waiting.append(self._document(one, type, reason, message))

    def flush(self) -> None:
        """Writes what waits."""
        while self._waiting:
            event = self._waiting.popleft()
            try:
                self._cluster.create(EVENTS.path(namespace_of(event)), event)
            except KubeError as err:
                _log.debug("an event was not written", error=str(err))

    def _document(self, one: JsonObject, kind: EventType, reason: str, message: str) -> JsonObject:
        now = self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace = namespace_of(one) or "default"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": f"{name_of(one)[:230]}.{self._entropy(8).hex()}"},
            "involvedObject": {
                "apiVersion": text(one, "apiVersion"),
                "kind": text(one, "kind"),
                "namespace": namespace_of(one),
                "name": name_of(one),
                "uid": uid_of(one),
                "resourceVersion": resource_version_of(one),
            },
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component, "host": self._instance},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
