"""A node in one process for a control plane that has none: scheduler, kubelet, kube-proxy, volumes; for pods of Python programs.

- Pods have addresses of loopback of their own (`addresses`, `network`). They run as processes without any right (`container`): so
  it works for every user, in any container. Or, where there is an image and root, as containers of it (`runc`). What neither plays
  is said there.
- Each part speaks to the API server as the part of Kubernetes that it plays, with that one's rights.
"""

import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.apiserver.client import ApiClient
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.node.access import NodeAccess
from tests.servers.kubernetes.node.addresses import Addresses
from tests.servers.kubernetes.node.environment import Image
from tests.servers.kubernetes.node.informer import Informer
from tests.servers.kubernetes.node.network import Network
from tests.servers.kubernetes.node.pod import Pod
from tests.servers.kubernetes.node.runtime import Processes, Runtime
from tests.servers.kubernetes.node.volumes import Volumes

NAME = "played-node"
_KUBELET_VERSION = "v1.34.0"
"""Too old for volumes of podCertificates, which it does not fill."""


@dataclass(kw_only=True)
class Node:
    """`start` after the API server has started; the network before, as that needs `network.egress_socket`."""

    directory: Path
    images: Mapping[str, Image]
    look_seconds: float = 0.0
    """How often those in pods look at the trust bundle, where it is not to be a minute."""
    addresses: Addresses = field(default_factory=Addresses)
    runtime: Runtime | None = None
    """Processes, unless another is given."""
    pods: dict[str, Pod] = field(default_factory=dict)
    """By UID, those that are gone included."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def egress_socket(self) -> Path:
        return self.directory / "egress"

    def start(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._access = NodeAccess(client=cluster.client(f"system:node:{NAME}", "system:nodes"))
        self._scheduler = cluster.client("system:kube-scheduler")
        self._register(cluster.admin)
        proxy = cluster.client("system:kube-proxy")
        self.network = Network(client=proxy, addresses=self.addresses, directory=self.directory)
        if self.runtime is None:
            self.runtime = Processes(root=self.directory, names=self.network.names, look_seconds=self.look_seconds)
        else:
            self.network.api_server = _api_server_of(cluster)
        self.runtime.start()
        self.network.make_socket = self.runtime.socket
        self.network.followers.append(self.runtime.names_changed)
        self.network.start()
        pods = "/api/v1/pods"
        self._unbound = Informer(self._scheduler, pods, self._bind, fieldSelector="spec.nodeName=")
        self._bound = Informer(self._access.client, pods, self._sync, fieldSelector=f"spec.nodeName={NAME}")
        self._claims = Informer(cluster.admin, "/api/v1/persistentvolumeclaims", self._provide)
        for informer in (self._unbound, self._bound, self._claims):
            informer.start()

    def end(self) -> None:
        """Kills what runs."""
        if hasattr(self, "network"):
            for informer in (self._unbound, self._bound, self._claims):
                informer.end()
            self.network.end()
        for pod in self.pods.values():
            for container in pod.containers.values():
                container.stop(0)
        for pod in self.pods.values():
            for container in pod.containers.values():
                container.join()
        if self.runtime is not None:
            self.runtime.end()
        self.addresses.release()

    def pod(self, namespace: str, prefix: str) -> Pod:
        """The one that is there with a name that begins so."""
        return next(iter(self.pods_of(namespace, prefix)))

    def pods_of(self, namespace: str, prefix: str) -> list[Pod]:
        here = [pod for pod in self.pods.values() if not pod.is_gone]
        metadata = [(pod, pod.document["metadata"]) for pod in here]
        return [pod for pod, m in metadata if m["namespace"] == namespace and m["name"].startswith(prefix)]

    def logs(self) -> str:
        return "\n".join(pod.logs() + pod.waits_for for pod in self.pods.values())

    def _register(self, admin: ApiClient) -> None:
        admin.create("/api/v1/nodes", {"metadata": {"name": NAME}})
        info = dict.fromkeys(
            ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"), ""
        )
        info |= {"kubeletVersion": _KUBELET_VERSION, "kubeProxyVersion": "", "operatingSystem": "linux"}
        status = {
            "nodeInfo": {**info, "architecture": "amd64"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self._access.client.patch(f"/api/v1/nodes/{NAME}/status", {"status": status})

    def _bind(self) -> None:
        for namespace, name in self._unbound.objects():
            target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self._scheduler.create(f"/api/v1/namespaces/{namespace}/pods/{name}/binding", binding)

    def _provide(self) -> None:
        """Claims are directories of the node: there is a volume for each, without an object that says so."""
        for (namespace, name), claim in self._claims.objects().items():
            if claim["status"].get("phase") == "Pending":
                status = {"phase": "Bound", "capacity": claim["spec"]["resources"]["requests"]}
                path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}/status"
                self._cluster.admin.patch(path, {"status": {**status, "accessModes": claim["spec"]["accessModes"]}})

    def _sync(self) -> None:
        with self._lock:
            alive = {each["metadata"]["uid"]: each for each in self._bound.objects().values()}
            for uid, document in alive.items():
                if uid not in self.pods:
                    self.pods[uid] = self._make(document)
                    self.pods[uid].start()
                if "deletionTimestamp" in document["metadata"]:
                    self.pods[uid].delete(float(document["metadata"].get("deletionGracePeriodSeconds", 0)))
            for uid in self.pods.keys() - alive.keys():
                self.pods[uid].delete(0)

    def _make(self, document: dict[str, object]) -> Pod:
        assert self.runtime is not None
        directory = self.directory / "pods" / f"{next(self._numbers)}"
        address = self.addresses.new()
        listens_at = self.addresses.of_pod(address)
        volumes = Volumes(
            access=self._access, pod=document, directory=directory / "volumes", claims=self.directory / "claims",
            address=listens_at, ownership=self.runtime.ownership(document),
        )  # fmt: skip
        return Pod(
            document=document, access=self._access, images=self.images, volumes=volumes, address=address,
            listens_at=listens_at, directory=directory, runtime=self.runtime, api_server=self._cluster.url,
        )  # fmt: skip


def _api_server_of(cluster: ControlPlane) -> tuple[str, int]:
    host, _, port = cluster.url.removeprefix("https://").rpartition(":")
    return host, int(port)
