"""A reflector: what there is of some objects in the cluster, kept up to date by list and watch (client-go tools/cache).

- Resumes at the last version it saw, starts over where that is gone, waits longer after each failure.
- A watch ends by itself after some minutes, and by silence, so that a connection that died unnoticed is noticed.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import structlog

from apiserver.ambient import Entropy
from apiserver.cluster.connection import ClusterConnection, NotThere, TooOld
from apiserver.documents import JsonObject
from apiserver.errors import ClusterUnreachable

_WATCH_SECONDS = 300
_SILENCE_SECONDS = _WATCH_SECONDS + 30.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

_log = structlog.get_logger("chancery.apiserver.cluster")


class Reflector:
    """Of one collection. `objects` is by (namespace, name)."""

    def __init__(
        self,
        connection: ClusterConnection,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        on_change: Callable[[], None] = lambda: None,
        entropy: Entropy,
    ) -> None:
        """`on_change` is called, in the reflector's thread, after each list and event."""
        self._connection = connection
        self._path = path
        self._query = dict(query or {})
        self._on_change = on_change
        self._entropy = entropy
        self._objects: dict[tuple[str, str], JsonObject] = {}
        self._version = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.synced = threading.Event()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"reflector {self._path}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Does not wait: the thread is in a call that ends by itself."""
        self._stopping.set()

    def get(self, namespace: str, name: str) -> JsonObject | None:
        return self._objects.get((namespace, name))

    def refresh(self) -> None:
        """Lists once, now. Blocks. Raises ClusterUnreachable, NotThere."""
        answer = self._connection.get(self._path, self._query)
        items = answer.get("items") or []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ClusterUnreachable("the cluster's list is no list of objects")
        self._objects = {_key(item): item for item in cast("Sequence[JsonObject]", items)}
        self._version = str(_metadata(answer).get("resourceVersion") or "")
        self.synced.set()
        self._on_change()

    def _run(self) -> None:
        pause = _SHORTEST_PAUSE
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self.refresh()
                self._watch()
                pause = _SHORTEST_PAUSE
                continue
            except TooOld:
                self._version = ""
                continue
            except (ClusterUnreachable, NotThere) as err:
                _log.warning(
                    "the cluster cannot be watched; going on with what is known", path=self._path, error=str(err)
                )
            self._stopping.wait(pause * (1 + self._entropy(1)[0] / 256))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _watch(self) -> None:
        query = {
            **self._query,
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        for event in self._connection.watch(self._path, query, seconds=_SILENCE_SECONDS):
            if self._stopping.is_set():
                return
            self._take(event)

    def _take(self, event: JsonObject) -> None:
        """Raises TooOld, ClusterUnreachable."""
        kind, item = event.get("type"), event.get("object")
        if not isinstance(item, dict):
            raise ClusterUnreachable("the cluster sends a watch event without an object")
        if kind == "ERROR":
            if item.get("code") == 410:
                raise TooOld(self._path)
            raise ClusterUnreachable(f"the cluster ends a watch: {item.get('message')}")
        self._version = str(_metadata(item).get("resourceVersion") or self._version)
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            self._objects.pop(_key(item), None)
        else:
            self._objects[_key(item)] = item
        self._on_change()


def _metadata(document: JsonObject) -> JsonObject:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _key(document: JsonObject) -> tuple[str, str]:
    metadata = _metadata(document)
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
