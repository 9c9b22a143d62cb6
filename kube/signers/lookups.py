"""Objects as they are in the cluster now, for decisions that must not rest on what was seen a while ago."""

from collections.abc import Iterable, Mapping, Sequence

from kube.cluster import Cluster
from kube.collections import Resource
from kube.core_resources import PODS, SERVICES
from kube.documents import JsonObject
from kube.errors import NotThere
from kube.listing import list_objects
from kube.pods.projections import project_pod
from kube.service_names import Place, ServiceName


class Lookups:
    """Raises what `Cluster.get` raises, but for objects that are not there."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def find(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """None also for names that no object can have: they come from whoever wrote the request."""
        try:
            path = resource.path(namespace or None, name) if name else None
        except ValueError:
            return None
        try:
            return self._cluster.get(path) if path else None
        except NotThere:
            return None

    def services(self, names: Iterable[ServiceName | None]) -> Mapping[Place, JsonObject]:
        """Those that are there."""
        places = dict.fromkeys(name.place for name in names if name is not None)
        found = ((place, self.find(SERVICES, *place)) for place in places)
        return {place: service for place, service in found if service is not None}

    def pods_of(self, namespace: str, service_account: str) -> Sequence[JsonObject]:
        """All pods of an account, of each what tells who is behind a Service; none for a namespace that no object can be in."""
        try:
            path = PODS.path(namespace)
        except ValueError:
            return ()
        query = {"fieldSelector": f"spec.serviceAccountName={service_account}"}
        return list_objects(self._cluster, path, query, project_pod).objects
