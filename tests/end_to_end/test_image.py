"""The chart's pods as containers of the image that the Dockerfile says, under the restricted standard, by runc: users, groups,
modes of volumes, a root that cannot be written, no capabilities, seccomp; until nothing of it runs any more.

- One story in the order of its tests. What `tests/servers/kubernetes/node/runc` does not play is not shown here.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end import objects
from tests.end_to_end.conftest import cluster_for
from tests.end_to_end.installation import IMAGE, NAMESPACE, TLS, Installation
from tests.end_to_end.objects import LABEL, SHOP
from tests.servers.image import BuiltImage
from tests.servers.kubernetes.node.runc import Runc, RuncContainer, why_not

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.xdist_group("image"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

VALUES = {"injector": {"replicaCount": 1}}
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
UNPRIVILEGED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}

IDLE = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()"
LOOK = """
import json, os, pathlib, sys
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/1/status").read_text().splitlines() if ":\\t" in line)
def writes(directory):
    try:
        (pathlib.Path(directory) / "written").write_text("")
    except OSError as err:
        return err.strerror
print(json.dumps({
    "status": {name: status[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")},
    "users": sorted(set(status["Uid"].split()) | set(status["Gid"].split())),
    "writes": {directory: writes(directory) for directory in ("/", "/etc", "/opt/chancery", "/var", "/run")},
}))
"""
FILES = """
import json, os, pathlib, stat, sys
def read(path):
    try:
        return len(path.read_bytes()) > 0
    except OSError:
        return False
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if path.is_file():
        seen = path.stat()
        found[path.name] = [oct(stat.S_IMODE(seen.st_mode))[2:], seen.st_uid, seen.st_gid, read(path)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def release(built_image: BuiltImage) -> Iterator[Installation]:
    if reason := why_not():
        pytest.skip(reason)
    with cluster_for(VALUES, image=built_image) as installation:
        yield installation


def test_every_pod_of_the_chart_becomes_ready(release: Installation) -> None:
    release.apply({**objects.namespace(), "metadata": {"name": SHOP, "labels": RESTRICTED}})
    release.apply({**objects.namespace(NAMESPACE), "metadata": {"name": NAMESPACE, "labels": RESTRICTED}})

    release.install()

    release.kubectl("wait", "apiservices", "--all", "--for=condition=Available", "--timeout=30s")
    assert release.restarts() == {}
    assert {name for pod in release.node.pods_of(NAMESPACE, "chancery") for name in pod.containers} == {
        "ca", "controller", "injector", "apiserver", "agent",
    }  # fmt: skip


def test_no_container_has_rights_or_writes_outside_its_volumes(release: Installation) -> None:
    none = f"{0:016x}"
    for pod in release.node.pods_of(NAMESPACE, "chancery"):
        for name, container in pod.containers.items():
            found = json.loads(inside(container.container, "python", "-c", LOOK))

            assert found["status"] == {
                "CapPrm": none, "CapEff": none, "CapBnd": none, "NoNewPrivs": "1", "Seccomp": "2",
            }, name  # fmt: skip
            assert found["users"] == ["65532"], name
            assert set(found["writes"].values()) == {"Read-only file system"}, name


def test_files_of_a_pod_are_for_its_user_and_group_alone(release: Installation) -> None:
    run(release, application("one", users=[1000], fsGroup=2000))

    app = container_in(release, "one", "app")

    files = json.loads(inside(app, "python", "-c", FILES, TLS))
    assert files["tls.key"] == ["440", 1000, 2000, True]
    assert files["bundle.pem"] == ["440", 1000, 2000, True]
    assert files["tls.crt"][3]
    assert json.loads(inside(app, "python", "-c", FILES, TLS, user=4242))["tls.key"][3] is False


def inside(container: Any, *command: str, user: int | None = None) -> bytes:
    assert isinstance(container, RuncContainer)
    done = container.run(command, {}, 60, user=user)
    assert done.returncode == 0, done.stderr
    return done.stdout


def container_in(release: Installation, pod: str, name: str) -> Any:
    return release.node.pod(SHOP, pod).containers[name].container


def run(release: Installation, pod: dict[str, Any]) -> None:
    release.apply(pod)
    release.wait_until(
        lambda: release.read("pod", pod["metadata"]["name"], f"--namespace={SHOP}")["status"]["phase"] == "Running",
        "the pod runs",
        seconds=60,
    )


def application(name: str, *, users: list[int], **security: Any) -> dict[str, Any]:
    """A labelled pod with a container for each of the users, `app`, `app-1`…"""
    containers = [
        {
            "name": f"app-{number}" if number else "app",
            "image": IMAGE,
            "command": ["python", "-c", IDLE],
            "securityContext": {**UNPRIVILEGED, "runAsUser": user, "runAsGroup": user},
        }
        for number, user in enumerate(users)
    ]
    of_pod = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SHOP, "labels": LABEL},
        "spec": {"securityContext": of_pod, "terminationGracePeriodSeconds": 5, "containers": containers},
    }


def test_helm_test_finds_nothing_wrong(release: Installation) -> None:
    done = release.helm.run("test", "chancery", "--timeout=60s", *release.access, seconds=70, check=False)

    assert done.returncode == 0, f"{done.stderr}\n{release.node.logs()}"


def test_container_that_is_killed_comes_back(release: Installation) -> None:
    release.kill("chancery-ca", "ca")


def test_nothing_runs_after_uninstalling(release: Installation) -> None:
    release.kubectl("delete", "namespace", SHOP, "--timeout=60s")
    release.helm.run("uninstall", "chancery", "--wait", "--timeout=60s", *release.access, seconds=70)
    release.wait_until(lambda: not release.node.pods_of(NAMESPACE, ""), "the pods are gone")

    runtime = release.node.runtime
    assert isinstance(runtime, Runc)
    release.wait_until(lambda: not runtime.names(), "no container is left")
