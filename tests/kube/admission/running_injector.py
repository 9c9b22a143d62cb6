"""`ca-cli injector` as a process, called by a real kube-apiserver through its Service and webhook configurations."""

import base64
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from kube.admission.webhooks import Webhooks
from tests.servers.kubernetes.child_process import ChildProcess
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.pki import TestAuthority

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
NAMESPACE, SERVICE = "chancery-injector", "injector"
_URLS = re.compile(r"^injector +https://127\.0\.0\.1:(\d+)\nhealth +(http://\S+)$", re.MULTILINE)
_RULES = (
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["podtemplates"], "verbs": ["create"]},
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "verbs": ["get"],
    },
)
_USER = "injector"


@dataclass(slots=True, kw_only=True)
class RunningInjector:
    cluster: ControlPlane
    authority: TestAuthority
    directory: Path
    child: ChildProcess
    port: int = 0
    health_url: str = ""

    @classmethod
    def make(cls, cluster: ControlPlane, directory: Path) -> "RunningInjector":
        """Publishes namespace, Service and rights; nothing runs yet. It may do what `_RULES` say and nothing else."""
        admin = cluster.admin
        for path, document in (
            ("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}),
            (
                f"/api/v1/namespaces/{NAMESPACE}/services",
                {"metadata": {"name": SERVICE}, "spec": {"type": "ExternalName", "externalName": "localhost"}},
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                {"metadata": {"name": NAMESPACE}, "rules": list(_RULES)},
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                {
                    "metadata": {"name": NAMESPACE},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAMESPACE},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _USER}],
                },
            ),
        ):
            answer = admin.create(path, document)
            assert answer.status == 201, answer.octets
        authority = TestAuthority(directory / "ca", "webhooks")
        (directory / "identity").mkdir()
        injector = cls(
            cluster=cluster,
            authority=authority,
            directory=directory,
            child=ChildProcess(name="ca-cli injector", command=(), directory=directory),
        )
        injector.child.command = injector._command()
        return injector

    def take_certificate(self, *names: str) -> None:
        """Puts a new one, for `names`, where the injector looks: a pair at a time, as an agent does it."""
        files = self.authority.issue_server(*names)
        identity = self.directory / "identity"
        (identity / "ca.crt").write_bytes(self.authority.pem)
        shutil.copy(files.key, identity / "tls.key")
        shutil.copy(files.certificate, identity / "tls.crt.new")
        (identity / "tls.crt.new").replace(identity / "tls.crt")

    def start(self) -> None:
        """Returns once it listens, and both webhook configurations name it."""
        self.take_certificate(f"{SERVICE}.{NAMESPACE}.svc")
        self.child.start()
        self.cluster.wait_until(lambda: not self.child.is_running or self._announced(), "ca-cli injector starts")
        assert self.child.is_running, self.child.log_tail()

    def register(self) -> None:
        """With a caBundle, as the registrar leaves them. Returns once it is ready, as a Service sends nothing there
        before, and the API server asks it."""
        for document in self.webhooks().documents():
            webhook: Any = document["webhooks"][0]  # type: ignore[index,call-overload]
            webhook["clientConfig"]["caBundle"] = base64.b64encode(self.authority.pem).decode()
            answer = self.cluster.admin.create(CONFIGURATIONS, document)
            assert answer.status == 201, answer.octets
        self.cluster.wait_until(lambda: self.ready() == (200, "ok"), "ca-cli injector is ready")
        self.cluster.make_default_account("default")
        self.cluster.wait_until(self._is_asked, "the API server asks ca-cli injector")

    def webhooks(self) -> Webhooks:
        return Webhooks(namespace=NAMESPACE, service=SERVICE, port=self.port, timeout_seconds=10)

    def ready(self) -> tuple[int, str]:
        answer = urllib3.request("GET", f"{self.health_url}/readyz", timeout=10, retries=False)
        return answer.status, answer.data.decode().strip()

    def end(self) -> None:
        for document in self.webhooks().documents():
            self.cluster.admin.delete(f"{CONFIGURATIONS}/{document['metadata']['name']}")  # type: ignore[index,call-overload]
        self.child.kill()

    def _is_asked(self) -> bool:
        metadata = {"name": "asked", "labels": {"chancery.dev/inject": "true"}}
        pod = {"metadata": metadata, "spec": {"containers": [{"name": "web", "image": "web"}]}}
        answer = self.cluster.admin.create("/api/v1/namespaces/default/pods?dryRun=All", pod)
        return "chancery.dev/injected" in answer.document["metadata"].get("annotations", {})

    def _announced(self) -> bool:
        found = _URLS.search(self.child.log.read_text())
        if found is None:
            return False
        self.port, self.health_url = int(found[1]), found[2]
        return True

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "cli.main", "injector"),
            f"--kubeconfig={self.cluster.kubeconfig_for_user(_USER)}",
            f"--identity={self.directory / 'identity'}",
            f"--namespace={NAMESPACE}",
            f"--service={SERVICE}",
            f"--webhook-configurations={SERVICE}-pods,{SERVICE}-namespaces",
            "--image=registry.example/chancery@sha256:" + "0" * 64,
            "--webhook-port=0",
            "--health-port=0",
            "--shutdown-delay=0s",
        ]
