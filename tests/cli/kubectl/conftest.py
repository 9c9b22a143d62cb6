"""An authority that runs as a process, as the one container of a pod in a real cluster, and kubectl with our plugin on its PATH."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import COMMAND, Program, serving
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.exec_kubelet import ExecKubelet, FakeContainer, environment_of, exec_kubelet
from tests.servers.kubernetes.fixtures import control_plane  # noqa: F401 - a fixture

NODE = "exec-node"
RELEASE = "sample"
READY = {"type": "Ready", "status": "True"}
_SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A control plane, and the node that runs commands in its pods."""

    plane: ControlPlane
    kubelet: ExecKubelet
    path: Path
    """Directory that holds the plugin under its console script's name."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def new_namespace(self, name: str = "") -> str:
        name = name or f"plugin-{os.getpid()}-{next(self._numbers)}"
        self._create("/api/v1/namespaces", {"metadata": {"name": name}})
        self.plane.make_default_account(name)
        return name

    def new_pod(
        self,
        namespace: str,
        name: str,
        container: FakeContainer | None,
        *,
        instance: str = RELEASE,
        condition: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        containers: tuple[str, ...] = ("ca",),
    ) -> None:
        """As the chart labels it; without a `container` the kubelet knows nothing of it."""
        labels = {
            "app.kubernetes.io/name": "chancery",
            "app.kubernetes.io/instance": instance,
            "app.kubernetes.io/component": "ca",
        }
        pod = {
            "metadata": {"name": name, "labels": labels, "annotations": annotations or {}},
            "spec": {"nodeName": NODE, "containers": [{"name": one, "image": "none"} for one in containers]},
        }
        self._create(f"/api/v1/namespaces/{namespace}/pods", pod)
        status = {"status": {"phase": "Running", "conditions": [condition or READY]}}
        answer = self.plane.admin.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", status)
        assert answer.status == 200, answer.octets
        if container is not None:
            self.kubelet.containers[f"{namespace}/{name}/ca"] = container

    def delete_pod(self, namespace: str, name: str) -> None:
        self.plane.admin.delete(
            f"/api/v1/namespaces/{namespace}/pods/{name}", {"kind": "DeleteOptions", "gracePeriodSeconds": 0}
        )

    def run(
        self, *arguments: str, kubeconfig: Path | None = None, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """`kubectl chancery …`, in a pipe."""
        return subprocess.run(
            [self.plane.binaries.path("kubectl"), "chancery", *arguments],
            env=self.environment(kubeconfig or self.plane.admin_kubeconfig),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def environment(self, kubeconfig: Path) -> dict[str, str]:
        return {
            "PATH": f"{self.path}:{os.environ['PATH']}",
            "HOME": str(self.path),
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }

    def document(self, *arguments: str, kubeconfig: Path | None = None) -> Any:
        """What a command prints; fails the test where its status is not 0."""
        done = self.run(*arguments, kubeconfig=kubeconfig)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def user(self, name: str, namespace: str, *rules: dict[str, list[str]]) -> Path:
        """The kubeconfig of somebody who may do that much in one namespace."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self._create(f"{rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]
        self._create(f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects})
        return self.plane.kubeconfig_for_user(name)

    def _create(self, path: str, document: dict[str, Any]) -> None:
        answer = self.plane.admin.request("POST", path, document)
        assert answer.status == 201, answer.octets


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation puts on the PATH."""
    directory = tmp_path_factory.mktemp("bin")
    for name, function in (("kubectl-chancery", "main"), ("kubectl_complete-chancery", "complete")):
        script = directory / name
        script.write_text(f"#!{sys.executable}\nfrom cli.kubectl.main import {function}\n{function}()\n")
        script.chmod(0o755)
    return directory


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane, plugin_path: Path) -> Iterator[Cluster]:  # noqa: F811 - the fixture's name
    with exec_kubelet(control_plane, NODE) as kubelet:
        yield Cluster(plane=control_plane, kubelet=kubelet, path=plugin_path)


@contextlib.contextmanager
def running_authority(initialised_home: Path, directory: Path) -> Iterator[FakeContainer]:
    """A container in which the authority serves; nobody's identity lies in it."""
    shutil.copytree(initialised_home, directory / "home", ignore=shutil.ignore_patterns("identity"))
    with serving(Program(home=directory / "home", directory=directory, variables={})) as endpoints:
        environment = environment_of(
            CHANCERY_HOME=str(directory / "home"), CHANCERY_GRPC_PORT=endpoints["grpc"].rpartition(":")[2]
        )
        yield FakeContainer(programs={"ca-cli": COMMAND}, environment=environment, directory=directory)


@pytest.fixture(scope="session")
def served(initialised_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeContainer]:
    """The one that tests share."""
    with running_authority(initialised_home, tmp_path_factory.mktemp("container")) as container:
        yield container


@pytest.fixture
def namespace(cluster: Cluster, served: FakeContainer) -> Iterator[str]:
    """A namespace in which the authority runs, in one pod."""
    name = cluster.new_namespace()
    cluster.new_pod(name, "sample-chancery-ca-0", served)
    yield name
    for pod in cluster.plane.admin.get(f"/api/v1/namespaces/{name}/pods").document["items"]:
        cluster.delete_pod(name, pod["metadata"]["name"])
