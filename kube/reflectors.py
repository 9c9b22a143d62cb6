"""The reflectors of a process: one for whatever is watched of a kind and cut down alike, however many controllers read it."""

from collections.abc import Iterator

from kube.ambient import Entropy, Monotonic
from kube.cluster import Cluster
from kube.collections import Collection, Collections
from kube.controllers import Watch
from kube.metrics import Metrics
from kube.reflector import Reflector, Timing

_LONGEST_SILENCE = 600.0


class Reflectors:
    """Made, started and stopped by one thread."""

    def __init__(
        self, cluster: Cluster, collections: Collections, *, monotonic: Monotonic, entropy: Entropy, timing: Timing
    ) -> None:
        self._cluster = cluster
        self._collections = collections
        self._monotonic = monotonic
        self._entropy = entropy
        self._timing = timing
        self._by_collection: dict[int, tuple[Reflector, Collection]] = {}

    def follow(self, watch: Watch) -> tuple[Reflector, Collection]:
        collection = self._collections.of(watch.resource, query=watch.query, projection=watch.projection)
        if id(collection) not in self._by_collection:
            reflector = Reflector(
                self._cluster,
                watch.resource,
                collection,
                query=watch.query,
                projection=watch.projection,
                monotonic=self._monotonic,
                entropy=self._entropy,
                timing=self._timing,
            )
            self._by_collection[id(collection)] = (reflector, collection)
        return self._by_collection[id(collection)]

    def start(self) -> None:
        for reflector, _ in self:
            reflector.start()

    def stop(self, seconds: float) -> None:
        """Each may take so long to end."""
        for reflector, _ in self:
            reflector.stop()
        for reflector, _ in self:
            reflector.join(seconds)

    def relist(self) -> dict[int, tuple[Reflector, int]]:
        """By the collection's `id`, which list is to be awaited of whom."""
        return {id(collection): (reflector, reflector.relist()) for reflector, collection in self}

    def faults(self) -> Iterator[str]:
        """What is not known of the cluster as it is."""
        for reflector, collection in self:
            name = reflector.resource.plural
            if not collection.synced.is_set():
                yield f"{name} not listed yet"
            elif reflector.silent_seconds > _LONGEST_SILENCE:
                yield f"nothing heard about {name} for {reflector.silent_seconds:.0f} seconds"

    def show(self, metrics: Metrics) -> None:
        for reflector, collection in self:
            metrics.collection_objects.labels(reflector.resource.plural).set(collection.size)
            metrics.collection_silent_seconds.labels(reflector.resource.plural).set(reflector.silent_seconds)

    def __iter__(self) -> Iterator[tuple[Reflector, Collection]]:
        return iter(self._by_collection.values())
