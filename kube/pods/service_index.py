"""Services by namespace, made when somebody asks and kept until one changes."""

import threading
from collections import defaultdict
from collections.abc import Sequence

from kube.collections import Collection
from kube.pods.records import ServiceRecord


class ServiceIndex:
    """Safe from any thread."""

    def __init__(self, services: Collection) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._changes = 0
        self._made_at = -1
        self._by_namespace: dict[str, list[ServiceRecord]] = {}

    def changed(self) -> None:
        """To be called after the collection has changed."""
        with self._lock:
            self._changes += 1

    def of(self, namespace: str) -> Sequence[ServiceRecord]:
        with self._lock:
            if self._made_at != self._changes:
                self._by_namespace = self._read()
                self._made_at = self._changes
            return self._by_namespace.get(namespace, ())

    def _read(self) -> dict[str, list[ServiceRecord]]:
        by_namespace: dict[str, list[ServiceRecord]] = defaultdict(list)
        for document in self._services.all():
            service = ServiceRecord.from_document(document)
            by_namespace[service.namespace].append(service)
        return dict(by_namespace)
