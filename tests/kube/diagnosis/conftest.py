"""A real kube-apiserver with broken products in it, each in a namespace of its own."""

import base64
import contextlib
import itertools
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from kube.cluster import Cluster
from kube.diagnosis.doctor import ClusterDoctor
from kube.diagnosis.findings import Finding
from tests.cli.conftest import endpoints, initialised_home  # noqa: F401 - fixtures
from tests.kube.ambient import real_clock
from tests.kube.diagnosis.made import DAY, Root
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import control_plane, controlled_cluster  # noqa: F401 - fixtures
from tests.servers.threaded import ThreadedServer, serving

ADMISSION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_numbers = itertools.count()


@dataclass(slots=True, kw_only=True)
class Product:
    """What a test makes of it; `end` takes away what has no namespace, and would be in the way of other tests."""

    cluster: ControlPlane
    namespace: str
    directory: Path
    root: Root
    _made: list[str] = field(default_factory=list)

    def create(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        answer = self.cluster.admin.create(path, document)
        assert answer.status == 201, answer.octets
        if "/namespaces/" not in path:
            self._made.append(f"{path}/{document['metadata']['name']}")
        return dict(answer.document)

    def here(self, plural: str, document: dict[str, Any], *, group: str = "/api/v1") -> dict[str, Any]:
        return self.create(f"{group}/namespaces/{self.namespace}/{plural}", document)

    def set_status(self, plural: str, name: str, status: dict[str, Any], *, group: str = "/apis/apps/v1") -> None:
        path = f"{group}/namespaces/{self.namespace}/{plural}/{name}/status"
        answer = self.cluster.admin.patch(path, {"status": status})
        assert answer.status == 200, answer.octets

    def install(self, **spec: Any) -> None:
        """An authority that runs, with its roots published."""
        labels = {"app.kubernetes.io/component": "ca"}
        about = {**labels, "app.kubernetes.io/part-of": "chancery", "app.kubernetes.io/instance": "shop"}
        variable = {"name": "CHANCERY_KUBERNETES_ROOTS_SECRET", "value": "roots"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "ca", "image": "chancery", "env": [variable]}]},
        }
        self.here(
            "statefulsets",
            {
                "metadata": {"name": "shop-ca", "labels": about},
                "spec": {
                    "replicas": 1,
                    "serviceName": "shop-ca",
                    "selector": {"matchLabels": labels},
                    "template": template,
                    **spec,
                },
            },
            group="/apis/apps/v1",
        )
        self.set_status("statefulsets", "shop-ca", {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1})
        self.here("secrets", {"metadata": {"name": "roots"}, "data": {"ca.crt": self.root.base64}})

    def install_controller(self, **settings: str) -> None:
        """One that was told `settings`; it does not run."""
        labels = {"app.kubernetes.io/component": "controller"}
        variables = [
            {"name": f"CHANCERY_CONTROLLER_{name.upper()}", "value": value} for name, value in settings.items()
        ]
        spec = {"containers": [{"name": "controller", "image": "chancery", "env": variables}]}
        document = {
            "metadata": {"name": "shop-controller", "labels": {**labels, "app.kubernetes.io/part-of": "chancery"}},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }
        self.here("deployments", document, group="/apis/apps/v1")

    def service(self, name: str = "hook", *, external: bool = True) -> None:
        spec = {"type": "ExternalName", "externalName": "localhost"} if external else {"ports": [{"port": 443}]}
        self.here("services", {"metadata": {"name": name}, "spec": spec})

    def service_of_authority(self, port: int) -> None:
        """Of one that listens on loopback, by https."""
        labels = {"app.kubernetes.io/component": "ca", "app.kubernetes.io/part-of": "chancery"}
        ports = [{"name": "https", "port": port}, {"name": "other", "port": 1}]
        spec = {"type": "ExternalName", "externalName": "localhost", "ports": ports}
        self.here("services", {"metadata": {"name": "hook", "labels": labels}, "spec": spec})

    def webhook(self, *, port: int = 443, ca_bundle: str | None = None, service: str = "hook") -> str:
        """Of ConfigMaps in this namespace; its name. `ca_bundle` is the right one where none is given."""
        name = f"{self.namespace}-{service}"
        client = {
            "service": {"namespace": self.namespace, "name": service, "port": port, "path": "/"},
            "caBundle": self.root.base64 if ca_bundle is None else ca_bundle,
        }
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        entry = {
            "name": f"{name}.example.com",
            "clientConfig": client,
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "timeoutSeconds": 2,
        }
        self.create(
            ADMISSION,
            {"metadata": {"name": name, "labels": {"chancery.dev/inject": "true"}}, "webhooks": [entry]},
        )
        return name

    def api_service(self, *, port: int = 443, service: str = "things") -> str:
        name = f"v1.{self.namespace}.example.com"
        spec = {
            "group": f"{self.namespace}.example.com",
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "caBundle": self.root.base64,
            "service": {"namespace": self.namespace, "name": service, "port": port},
        }
        self.create(API_SERVICES, {"metadata": {"name": name, "labels": {"chancery.dev/inject": "true"}}, "spec": spec})

        def has_word() -> bool:
            conditions = self.cluster.admin.get(f"{API_SERVICES}/{name}").document.get("status", {}).get("conditions")
            return bool(conditions)

        self.cluster.wait_until(has_word, f"a word about {name}")
        return name

    def serving_context(self, **leaf: Any) -> ssl.SSLContext:
        """Of a server with a leaf of our root."""
        certificate, key = self.root.files(self.directory, f"hook.{self.namespace}.svc", **leaf)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        return context

    def examine(self, kubeconfig: Path | None = None, **others: Any) -> dict[str, list[Finding]]:
        """Findings by target."""
        cluster = Cluster.open(kubeconfig or self.cluster.admin_kubeconfig)
        found: dict[str, list[Finding]] = {}
        try:
            doctor = ClusterDoctor(cluster=cluster, clock=real_clock, namespace=self.namespace, **others)
            for examined in doctor.examine():
                for finding in examined.findings:
                    found.setdefault(finding.target, []).append(finding)
        finally:
            cluster.close()
        return found

    def end(self) -> None:
        for path in reversed(self._made):
            self.cluster.admin.delete(path)


@pytest.fixture
def product(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Product]:  # noqa: F811 - the fixture imported above
    now = real_clock()
    made = Product(
        cluster=control_plane,
        namespace=f"clinic-{next(_numbers)}",
        directory=tmp_path,
        root=Root(begins=now.replace(microsecond=0) - DAY, ends=now + 365 * DAY),
    )
    made.create("/api/v1/namespaces", {"metadata": {"name": made.namespace}})
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections, and says nothing: as seen from an API server behind a firewall, but within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@contextlib.contextmanager
def https_server(context: ssl.SSLContext, answer: str) -> Iterator[int]:
    """Says the same to everybody; its port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

    with serving(ThreadedServer(Answers, context)) as server:
        yield server.server_port
