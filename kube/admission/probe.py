"""What the cluster can do, asked of the cluster: dry runs of a pod template, and the kubelets of its nodes.

- A PodTemplate goes through the same code as a pod, feature gates included, and starts nothing: the right to create some is
  harmless, which the right to create pods is not.
- What was found holds until it is found anew; an API server that is away changes nothing.
"""

import threading
from collections.abc import Callable, Iterator

import structlog

from kube.admission.containers import certificate_volume
from kube.admission.features import ClusterFeatures, oldest_version
from kube.admission.settings import Injection
from kube.admission.wishes import Wishes
from kube.cluster import Cluster
from kube.collections import Resource
from kube.core_resources import NODES
from kube.discovery import first_served
from kube.documents import JsonObject, mapping, objects, text
from kube.errors import Forbidden, KubeError, NotThere, Refused

POD_TEMPLATES = Resource(version="v1", plural="podtemplates")
REQUESTS = (
    Resource(group="certificates.k8s.io", version="v1", plural="podcertificaterequests"),
    Resource(group="certificates.k8s.io", version="v1beta1", plural="podcertificaterequests"),
)
SECONDS_BETWEEN_PROBES = 600.0

_DRY_RUN = {"dryRun": "All", "fieldValidation": "Ignore"}
_NODES_OF_A_PAGE = "50"
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 1.0, 60.0

_log = structlog.get_logger("chancery.injector")


def probe(cluster: Cluster, *, namespace: str, injection: Injection) -> ClusterFeatures:
    """Raises KubeError where the cluster does not say. Where nodes may not be seen, it is as if there were none."""
    return ClusterFeatures(
        keeps_sidecars=_keeps_sidecars(cluster, namespace),
        keeps_certificates=first_served(cluster, REQUESTS) is not None
        and _keeps_certificates(cluster, namespace, injection),
        oldest_kubelet=oldest_version(_kubelet_versions(cluster)),
    )


class FeatureProbe:
    """The last finding, found anew in a thread of its own."""

    def __init__(
        self,
        ask: Callable[[], ClusterFeatures],
        *,
        pause: Callable[[float], bool],
        told: Callable[[ClusterFeatures], None],
    ) -> None:
        """`ask` raises KubeError; `pause(seconds)` returns True once to stop, as `threading.Event.wait` does."""
        self._ask = ask
        self._pause = pause
        self._told = told
        self._found: ClusterFeatures | None = None

    @property
    def features(self) -> ClusterFeatures | None:
        """None before the first finding."""
        return self._found

    def start(self) -> None:
        threading.Thread(target=self.run, name="feature-probe", daemon=True).start()

    def run(self) -> None:
        delay = _FIRST_RETRY_SECONDS
        is_over = False
        while not is_over:
            try:
                found = self._ask()
            except KubeError as err:
                _log.warning("the cluster does not say what it can do", error=str(err), reason=err.reason)
                is_over = self._pause(delay)
                delay = min(delay * 2, _LONGEST_RETRY_SECONDS)
                continue
            if found != self._found:
                self._found = found
                self._told(found)
            delay = _FIRST_RETRY_SECONDS
            is_over = self._pause(SECONDS_BETWEEN_PROBES)


def _keeps_sidecars(cluster: Cluster, namespace: str) -> bool:
    container: JsonObject = {"name": "agent", "image": "agent", "restartPolicy": "Always"}
    kept = _dry_run(cluster, namespace, {"initContainers": [container]})
    return any(text(one, "restartPolicy") == "Always" for one in objects(kept, "initContainers"))


def _keeps_certificates(cluster: Cluster, namespace: str, injection: Injection) -> bool:
    kept = _dry_run(cluster, namespace, {"volumes": [certificate_volume(injection, Wishes())]})
    sources = (source for volume in objects(kept, "volumes") for source in objects(volume, "projected", "sources"))
    return any(mapping(source, "podCertificate") for source in sources)


def _dry_run(cluster: Cluster, namespace: str, spec: JsonObject) -> JsonObject:
    """The spec of the pod as it would be stored; empty where it would not be."""
    containers: list[JsonObject] = [{"name": "probe", "image": "probe"}]
    document: JsonObject = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"generateName": "chancery-probe-"},
        "template": {"spec": {"containers": [*containers], **spec}},
    }
    try:
        stored = cluster.create(POD_TEMPLATES.path(namespace), document, query=_DRY_RUN)
    except Refused as err:
        _log.info("the cluster refuses a dry run", error=str(err))
        return {}
    return mapping(stored, "template", "spec")


def _kubelet_versions(cluster: Cluster) -> Iterator[str]:
    """Of the nodes whose kubelet has said something yet."""
    query = {"limit": _NODES_OF_A_PAGE}
    try:
        while True:
            page = cluster.get(NODES.path(), query=query)
            for node in objects(page, "items"):
                if version := text(node, "status", "nodeInfo", "kubeletVersion"):
                    yield version
            token = text(page, "metadata", "continue")
            if not token:
                return
            query = {"limit": _NODES_OF_A_PAGE, "continue": token}
    except (Forbidden, NotThere) as err:
        _log.warning("nodes cannot be listed: no kubelet is counted on to be new", error=str(err))
