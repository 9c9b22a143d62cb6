"""`ca-cli apiserver` as a process behind a real kube-apiserver: its Service, its account, its APIServices.

- It is told where the cluster is, and its serving certificate; everything else that it trusts it learns from the cluster.
- Port, data and registration stay when it is killed and started again; nobody else gets the port meanwhile.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.kubernetes.child_process import ChildProcess
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.extension import Extension
from tests.servers.kubernetes.pki import CertificateFiles, TestAuthority
from tests.servers.ports import free_port

GROUP_VERSIONS: Mapping[str, str] = {
    "wardle.example.com": "v1alpha1",
    "wgpolicyk8s.io": "v1alpha2",
    "openreports.io": "v1alpha1",
    "prext.demo": "v1alpha1",
}
_ANNOUNCEMENT = re.compile(rb"^apiserver +https://127\.0\.0\.1:\d+$", re.MULTILINE)
_START_SECONDS = 60


@dataclass(slots=True, kw_only=True)
class AggregatedServer:
    cluster: ControlPlane
    extension: Extension
    authority: TestAuthority
    serving: CertificateFiles
    directory: Path
    child: ChildProcess
    port: int = field(default_factory=free_port)
    api_services: tuple[str, ...] = ()

    @classmethod
    def make(cls, cluster: ControlPlane, directory: Path, *, namespace: str) -> "AggregatedServer":
        """Publishes Service and account; nothing runs yet."""
        extension = Extension.publish(cluster, namespace=namespace, name="reports")
        authority = TestAuthority(directory / "serving-ca", "reports-serving")
        return cls(
            cluster=cluster,
            extension=extension,
            authority=authority,
            serving=authority.issue_server(extension.server_name, "localhost", "127.0.0.1"),
            directory=directory,
            child=ChildProcess(name="chancery-apiserver", command=(), directory=directory),
        )

    @property
    def url(self) -> str:
        """Its own address, for those who do not go through the aggregator."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it listens."""
        if not self.child.command:
            self.child.command = self._command()
        said_before = self.child.log.stat().st_size if self.child.log.exists() else 0
        self.child.start()
        self.cluster.wait_until(
            lambda: not self.child.is_running or self._announced(said_before),
            "ca-cli apiserver starts",
            seconds=_START_SECONDS,
        )
        assert self.child.is_running, f"ca-cli apiserver ended by itself\n{self.child.log_tail()}"

    def register(self) -> None:
        """Registers every group, and returns once all of them are available and part of the cluster's discovery."""
        self.api_services = tuple(
            self.extension.register(group, version, port=self.port, ca_bundle=self.authority.pem)
            for group, version in GROUP_VERSIONS.items()
        )
        for name in self.api_services:
            self.extension.wait_until_available(name)
        for group, version in GROUP_VERSIONS.items():
            self.cluster.wait_until(
                lambda path=f"/apis/{group}/{version}": self.cluster.admin.get(path).status == 200, f"{group} is served"
            )

    def end(self) -> None:
        """Without its APIServices, which would hold up the deletion of every namespace of the cluster."""
        for name in self.api_services:
            self.extension.unregister(name)
        self.child.kill()

    def logs(self) -> str:
        return self.child.log_tail()

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "cli.main", "apiserver"),
            f"--kubeconfig={self.extension.kubeconfig()}",
            f"--tls-cert-file={self.serving.certificate}",
            f"--tls-private-key-file={self.serving.key}",
            f"--data-directory={self.directory / 'data'}",
            f"--secure-port={self.port}",
        ]

    def _announced(self, offset: int) -> bool:
        return _ANNOUNCEMENT.search(self.child.log.read_bytes()[offset:]) is not None
