"""The injector's own certificate: by its service account's token, for its Service's name, once the registrar has registered it."""

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from ca.client.connection import Address, Connection
from ca.client.identity import Identity
from ca.client.registrar import RegistrarClient
from ca.client.values import Pod
from kube.admission.readiness import Listener, verify_served
from tests.ca.cluster.api_server import BoundToken, FakeApiServer, fake_api_server
from tests.ca.server import RunningServer, running_server
from tests.ca.wire import identity_of

SERVICE, NAMESPACE = "injector", "chancery"
_URLS = re.compile(r"^injector +https://127\.0\.0\.1:(\d+)\nhealth +(http://\S+)$", re.MULTILINE)
_TOKEN = BoundToken(namespace=NAMESPACE, service_account="injector", pod_name="injector-0")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeApiServer]:
    with fake_api_server(tmp_path) as fake:
        yield fake


@pytest.fixture
def authority(cluster: FakeApiServer, tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(
        tmp_path / "ca", kubernetes_enrollment=True, kubernetes_kubeconfig=cluster.kubeconfig
    ) as running:
        yield running


def register(authority: RunningServer) -> None:
    """What the registrar does once it has seen pod and Service."""
    identity = identity_of(authority.office, common_name="registrar", organizations=("chancery:registrars",))
    shown = Identity.from_pem(
        chain_pem=identity.chain, private_key_pem=identity.private_key, roots_pem=authority.administrator.roots
    )
    address = Address.from_text(authority.grpc_target, default_port=0)
    connection = Connection.mutual_tls(address, shown, timeout=60)
    authority._channels.append(connection.channel)
    pod = Pod(
        namespace=NAMESPACE,
        name=_TOKEN.pod_name,
        uid=_TOKEN.pod_uid,
        service_account=_TOKEN.service_account,
        node=_TOKEN.node_name,
    )
    RegistrarClient(connection).register_pod(pod, (f"{SERVICE}.{NAMESPACE}.svc",))


def await_text(path: Path, process: "subprocess.Popen[bytes]", pattern: str) -> "re.Match[str]":
    deadline = time.monotonic() + 60
    while (found := re.search(pattern, path.read_text(), re.MULTILINE)) is None:
        assert process.poll() is None, path.read_text()
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.05)
    return found


def test_injector_serves_once_it_has_the_name_of_its_service(cluster, authority, tmp_path):
    (tmp_path / "token").write_text(cluster.knows(_TOKEN))
    (tmp_path / "roots.pem").write_bytes(authority.administrator.roots)
    command = [
        *(sys.executable, "-m", "cli.main", "injector"),
        f"--http-server={authority.url.removeprefix('https://')}",
        f"--token-file={tmp_path / 'token'}",
        f"--bootstrap={tmp_path / 'roots.pem'}",
        f"--identity={tmp_path / 'identity'}",
        f"--kubeconfig={cluster.kubeconfig}",
        f"--service={SERVICE}",
        f"--namespace={NAMESPACE}",
        "--image=chancery",
        "--mode=sidecar",
        "--webhook-port=0",
        "--health-port=0",
        "--shutdown-delay=0s",
    ]
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            await_text(log, process, "not registered for pod")
            before = _URLS.search(log.read_text())
            register(authority)
            found = await_text(log, process, _URLS.pattern)
            listener = Listener(host="127.0.0.1", port=int(found[1]), server_name=f"{SERVICE}.{NAMESPACE}.svc")
            verify_served(listener, authority.administrator.roots)
            with pytest.raises(ssl.SSLCertVerificationError):
                verify_served(
                    Listener(host="127.0.0.1", port=int(found[1]), server_name="localhost"),
                    authority.administrator.roots,
                )
            alive = urllib3.request("GET", f"{found[2]}/livez", timeout=10, retries=False)
        finally:
            process.terminate()
            status = process.wait(20)

    assert before is None
    assert alive.data == b"ok\n"
    assert status == 0, log.read_text()
