"""A release of the chart in a cluster, and what an operator does with both."""

import base64
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from certs.pem import split_certificates
from tests.apiserver.client import Answer
from tests.charts.conftest import CHART
from tests.servers.helm.commands import Helm
from tests.servers.kubernetes.control_plane import ControlPlane, NotInTime
from tests.servers.kubernetes.node.node import Node

IMAGE = "chancery:0.1.0"
PROGRAMS = Path(__file__).with_name("programs")
NAMESPACE = "chancery"
TLS = "/var/run/secrets/chancery.dev/tls"
REPORTS = "v1alpha2.wgpolicyk8s.io"

_EXEC_SECONDS = 60.0


@dataclass(kw_only=True)
class Installation:
    cluster: ControlPlane
    node: Node
    helm: Helm
    values: Mapping[str, Any]
    figures: dict[str, str] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)

    @property
    def access(self) -> tuple[str, str]:
        return f"--kubeconfig={self.cluster.admin_kubeconfig}", f"--namespace={NAMESPACE}"

    def install(self) -> None:
        done = self.helm.run(
            "install", "chancery", str(CHART), "--create-namespace", "--wait", "--timeout=150s", *self.access,
            values=dict(self.values), seconds=160, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stderr}\n{self.node.logs()}"

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.cluster.kubectl(*arguments, **options).stdout

    def apply(self, *documents: dict[str, Any]) -> None:
        for document in documents:
            self.kubectl("create", "-f", "-", document=document)

    def read(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        try:
            self.cluster.wait_until(condition, what, seconds=seconds)
        except NotInTime as err:
            raise NotInTime(f"{err}\n{self.node.logs()}") from None

    def execute(self, *command: str) -> "subprocess.CompletedProcess[bytes]":
        """`kubectl exec` in the authority's pod, where names of Services are known."""
        container = self.node.pod(NAMESPACE, "chancery-ca").containers["ca"]
        environment = container.prepare()[1]
        return container.run(list(command), environment, _EXEC_SECONDS)

    def make_administrator(self) -> None:
        """As NOTES.txt says."""
        made = self.execute(
            "ca-cli", "init", "--new-administrator", "--administrator", "administrator", "--identity", "-"
        )
        assert made.returncode == 0, made.stderr
        self.administrator.mkdir(mode=0o700)
        with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
            archive.extractall(self.administrator, filter="data")

    @property
    def administrator(self) -> Path:
        return self.node.directory / "administrator"

    @property
    def reporter(self) -> Path:
        return self.node.directory / "reporter"

    def ca_cli(
        self, *arguments: str, identity: Path | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[bytes]":
        """As the administrator, unless by another identity."""
        where = ("--server", f"chancery-ca.{NAMESPACE}.svc:8112", "--identity", str(identity or self.administrator))
        done = self.execute("ca-cli", *arguments, *where)
        assert not check or done.returncode == 0, (arguments, done)
        return done

    def rotation(self) -> Any:
        return json.loads(self.ca_cli("rotate", "root", "--status", "--output", "json").stdout)

    def directory_in(self, namespace: str, pod: str, container: str) -> Path:
        """Where the files of an identity in a pod are."""
        found = self.node.pod(namespace, pod)
        return Path(found.volumes.mounts(found.containers[container].said)[TLS])

    def kill(self, pod: str, container: str) -> None:
        """And waits until it is back."""
        killed = self.node.pod(NAMESPACE, pod).containers[container]
        restarts = killed.restart_count
        killed.kill()
        self.wait_until(lambda: killed.restart_count > restarts and killed.is_ready, f"{container} is back", seconds=60)

    def restarts(self) -> dict[str, int]:
        """Of those containers that were started again."""
        return {
            f"{pod.document['metadata']['name']} {name}": container.restart_count
            for pod in self.node.pods.values()
            for name, container in pod.containers.items()
            if container.restart_count
        }

    def trusted(self) -> dict[str, bytes]:
        """Whatever holds roots for others, by its name."""
        found: dict[str, bytes] = {}
        kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations", "apiservices")
        for each in self.read(",".join(kinds), "--selector=chancery.dev/inject=true")["items"]:
            holders = [each["spec"]] if "spec" in each else [one["clientConfig"] for one in each["webhooks"]]
            for holder in holders:
                found[each["metadata"]["name"]] = base64.b64decode(holder.get("caBundle", ""))
        for each in self.read("configmaps", "--all-namespaces", "--selector=chancery.dev/published-by=registrar")[
            "items"
        ]:
            found[f"ConfigMap of {each['metadata']['namespace']}"] = each["data"]["ca.crt"].encode()
        for each in self.read("clustertrustbundles", "--selector=chancery.dev/live=true")["items"]:
            found["ClusterTrustBundle"] = each["spec"]["trustBundle"].encode()
        secret = self.read("secret", "chancery-ca-roots", f"--namespace={NAMESPACE}")
        found["Secret"] = base64.b64decode(secret["data"]["ca.crt"])
        for pod in self.node.pods.values():
            for container in pod.containers.values():
                if not pod.is_gone and TLS in (mounts := pod.volumes.mounts(container.said)):
                    name = f"{pod.document['metadata']['name']} {container.name}"
                    found[name] = (Path(mounts[TLS]) / "ca.crt").read_bytes()
        return found

    def measure_memory(self) -> None:
        for pod in self.node.pods.values():
            for container in pod.containers.values():
                if container.pid and not pod.is_gone:
                    status = Path(f"/proc/{container.pid}/status").read_text()
                    kilobytes = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
                    name = f"resident memory, {pod.document['metadata']['name']} {container.name}"
                    self.figures[name] = f"{kilobytes / 1024:.0f} MiB"


def certificate_in(directory: Path) -> x509.Certificate:
    return split_certificates((directory / "tls.crt").read_bytes())[0]


def fault(answer: Answer, expected: int) -> str:
    return "" if answer.status == expected else f"{answer.status} {answer.octets[:500].decode(errors='replace')}"


def seconds_since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
