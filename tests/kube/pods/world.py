"""A cluster and an authority in memory, with the controller between them: what it sees, and what is really there, apart."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ca.client.errors import CallOutOfTurn, ClientError
from ca.client.values import Pod, RevocationReason
from kube.collections import Collections
from kube.controllers import Key
from kube.errors import KubeError, NotLeading
from kube.listing import reduced
from kube.pods.controller import PodController
from kube.service_names import NameForms
from tests.kube.pods import documents

KINDS = {"pods": "Pod", "services": "Service", "serviceaccounts": "ServiceAccount", "namespaces": "Namespace"}


@dataclass(slots=True)
class FakeAuthority:
    """Keeps what `RegistrarService` keeps; raises what is in `errors` first."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    released: dict[str, RevocationReason] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    errors: list[ClientError] = field(default_factory=list)
    failing: dict[str, ClientError] = field(default_factory=dict)
    """By UID."""

    def register_pod(self, pod: Pod, dns_names: tuple[str, ...]) -> None:
        self._called("register", pod.uid)
        if pod.uid in self.released:
            raise CallOutOfTurn("released", status="FAILED_PRECONDITION", reason="POD_RELEASED")
        self.pods[pod.uid] = pod
        self.names[pod.uid] = dns_names

    def release_pod(self, pod_uid: str, reason: RevocationReason) -> int:
        self._called("release", pod_uid)
        self.released[pod_uid] = reason
        self.names.pop(pod_uid, None)
        return 0 if self.pods.pop(pod_uid, None) is None else 1

    def list_pods(self) -> tuple[Pod, ...]:
        self._called("list", "")
        return tuple(self.pods.values())

    def enrolled(self, document: Any) -> None:
        """A pod that got a certificate by its own token."""
        metadata = document["metadata"]
        self.pods[metadata["uid"]] = Pod(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            service_account=document["spec"]["serviceAccountName"],
            node="node-1",
        )

    def _called(self, method: str, uid: str) -> None:
        self.calls[method] += 1
        if self.errors:
            raise self.errors.pop(0)
        if uid in self.failing:
            raise self.failing[uid]


@dataclass(slots=True)
class FakeCluster:
    """What is really there. `broken` answers in place of it."""

    documents: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    error: KubeError | None = None
    broken: Any = None
    is_leading: bool = True

    def verify_leading(self) -> None:
        if not self.is_leading:
            raise NotLeading("another leads")

    def get(self, path: str, query: Any = None) -> Any:
        self.asked.append(path)
        if self.error is not None:
            raise self.error
        if self.broken is not None:
            return self.broken
        parts = path.split("/")
        plural, namespace = parts[-1], parts[4] if len(parts) > 4 else ""
        name = query["fieldSelector"].removeprefix("metadata.name=")
        found = self.documents.get((plural, namespace, name))
        items = [] if found is None else [{key: found[key] for key in found if key not in {"apiVersion", "kind"}}]
        return {
            "apiVersion": "v1",
            "kind": f"{KINDS[plural]}List",
            "metadata": {"resourceVersion": "1"},
            "items": items,
        }


@dataclass(slots=True)
class Said:
    """Events that were recorded: reason and message."""

    all: list[tuple[str, str]] = field(default_factory=list)

    def record(self, one: Any, _type: Any, reason: str, message: str) -> None:
        assert one["kind"] == "Pod"
        assert one["apiVersion"] == "v1"
        self.all.append((reason, message))


class World:
    def __init__(self) -> None:
        self.authority, self.cluster, self.said, self.now = FakeAuthority(), FakeCluster(), Said(), 1000.0
        self.queue: dict[Key, None] = {}
        self.put(documents.namespace(), documents.account())
        self.restart()

    def restart(self) -> None:
        """Another process, which lists everything anew and begins to lead."""
        collections = Collections()
        self.controller = PodController(
            cluster=self.cluster,
            collections=collections,
            authority=self.authority,
            events=self.said,
            monotonic=lambda: self.now,
            forms=NameForms(),
        )
        self.watches = {watch.resource.plural: watch for watch in self.controller.watches()}
        self.collections = {
            plural: collections.of(watch.resource, projection=watch.projection)
            for plural, watch in self.watches.items()
        }
        self.queue.clear()
        self.controller.begin_term()
        for plural in KINDS:
            self.relist(plural)
        self.seed()

    def seed(self) -> None:
        self.queue |= dict.fromkeys(self.controller.seeds())

    def put(self, *found: Any) -> None:
        """Changes what is there; nobody has seen it yet."""
        for document in found:
            self.cluster.documents[self._place(document)] = document

    def take(self, document: Any) -> None:
        del self.cluster.documents[self._place(document)]

    def see(self, *found: Any) -> None:
        """As `put`, and the watch says so."""
        self.put(*found)
        for document in found:
            plural = self._place(document)[0]
            kept = reduced(document, self.watches[plural].projection)
            before = self.collections[plural].put(kept)
            self._tell(plural, [kept] if before is None else [before, kept])

    def see_gone(self, document: Any) -> None:
        self.take(document)
        plural, namespace, name = self._place(document)
        before = self.collections[plural].remove(namespace, name)
        self._tell(plural, [before])

    def relist(self, plural: str) -> None:
        found = [document for place, document in self.cluster.documents.items() if place[0] == plural]
        kept = [reduced(document, self.watches[plural].projection) for document in found]
        self._tell(plural, self.collections[plural].fill(kept))

    def work(self) -> dict[Key, timedelta | None]:
        """Until the queue is empty; what fails stays in it and is raised at the end."""
        answers, failed = {}, {}
        while self.queue:
            key = next(iter(self.queue))
            del self.queue[key]
            try:
                answers[key] = self.controller.reconcile(key)
            except (KubeError, ClientError) as err:
                failed[key] = err
        self.queue |= dict.fromkeys(failed)
        if failed:
            raise next(iter(failed.values()))
        return answers

    def _tell(self, plural: str, changed: Any) -> None:
        for document in changed:
            self.queue |= dict.fromkeys(self.watches[plural].keys(document))

    def _place(self, document: Any) -> tuple[str, str, str]:
        plural = next(plural for plural, kind in KINDS.items() if kind == document["kind"])
        return plural, document["metadata"].get("namespace", ""), document["metadata"]["name"]


def changed(document: Any, **metadata: Any) -> Any:
    return {**document, "metadata": {**document["metadata"], **metadata}}


def uid_of(document: Any) -> str:
    return str(document["metadata"]["uid"])
