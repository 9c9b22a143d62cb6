"""Services by namespace, made when somebody asks and kept until one of that namespace changes.

- Who changes a Service all the time has those of one namespace read anew, not those of the whole cluster.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence

from kube.collections import Collection
from kube.documents import namespace_of
from kube.pods.records import ServiceRecord


class ServiceIndex:
    """Safe from any thread."""

    def __init__(self, services: Collection) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._changed: set[str] = set()
        self._by_namespace: dict[str, list[ServiceRecord]] | None = None

    def changed(self, namespace: str) -> None:
        """To be called after the collection has changed."""
        with self._lock:
            self._changed.add(namespace)

    def of(self, namespace: str) -> Sequence[ServiceRecord]:
        with self._lock:
            if self._by_namespace is None:
                self._changed.clear()
                self._by_namespace = self._read_all()
            elif namespace in self._changed:
                self._changed.discard(namespace)
                self._by_namespace[namespace] = self._read(namespace)
            return self._by_namespace.get(namespace, ())

    def _read_all(self) -> dict[str, list[ServiceRecord]]:
        by_namespace: dict[str, list[ServiceRecord]] = defaultdict(list)
        for document in self._services.all():
            service = ServiceRecord.from_document(document)
            by_namespace[service.namespace].append(service)
        return dict(by_namespace)

    def _read(self, namespace: str) -> list[ServiceRecord]:
        return [
            ServiceRecord.from_document(document)
            for document in self._services.all()
            if namespace_of(document) == namespace
        ]
