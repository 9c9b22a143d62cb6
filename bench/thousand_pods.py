"""Pods that are objects only, of a real API server and as the injector patched them; each has a client instead of its agent.

- A client does what the pod says of its agent: its token, roots and arguments come out of the pod's own volumes and containers.
- It holds its certificate, and shows it once more for each look at the trust bundle; it renews nothing.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent.authority import Authority
from agent.credentials import Credentials
from agent.errors import RenewalFailed
from agent.https import HttpsServer
from bench import large_cluster
from certs.keys import KeyType, encode_private_key, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from kube.admission.names import AGENT_CONTAINER, BOOTSTRAP_DIRECTORY

if TYPE_CHECKING:
    from tests.servers.kubernetes.control_plane import ControlPlane
    from tests.servers.kubernetes.node.access import NodeAccess
    from tests.servers.kubernetes.node.volumes import Volumes

NODES = 10
_AT_ONCE = 16
_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.5
_One = TypeVar("_One")
_Result = TypeVar("_Result")
_SERVER_MADE = ("creationTimestamp", "generateName", "managedFields", "ownerReferences")


@dataclass(slots=True, kw_only=True)
class _Client:
    document: dict[str, Any]
    volumes: "Volumes"
    credentials: Credentials | None = None
    _authority: Authority = field(init=False)

    def enroll(self) -> None:
        """Comes again, as agents do, until it has its certificate. Raises RenewalFailed, NotThereYet."""
        from tests.servers.kubernetes.node.access import NotThereYet  # noqa: PLC0415 - of the tests, which need not be there

        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.credentials is None:
            try:
                self.credentials = self._ask()
            except (NotThereYet, RenewalFailed):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def look(self) -> None:
        """As agents do each minute."""
        assert self.credentials is not None
        consumer = f"{self.document['metadata']['name']}:/var/run/secrets/chancery.dev/tls"
        self._authority.trust_bundle(self.credentials, held_generation=1, consumer=consumer, showing=True)

    def _ask(self) -> Credentials:
        self.volumes.fill()
        agent = next(each for each in self.document["spec"]["initContainers"] if each["name"] == AGENT_CONTAINER)
        arguments = [each.partition("=") for each in agent["args"]]
        given = Path(self.volumes.mounts(agent)[BOOTSTRAP_DIRECTORY])
        (url,) = [value for name, _, value in arguments if name == "--server"]
        self._authority = Authority(HttpsServer.from_url(url), bootstrap=given / "ca.crt")
        key = generate_private_key(KeyType.EC_P256)
        names = tuple(value for name, _, value in arguments if name == "--dns")
        enrolled = self._authority.enroll(
            (given / "token").read_text(),
            build_request(key, SubjectName(), SubjectAlternativeNames()),
            lifetime=None,
            dns_names=names,
            request_id=self.document["metadata"]["uid"],
            held=None,
            path="/v1/enroll/service-account",
        )
        made = Credentials.from_pem(
            certificate_chain=enrolled.certificate_chain,
            private_key=encode_private_key(key),
            trust_bundle=enrolled.trust_bundle,
        )
        assert names == made.dns_names != (), "the certificate has the name of the Service"
        return made


@dataclass(slots=True, kw_only=True)
class ThousandPods:
    """`count` of them, ten behind each Service, whose name is in their certificates."""

    plane: "ControlPlane"
    directory: Path
    count: int
    _clients: list[_Client] = field(default_factory=list)

    @property
    def namespaces(self) -> list[str]:
        return sorted({large_cluster.place_of(number)[0] for number in range(self.count)})

    def create(self) -> None:
        from tests.servers.kubernetes.node.access import NodeAccess  # noqa: PLC0415 - of the tests, which need not be there

        nodes = [f"node-{number}" for number in range(NODES)]
        for node in nodes:
            self._create("/api/v1/nodes", {"metadata": {"name": node}})
        for namespace in self.namespaces:
            labels = {"chancery.dev/inject": "true"}
            self._create("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
        for namespace, app in sorted({large_cluster.place_of(number) for number in range(self.count)}):
            spec = {"selector": {"app": app}, "ports": [{"port": 8443}]}
            for plural, more in (("serviceaccounts", {}), ("services", {"spec": spec})):
                self._create(f"/api/v1/namespaces/{namespace}/{plural}", {"metadata": {"name": app}, **more})
        kubelets = [NodeAccess(client=self.plane.client(f"system:node:{node}", "system:nodes")) for node in nodes]
        self._clients = _each(range(self.count), lambda number: self._client(number, kubelets[number % NODES]))

    def enroll(self) -> None:
        _each(self._clients, _Client.enroll)

    def look(self) -> None:
        _each(self._clients, _Client.look)

    def report(self, report: Callable[[str, str], dict[str, Any]]) -> None:
        """Somebody writes one about each."""

        def write(client: _Client) -> None:
            metadata = client.document["metadata"]
            path = f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{metadata['namespace']}/policyreports"
            self._create(path, report(metadata["namespace"], metadata["name"]))

        _each(self._clients, write)

    def _client(self, number: int, kubelet: "NodeAccess") -> _Client:
        from tests.servers.kubernetes.node.volumes import Volumes  # noqa: PLC0415 - of the tests, which need not be there

        namespace, app = large_cluster.place_of(number)
        path = large_cluster.pod_path(number)
        document = large_cluster.pod(number)
        metadata = {name: value for name, value in document["metadata"].items() if name not in _SERVER_MADE}
        metadata["name"] = path.rpartition("/")[2]
        metadata["annotations"] = {"chancery.dev/mode": "sidecar", "chancery.dev/dns": f"{app}.{namespace}.svc"}
        spec = {**document["spec"], "nodeName": f"node-{number % NODES}"}
        made = self._create(path.rpartition("/")[0], {"metadata": metadata, "spec": spec})
        directory = self.directory / str(number)
        volumes = Volumes(access=kubelet, pod=made, directory=directory, claims=directory, address="127.0.0.1")
        return _Client(document=made, volumes=volumes)

    def _create(self, path: str, document: dict[str, Any]) -> Any:
        answer = self.plane.admin.create(path, document)
        if answer.status != 201:
            raise RuntimeError(f"POST {path}: {answer.status} {answer.octets.decode(errors='replace')}")
        return answer.document


def _each(ones: Iterable[_One], work: Callable[[_One], _Result]) -> list[_Result]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(work, ones))
