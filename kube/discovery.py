"""Which kinds the API server serves: some come with a feature gate or an operator that may be installed at any time."""

from collections.abc import Iterable

from kube.cluster import Cluster
from kube.collections import Resource
from kube.documents import objects, text
from kube.errors import ClusterUnreachable, NotThere


def is_served(cluster: Cluster, resource: Resource) -> bool:
    """By discovery, which every authenticated caller may ask, and not by RBAC. Raises as `Cluster.get`, ClusterUnreachable also for
    an answer that is no list of resources."""
    try:
        answer = cluster.get(resource.root)
    except NotThere:
        return False
    if text(answer, "kind") != "APIResourceList":
        raise ClusterUnreachable(f"the cluster's answer at {resource.root} is no list of resources")
    return any(text(one, "name") == resource.plural for one in objects(answer, "resources"))


def first_served(cluster: Cluster, resources: Iterable[Resource]) -> Resource | None:
    """For a kind that has several versions: the first of them that there is. Raises as `Cluster.get`."""
    return next((one for one in resources if is_served(cluster, one)), None)
