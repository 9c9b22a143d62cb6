"""What is there in the cluster, asked anew: before somebody loses their certificates for good.

- A release cannot be taken back. What a collection does not hold may still be there: a watch that hangs, a list out of an API
  server that lags or has just started, a kind that seems not to be served. So each absence is confirmed by itself.
- Confirmed by a list of the one name, read at the present (no resourceVersion): an empty list says more than a 404, which any
  proxy on the way may answer as well.
"""

import re

from kube.cluster import Cluster
from kube.collections import Resource
from kube.core_resources import NAMESPACES, PODS, SERVICE_ACCOUNTS
from kube.documents import JsonObject, name_of, objects, text
from kube.errors import ClusterUnreachable

_LIST_KINDS = {PODS: "PodList", SERVICE_ACCOUNTS: "ServiceAccountList", NAMESPACES: "NamespaceList"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def find(cluster: Cluster, resource: Resource, namespace: str, name: str) -> JsonObject | None:
    """The object of that name as it is now. Raises KubeError, ClusterUnreachable also for an answer that is no such list;
    ValueError for what cannot be a name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of an object")
    answer = cluster.get(resource.path(namespace), {"fieldSelector": f"metadata.name={name}"})
    if text(answer, "kind") != _LIST_KINDS[resource] or not isinstance(answer.get("items"), list):
        raise ClusterUnreachable(f"the cluster's answer is no list of {resource.plural}")
    return next((one for one in objects(answer, "items") if name_of(one) == name), None)
