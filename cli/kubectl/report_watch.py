"""Reports as they are written, of several kinds at once: a thread follows each, whoever asks takes what comes.

- A watch that ends is begun again after its last event; one whose version is gone, from the present list.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cli.kubectl.report_counts import Counts, ReportKind
from kube.cluster import Cluster
from kube.documents import JsonObject, mapping, resource_version_of, text
from kube.errors import KubeError, Retryable, TooOld

_WATCH_SECONDS = 300
_SILENCE_SECONDS = _WATCH_SECONDS + 30.0
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A path of one kind, and the version after which it is followed; `again` lists it and says its version."""

    kind: ReportKind
    path: str
    query: Mapping[str, str]
    resource_version: str
    again: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`what` is ADDED, MODIFIED or DELETED."""

    what: str
    counts: Counts


def follow(cluster: Cluster, followed: Sequence[Followed]) -> Iterator[Change]:
    """Without end. Raises KubeError where one of them cannot be followed any more."""
    changes: queue.SimpleQueue[Change | KubeError] = queue.SimpleQueue()
    for one in followed:
        threading.Thread(target=_follow, args=(cluster, one, changes.put), daemon=True).start()
    while True:
        change = changes.get()
        if isinstance(change, KubeError):
            raise change
        yield change


def _follow(cluster: Cluster, one: Followed, tell: Callable[[Change | KubeError], None]) -> None:
    version, pause = one.resource_version, 1.0
    while True:
        try:
            for event in _events(cluster, one, version):
                pause = 1.0
                version = resource_version_of(mapping(event, "object")) or version
                if text(event, "type") in {"ADDED", "MODIFIED", "DELETED"}:
                    counts = one.kind.counts(mapping(event, "object"))
                    tell(Change(what=text(event, "type"), counts=counts))
        except TooOld:
            try:
                version = one.again()
            except KubeError as err:
                tell(err)
                return
        except Retryable:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        except KubeError as err:
            tell(err)
            return


def _events(cluster: Cluster, one: Followed, version: str) -> Iterator[JsonObject]:
    query = {
        **one.query,
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(_WATCH_SECONDS),
    }
    stream = cluster.watch(one.path, query, seconds=_SILENCE_SECONDS)
    try:
        for event in stream:
            if text(event, "type") == "ERROR":
                raise TooOld(text(event, "object", "message") or "the watch is over")
            yield event
    finally:
        stream.close()
