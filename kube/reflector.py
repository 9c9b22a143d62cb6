"""A reflector: keeps a collection like what there is in the cluster, by list and watch (client-go tools/cache).

- Lists in pages, then watches from the list's version. Starts over where that version is gone, where another server went back
  behind it (etcd restored: a watch from the future is silent for ever), and now and then in any case.
- A watch ends by itself after some minutes, and by silence, so that a connection that died unnoticed is noticed.
- A kind that the API server does not have is looked for every minute. Until then its collection is empty and not served. One
  that was there is gone when it has been missing for as long: a proxy, or an API server that has just started, may say so in
  passing. Kinds of the core never go.
- What fails is tried again with backoff and jitter; meanwhile the collection stays as it was.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from kube.ambient import Entropy, Monotonic
from kube.answers import WatchStream
from kube.backoff import Backoff, spread
from kube.cluster import Cluster
from kube.collections import Collection, Projection, Resource
from kube.discovery import is_served
from kube.documents import JsonObject, JsonValue, mapping, name_of, namespace_of, resource_version_of, text
from kube.errors import ClusterUnreachable, KubeError, NotThere, Retryable, TooOld
from kube.listing import PAGE, Listed, list_objects, reduced

_log = structlog.get_logger("chancery.kube.reflector")

OnChange = Callable[[Sequence[JsonObject]], None]
"""Is told objects that changed, as they were and as they are; called in the reflector's thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """In seconds. Where two values stand, each time one in between is drawn."""

    watch: tuple[float, float] = (240.0, 300.0)
    grace: float = 15.0
    """A watch that is silent for so much longer than it was to last has died."""
    relist: tuple[float, float] = (600.0, 1800.0)
    look_again: float = 60.0
    """For a kind that is not served."""
    backoff: tuple[float, float] = (0.8, 30.0)
    shortest_watch: float = 1.0
    """One that ends sooner, without an event, counts as a failure."""


class Reflector:
    """Of one collection, with one thread."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        collection: Collection,
        *,
        query: Mapping[str, str] | None = None,
        projection: Projection | None = None,
        monotonic: Monotonic,
        entropy: Entropy,
        timing: Timing | None = None,
        page: int = PAGE,
    ) -> None:
        self.resource = resource
        self._cluster = cluster
        self._collection = collection
        self._query = dict(query or {})
        self._projection = projection
        self._monotonic = monotonic
        self._entropy = entropy
        self._timing = timing or Timing()
        self._page = page
        self._subscribers: list[OnChange] = []
        self._backoff = Backoff(*self._timing.backoff, entropy=entropy)
        self._version = ""
        self._relist_at = 0.0
        self._heard_at = monotonic()
        self._missed_at: float | None = None
        self._wanted = 0
        self._done = 0
        self._condition = threading.Condition()
        self._is_stopping = False
        self._stream: WatchStream | None = None
        self._thread: threading.Thread | None = None

    def subscribe(self, on_change: OnChange) -> None:
        """Before `start`."""
        self._subscribers.append(on_change)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"reflector-{self.resource.plural}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Does not wait."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
            stream = self._stream
        if stream is not None:
            stream.interrupt()

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def relist(self) -> int:
        """Has everything listed anew; returns what `await_list` takes."""
        with self._condition:
            self._wanted += 1
            wanted, stream = self._wanted, self._stream
            self._condition.notify_all()
        if stream is not None:
            stream.interrupt()
        return wanted

    def await_list(self, wanted: int, seconds: float) -> bool:
        """Whether a list that was begun after `wanted` was asked for has been taken in, or the kind was not there."""
        with self._condition:
            return self._condition.wait_for(lambda: self._done >= wanted or self._is_stopping, seconds) and (
                self._done >= wanted
            )

    @property
    def silent_seconds(self) -> float:
        """Since the cluster last said anything about these objects."""
        return self._monotonic() - self._heard_at

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._step()
            except TooOld as err:
                _log.info("listing anew", resource=self.resource.plural, why=str(err))
                self._version = ""
                self._pause(spread(0.0, self._timing.backoff[0], self._entropy))
            except KubeError as err:
                advised = err.retry_after if isinstance(err, Retryable) else 0.0
                seconds = max(self._backoff.next(), advised)
                if isinstance(err, NotThere):
                    self._version = ""
                _log.warning(
                    "the cluster cannot be watched; going on with what is known",
                    resource=self.resource.plural,
                    error=str(err),
                    retry_in=round(seconds, 1),
                )
                self._pause(seconds)
            except Exception:  # noqa: BLE001 - its end would leave the collection to grow old without a word
                _log.exception("a reflector's own fault", resource=self.resource.plural)
                self._version = ""
                self._pause(self._backoff.next())

    def _step(self) -> None:
        """Lists, if that is due, and watches once."""
        with self._condition:
            wanted = self._wanted
            is_due = not self._version or self._done < wanted
        is_due = is_due or self._monotonic() >= self._relist_at or self._is_behind_us()
        if is_due and not self._list(wanted):
            return
        began = self._monotonic()
        if self._watch() or self._monotonic() - began >= self._timing.shortest_watch:
            self._backoff.reset()
        elif not self._is_stopping and self._done >= self._wanted:
            raise ClusterUnreachable("the cluster ends a watch as soon as it has begun")

    def _list(self, wanted: int) -> bool:
        """False where the kind is not served."""
        self._version = ""
        path = self.resource.path()
        if not is_served(self._cluster, self.resource):
            self._miss(wanted)
            return False
        try:
            listed = list_objects(self._cluster, path, self._query, self._projection, page=self._page)
        except NotThere:
            self._miss(wanted)
            return False
        self._missed_at = None
        self._take_list(listed)
        self._finish(wanted)
        self._backoff.reset()
        return True

    def _miss(self, wanted: int) -> None:
        """Raises ClusterUnreachable for as long as the kind may come back."""
        if self._collection.is_served:
            now = self._monotonic()
            self._missed_at = now if self._missed_at is None else self._missed_at
            if not self.resource.group or now - self._missed_at < self._timing.look_again:
                raise ClusterUnreachable(f"the cluster says that it has no {self.resource.plural} any more")
        self._missed_at = None
        self._lose(wanted)

    def _lose(self, wanted: int) -> None:
        if self._collection.is_served:
            _log.info("a kind is not served any more", resource=self.resource.plural, group=self.resource.group)
        self._tell(self._collection.lose())
        self._finish(wanted)
        self._pause(spread(self._timing.look_again, self._timing.look_again * 1.2, self._entropy))

    def _take_list(self, listed: Listed) -> None:
        self._heard()
        self._version = listed.resource_version
        self._relist_at = self._monotonic() + spread(*self._timing.relist, self._entropy)
        self._tell(self._collection.fill(listed.objects))

    def _finish(self, wanted: int) -> None:
        self._heard()
        with self._condition:
            self._done = max(self._done, wanted)
            self._condition.notify_all()

    def _is_behind_us(self) -> bool:
        """Whether the API server's present is before what was seen of it."""
        present = resource_version_of(self._cluster.get(self.resource.path(), {**self._query, "limit": "1"}))
        if _number(present) < _number(self._version):
            _log.warning(
                "the cluster went back in time; listing anew",
                resource=self.resource.plural,
                was=self._version,
                now=present,
            )
            return True
        return False

    def _watch(self) -> bool:
        """Until the watch ends. Returns whether anything was heard."""
        seconds = spread(*self._timing.watch, self._entropy)
        query = {
            **self._query,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, int(seconds))),
        }
        stream = self._cluster.watch(self.resource.path(), query, seconds=seconds + self._timing.grace)
        try:
            if not self._begin(stream):
                return False
            self._heard()
            heard = False
            for event in stream:
                if self._is_stopping or self._done < self._wanted:
                    break
                self._take(event)
                heard = True
                if self._monotonic() >= self._relist_at:
                    break
            return heard
        finally:
            with self._condition:
                self._stream = None
            stream.close()

    def _begin(self, stream: WatchStream) -> bool:
        with self._condition:
            if self._is_stopping or self._done < self._wanted:
                return False
            self._stream = stream
            return True

    def _take(self, event: JsonObject) -> None:
        """Raises TooOld, ClusterUnreachable."""
        self._heard()
        kind, one = text(event, "type"), mapping(event, "object")
        if kind == "ERROR":
            self._fail(one)
        version = resource_version_of(one)
        if not version:
            raise ClusterUnreachable("the cluster sends a watch event without a version")
        if kind == "BOOKMARK":
            self._version = version
            return
        if not name_of(one):
            raise ClusterUnreachable("the cluster sends a watch event about nothing")
        kept = reduced(one, self._projection)
        is_gone = kind == "DELETED"
        collection = self._collection
        before = collection.remove(namespace_of(one), name_of(one)) if is_gone else collection.put(kept)
        self._version = version
        self._tell([kept] if before is None else [before, kept])

    def _fail(self, status: JsonObject) -> None:
        code: JsonValue = status.get("code")
        said = text(status, "message") or text(status, "reason") or "no reason given"
        if code == 410:
            raise TooOld(said)
        self._version = ""
        raise ClusterUnreachable(f"the cluster ends a watch: {said}")

    def _tell(self, changed: Sequence[JsonObject]) -> None:
        if changed:
            for subscriber in self._subscribers:
                subscriber(changed)

    def _heard(self) -> None:
        self._heard_at = self._monotonic()

    def _pause(self, seconds: float) -> None:
        """Shorter where somebody wants a list, or the end."""
        with self._condition:
            wanted = self._wanted
            self._condition.wait_for(lambda: self._is_stopping or self._wanted > wanted, seconds)


def _number(version: str) -> int:
    """Versions grow, and may be compared as numbers (KEP-5504). What is no number is older than all."""
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 40 else 0
