"""The whole of it on a real API server: authority, controller, injector, and a labelled pod that has its identity and loses it.

- Nothing is prepared but rights: the injector's certificate, the caBundle and the pod's roots come about by themselves.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from agent.identity import load_credentials
from tests.kube.admission.running_injector import CONFIGURATIONS
from tests.kube.pods.shop import Shop, make_shop
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = [*KUBERNETES, pytest.mark.slow]

SERVICE = "injector"
WEBHOOKS = (f"{SERVICE}-pods", f"{SERVICE}-namespaces")
_URLS = re.compile(r"^injector +https://127\.0\.0\.1:(\d+)\nhealth +(http://\S+)$", re.MULTILINE)
_SECONDS = 60


@pytest.fixture
def shop(control_plane, tmp_path) -> Iterator[Shop]:
    with make_shop(control_plane, tmp_path) as made:
        yield made


@contextmanager
def running(log: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        command = [sys.executable, "-m", "cli.main", *arguments]
        with subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(30)


def await_text(log: Path, pattern: "re.Pattern[str]") -> "re.Match[str]":
    deadline = time.monotonic() + _SECONDS
    while (found := pattern.search(log.read_text())) is None:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found


def serve_on_loopback(shop: Shop) -> None:
    """Pods are nowhere in this cluster: from here on the Service leads to this machine."""
    shop.delete("services", SERVICE)
    spec = {"type": "ExternalName", "externalName": "localhost"}
    shop.create("services", {"metadata": {"name": SERVICE}, "spec": spec})


def run_agent(shop: Shop, pod, roots: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """What the injected container runs, once, with what its volumes would hold."""
    (agent,) = [one for one in pod["spec"]["initContainers"] if one["name"] == "chancery-agent-init"]
    directory.mkdir()
    (directory / "token").write_text(shop.token_of(pod))
    (directory / "ca.crt").write_text(roots)
    where = {"TOKEN_FILE": "token", "BOOTSTRAP": "ca.crt", "DIRECTORY": "tls"}
    variables = {f"CHANCERY_AGENT_{name}": str(directory / path) for name, path in where.items()}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *agent["args"]],
        env={"PATH": os.defpath, "HOME": str(directory), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


@pytest.fixture
def bootstrapped(shop: Shop, tmp_path: Path) -> Iterator[Shop]:
    """Controller and injector run, the webhook configurations are there, and the API server believes what they lead to."""
    plane, http_server = shop.plane, shop.server.url.removeprefix("https://")
    (tmp_path / "roots.pem").write_bytes(shop.server.administrator.roots)
    selecting = {"selector": {"app": SERVICE}, "ports": [{"port": 443}]}
    shop.create("services", {"metadata": {"name": SERVICE}, "spec": selecting})
    own_pod = shop.new_pod(labels={"app": SERVICE, "chancery.dev/inject": "true"})
    (tmp_path / "token").write_text(shop.token_of(own_pod))
    place = (f"--kubeconfig={plane.admin_kubeconfig}", f"--namespace={shop.namespace}", "--health-port=0")
    controller = [
        *("controller", *place, "--no-signing", "--trust-interval=1s"),
        *(f"--server={shop.target}", f"--identity={shop.registrar_identity}"),
    ]
    injector = [
        *("injector", *place, f"--service={SERVICE}", f"--webhook-configurations={','.join(WEBHOOKS)}"),
        *(
            f"--http-server={http_server}",
            f"--token-file={tmp_path / 'token'}",
            f"--bootstrap={tmp_path / 'roots.pem'}",
        ),
        *(f"--identity={tmp_path / 'identity'}", "--image=chancery", "--webhook-port=0", "--shutdown-delay=0s"),
    ]
    with ExitStack() as stack:
        stack.enter_context(running(tmp_path / "controller.log", *controller))
        stack.enter_context(running(tmp_path / "injector.log", *injector))
        found = await_text(tmp_path / "injector.log", _URLS)
        serve_on_loopback(shop)
        for name in WEBHOOKS:
            stack.callback(plane.admin.delete, f"{CONFIGURATIONS}/{name}")
        (tmp_path / "webhooks.yaml").write_text(webhooks_of(shop, port=found[1]))
        plane.kubectl("apply", "-f", str(tmp_path / "webhooks.yaml"))
        plane.wait_until(
            lambda: urllib3.request("GET", f"{found[2]}/readyz", timeout=10, retries=False).status == 200,
            "the API server believes the injector",
        )
        yield shop


def webhooks_of(shop: Shop, *, port: str) -> str:
    options = (f"--namespace={shop.namespace}", f"--service={SERVICE}", f"--port={port}")
    command = [sys.executable, "-m", "cli.main", "injector", "webhooks", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def new_labelled_pod(shop: Shop, namespace: str) -> Any:
    metadata = {
        "generateName": "web-",
        "labels": {"chancery.dev/inject": "true"},
        "annotations": {"chancery.dev/mode": "init"},
    }
    containers = [{"name": "web", "image": "web"}]
    spec = {"serviceAccountName": "web", "nodeName": "shop-node", "containers": containers}
    return shop.create("pods", {"metadata": metadata, "spec": spec}, namespace=namespace)


def test_labelled_pod_gets_its_identity_with_no_more_than_a_label_and_loses_it_when_it_is_deleted(
    bootstrapped, tmp_path
):
    shop, plane = bootstrapped, bootstrapped.plane
    namespace = shop.new_namespace()
    pod = new_labelled_pod(shop, namespace)
    config_map = f"/api/v1/namespaces/{namespace}/configmaps/chancery-roots"
    plane.wait_until(lambda: plane.admin.get(config_map).status == 200, "the pod's roots are there")
    roots = plane.admin.get(config_map).document["data"]["ca.crt"]
    agent = run_agent(shop, pod, roots, tmp_path / "pod")
    assert agent.returncode == 0, agent.stderr
    number = f"{load_credentials(tmp_path / 'pod' / 'tls').leaf.serial_number:032x}"
    before = shop.server.office.inventory.find(number).revoked_at
    shop.delete("pods", pod["metadata"]["name"], namespace=namespace)
    plane.wait_until(
        lambda: shop.server.office.inventory.find(number).revoked_at is not None, "the certificate is revoked"
    )

    assert before is None
    assert f"spiffe://cluster.local/ns/{namespace}/sa/web" in (tmp_path / "pod" / "tls" / "identity.json").read_text()
