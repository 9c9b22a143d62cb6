"""A real Kubernetes control plane for tests: etcd, kube-apiserver and, where asked for, kube-controller-manager.

- RBAC is on; nobody but the members of system:masters may do anything. There is no node: pods stay Pending.
- kube-apiserver trusts authorities made for it: of clients, of the front proxy (itself, towards extension servers) and of
  serving certificates. ConfigMap kube-system/extension-apiserver-authentication publishes the first two.
- Addresses and what is stored stay over `stop`, `kill` and `start` of the processes, for as long as the object lives.
"""

import itertools
import json
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec

from tests.apiserver.client import ApiClient
from tests.servers.kubernetes.binaries import Binaries
from tests.servers.kubernetes.child_process import ChildProcess, ReservedPort, is_listening
from tests.servers.kubernetes.flags import (
    CONTROLLERS,
    CONTROLLERS_OF_PODS,
    FRONT_PROXY_CLIENT,
    Files,
    api_server_command,
    controller_manager_command,
    etcd_command,
    write_egress,
)
from tests.servers.kubernetes.kubeconfig import kubeconfig_of_certificate, kubeconfig_of_token
from tests.servers.kubernetes.pki import TestAuthority, write_key

AUTHENTICATION_CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
_MASTERS = "system:masters"
_START_SECONDS = 60
_KUBECTL_SECONDS = 60
_INTERVAL_SECONDS = 0.05


class NotInTime(AssertionError):
    """What a test waits for has not come about."""


@dataclass(slots=True, kw_only=True)
class ControlPlane:
    """`make` builds one; `start` starts it, `end` ends it for good."""

    binaries: Binaries
    directory: Path
    url: str
    server_ca: TestAuthority
    client_ca: TestAuthority
    front_proxy_ca: TestAuthority
    etcd: ChildProcess
    api_server: ChildProcess
    controller_manager: ChildProcess
    _ports: tuple[ReservedPort, ReservedPort]
    _admin: ApiClient | None = None
    _clients: list[ApiClient] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def make(
        cls, binaries: Binaries, directory: Path, *, aggregator_routing: bool = False, node_proxy: Path | None = None
    ) -> "ControlPlane":
        """Nothing runs yet. With `aggregator_routing`, APIServices and webhooks are reached through EndpointSlices, which
        cannot name a loopback address; without it through the Service, which can: as ExternalName `localhost`. With
        `node_proxy`, the egress socket of a `node` that runs pods, Services are reached there."""
        server_ca = TestAuthority(directory / "server-ca", "kubernetes-serving")
        client_ca = TestAuthority(directory / "client-ca", "kubernetes-clients")
        front_proxy_ca = TestAuthority(directory / "front-proxy-ca", "kubernetes-front-proxy")
        files = Files(
            server_ca=server_ca.certificate,
            client_ca=client_ca.certificate,
            front_proxy_ca=front_proxy_ca.certificate,
            serving=server_ca.issue_server("127.0.0.1", "localhost", "kubernetes.default.svc"),
            proxy_client=front_proxy_ca.issue_client(FRONT_PROXY_CLIENT),
            service_account_key=directory / "service-account.key",
            kubelet_client=client_ca.issue_client("kube-apiserver-kubelet-client"),
        )
        write_key(files.service_account_key, ec.generate_private_key(ec.SECP256R1()))
        ports = (ReservedPort(), ReservedPort())
        etcd_url, url = f"http://127.0.0.1:{ports[0].number}", f"https://127.0.0.1:{ports[1].number}"
        kubeconfig = kubeconfig_of_certificate(
            directory / "controller-manager.kubeconfig",
            url=url,
            ca=server_ca.certificate,
            files=client_ca.issue_client("system:kube-controller-manager"),
        )
        api_server = api_server_command(
            binaries,
            files,
            port=ports[1].number,
            etcd_url=etcd_url,
            aggregator_routing=aggregator_routing,
            egress=write_egress(directory / "egress.json", node_proxy) if node_proxy else None,
        )
        return cls(
            binaries=binaries,
            directory=directory,
            url=url,
            server_ca=server_ca,
            client_ca=client_ca,
            front_proxy_ca=front_proxy_ca,
            etcd=ChildProcess(
                name="etcd", command=etcd_command(binaries, directory=directory, url=etcd_url), directory=directory
            ),
            api_server=ChildProcess(name="kube-apiserver", command=api_server, directory=directory),
            controller_manager=ChildProcess(
                name="kube-controller-manager",
                command=controller_manager_command(
                    binaries,
                    files,
                    kubeconfig=kubeconfig,
                    controllers=(*CONTROLLERS, *CONTROLLERS_OF_PODS) if node_proxy else CONTROLLERS,
                ),
                directory=directory,
            ),
            _ports=ports,
        )

    @property
    def admin_kubeconfig(self) -> Path:
        """Of a member of system:masters."""
        path = self.directory / "admin.kubeconfig"
        return path if path.exists() else self._write_kubeconfig(path, "admin", _MASTERS)

    def kubeconfig_for_user(self, user: str, *groups: str) -> Path:
        """Of a new client certificate for `user` in `groups`, who has no right but what RBAC gives."""
        return self._write_kubeconfig(self._new_kubeconfig(), user, *groups)

    def kubeconfig_for_token(self, token: str) -> Path:
        return kubeconfig_of_token(self._new_kubeconfig(), url=self.url, ca=self.server_ca.certificate, token=token)

    @property
    def admin(self) -> ApiClient:
        """A member of system:masters, always the same one."""
        if self._admin is None:
            self._admin = self.client("admin", _MASTERS)
        return self._admin

    def client(self, user: str, *groups: str) -> ApiClient:
        """An HTTPS client with a new certificate for `user` in `groups`."""
        files = self.client_ca.issue_client(user, *groups)
        context = ssl.create_default_context(cafile=self.server_ca.certificate)
        context.load_cert_chain(files.certificate, files.key)
        self._clients.append(ApiClient(self.url, context))
        return self._clients[-1]

    def kubectl(
        self, *arguments: str, kubeconfig: Path | None = None, document: Any = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs kubectl, as the administrator unless told otherwise. `document` is its standard input, as JSON, for `-f -`."""
        done = subprocess.run(
            self.kubectl_command(*arguments, kubeconfig=kubeconfig),
            input="" if document is None else json.dumps(document),
            capture_output=True,
            text=True,
            check=False,
            timeout=_KUBECTL_SECONDS,
        )
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(arguments)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def kubectl_command(self, *arguments: str, kubeconfig: Path | None = None) -> list[str]:
        """For who starts it in another way, as for a watch. What it remembers of discovery stays in our directory."""
        return [
            self.binaries.path("kubectl"),
            f"--kubeconfig={kubeconfig or self.admin_kubeconfig}",
            f"--cache-dir={self.directory / 'kubectl-cache'}",
            *arguments,
        ]

    def start(self) -> None:
        """etcd and kube-apiserver; returns when clients can work and the ConfigMap for extension servers is there."""
        self.etcd.start()
        self._await_start(self.etcd, lambda: is_listening(self._ports[0].number))
        self.start_api_server()

    def start_api_server(self) -> None:
        self.api_server.start()
        for path in ("/readyz", "/api/v1/namespaces/default", AUTHENTICATION_CONFIG_MAP):
            self._await_start(self.api_server, lambda path=path: self.admin.get(path).status == 200)

    def start_controller_manager(self) -> None:
        """Returns when it works; at once if it runs already. Without the program the test is skipped."""
        if self.controller_manager.is_running:
            return
        if not self.binaries.has_controller_manager:
            pytest.skip(f"no kube-controller-manager in {self.binaries.directory}: run scripts/build_kubernetes.sh")
        self.controller_manager.start()
        work_of_one = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
        self._await_start(self.controller_manager, lambda: self.admin.get(work_of_one).status == 200)

    def end(self) -> None:
        """Everything at once: nothing of this outlives the tests, and nothing that it holds is worth a graceful stop."""
        for client in self._clients:
            client.close()
        for child in (self.controller_manager, self.api_server, self.etcd):
            child.kill()
        for port in self._ports:
            port.release()

    def logs(self) -> str:
        return "\n".join(child.log_tail() for child in (self.etcd, self.api_server, self.controller_manager))

    def make_default_account(self, namespace: str) -> None:
        """The service account of pods that name none, unless the controller manager, where it runs, was faster."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        answer = self.admin.create(accounts, {"metadata": {"name": "default"}})
        assert answer.status in {201, 409}, answer.octets

    def wait_until(self, condition: Callable[[], object], what: str, *, seconds: float = 60) -> None:
        """Asks until `condition` holds; a server that cannot be reached does not. Raises NotInTime, with the ends of the logs."""
        deadline = time.monotonic() + seconds
        while not _holds(condition):
            if time.monotonic() > deadline:
                raise NotInTime(f"{what}: not after {seconds} seconds\n{self.logs()}")
            time.sleep(_INTERVAL_SECONDS)

    def _await_start(self, child: ChildProcess, condition: Callable[[], object]) -> None:
        self.wait_until(
            lambda: _holds(condition) or not child.is_running, f"{child.name} starts", seconds=_START_SECONDS
        )
        if not child.is_running:
            pytest.fail(f"{child.name} ended by itself\n{child.log_tail()}")

    def _write_kubeconfig(self, path: Path, user: str, *groups: str) -> Path:
        files = self.client_ca.issue_client(user, *groups)
        return kubeconfig_of_certificate(path, url=self.url, ca=self.server_ca.certificate, files=files)

    def _new_kubeconfig(self) -> Path:
        return self.directory / f"{next(self._numbers)}.kubeconfig"


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (OSError, urllib3.exceptions.HTTPError):
        return False
