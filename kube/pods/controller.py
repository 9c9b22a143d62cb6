"""The controller of pods: tells the authority which DNS names they may have, and that they are gone.

- A pod's key holds its UID: of a pod that is gone, or whose name another has taken, nothing else is needed.
- Services, service accounts and namespaces concern all pods of their namespace; these are gone over together.
- A full pass is made at the start of leading and every ten minutes; a minute after it or anything else has failed already.
- What was told in an earlier term counts for nothing: another may have led since, and told otherwise.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from kube.ambient import Monotonic
from kube.cluster import Cluster
from kube.collections import Collections
from kube.controllers import Key, Watch
from kube.core_resources import NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES
from kube.documents import JsonObject, name_of, namespace_of, uid_of
from kube.events import Events
from kube.pods.authority import PodAuthority
from kube.pods.full_pass import for_each, make_full_pass
from kube.pods.ledger import Ledger
from kube.pods.projections import project_pod, project_service, project_service_account
from kube.pods.service_index import ServiceIndex
from kube.pods.settlement import LOOK_AGAIN, Settlement, Surrounded
from kube.projections import project_namespace
from kube.service_names import NameForms

FULL_PASS = timedelta(minutes=10)

_POD, _NAMESPACE, _ALL = "pod", "namespace", "all"
_EVERYTHING = Key(kind=_ALL)


class PodController:
    name = "pods"

    def __init__(
        self,
        *,
        cluster: Cluster,
        collections: Collections,
        authority: PodAuthority,
        events: Events,
        monotonic: Monotonic,
        forms: NameForms,
    ) -> None:
        """`cluster` is fenced."""
        self._pods, services, accounts, namespaces = (
            collections.of(watch.resource, query=watch.query, projection=watch.projection) for watch in self.watches()
        )
        self._collections = (self._pods, services, accounts, namespaces)
        self._authority = authority
        self._monotonic = monotonic
        self._passed_at: float | None = None
        self._services = ServiceIndex(services)
        self._ledger = Ledger()
        self._settlement = Settlement(
            cluster=cluster,
            authority=authority,
            events=events,
            monotonic=monotonic,
            surrounded=Surrounded(namespaces=namespaces, accounts=accounts, services=self._services),
            ledger=self._ledger,
            forms=forms,
        )

    def watches(self) -> Sequence[Watch]:
        return (
            Watch(resource=PODS, projection=project_pod, keys=_keys_of_pod, full_pass=FULL_PASS),
            Watch(resource=SERVICES, projection=project_service, keys=self._keys_of_service, full_pass=None),
            Watch(resource=SERVICE_ACCOUNTS, projection=project_service_account, keys=_keys_of_account, full_pass=None),
            Watch(resource=NAMESPACES, projection=project_namespace, keys=_keys_of_namespace, full_pass=None),
        )

    def begin_term(self) -> None:
        self._ledger.clear()
        self._passed_at = None

    def seeds(self) -> Iterable[Key]:
        return (_EVERYTHING,)

    def reconcile(self, key: Key) -> timedelta | None:
        if not all(collection.is_served for collection in self._collections):
            return LOOK_AGAIN
        try:
            return self._reconcile(key)
        except Exception:
            self._passed_at = None
            raise

    def _reconcile(self, key: Key) -> timedelta | None:
        if key.kind == _POD:
            return self._reconcile_pod(key)
        if key.kind == _NAMESPACE:
            mine = [document for document in self._pods.all() if namespace_of(document) == key.namespace]
            return for_each(mine, self._settlement.settle)
        return self._reconcile_all()

    def _reconcile_all(self) -> timedelta | None:
        now = self._monotonic()
        if self._passed_at is not None and now - self._passed_at < FULL_PASS.total_seconds():
            return None
        self._passed_at = now
        again = make_full_pass(self._pods, self._authority, self._ledger, self._settlement)
        if again is not None and again < FULL_PASS:
            self._passed_at = None
        return again

    def _reconcile_pod(self, key: Key) -> timedelta | None:
        name, _, uid = key.name.partition("/")
        document = self._pods.get(key.namespace, name)
        if document is not None and uid_of(document) == uid:
            return self._settlement.settle(document)
        return self._settlement.depart(key.namespace, name, uid)

    def _keys_of_service(self, service: JsonObject) -> Iterable[Key]:
        self._services.changed(namespace_of(service))
        return (Key(kind=_NAMESPACE, namespace=namespace_of(service)),)


def _keys_of_pod(pod: JsonObject) -> Iterable[Key]:
    return (Key(kind=_POD, namespace=namespace_of(pod), name=f"{name_of(pod)}/{uid_of(pod)}"),)


def _keys_of_account(account: JsonObject) -> Iterable[Key]:
    return (Key(kind=_NAMESPACE, namespace=namespace_of(account)),)


def _keys_of_namespace(namespace: JsonObject) -> Iterable[Key]:
    return (Key(kind=_NAMESPACE, namespace=name_of(namespace)),)
