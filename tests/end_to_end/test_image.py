"""The chart's pods as containers of the image that the Dockerfile says, under the restricted standard, by runc: users, groups,
modes of volumes, a root that cannot be written, no capabilities, seccomp; until nothing of it runs any more.

- One story in the order of its tests. What `tests/servers/kubernetes/node/runc` does not play is not shown here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import objects
from tests.end_to_end.conftest import cluster_for, require_control_plane
from tests.end_to_end.installation import IMAGE, NAMESPACE, TLS, Installation
from tests.end_to_end.objects import LABEL, SHOP
from tests.servers.image import BuiltImage
from tests.servers.image import why_not as why_not_built
from tests.servers.kubernetes.node.runc import Runc, RuncContainer
from tests.servers.kubernetes.node.runc import why_not as why_not_contained

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.xdist_group("image"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

VALUES = {"injector": {"replicaCount": 1}}
ALL_FORMATS = {"chancery.dev/formats": "pem,bundle,pkcs12,jks"}
TOLD = {"chancery.dev/reload": "signal:HUP:app"}
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
UNPRIVILEGED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}

LOOSE = "loose"
"""A namespace that is held to nothing."""

IDLE = """
import signal
signal.signal(signal.SIGTERM, lambda *_: exit(0))
signal.signal(signal.SIGHUP, lambda *_: print("told", flush=True))
while True:
    signal.pause()
"""
TELL = "from agent.reload import SignalHook; SignalHook(container='app').run()"
"""As the agent does it when it has renewed."""

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
def release(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """Builds nothing that then has nowhere to run."""
    if reason := why_not_built() or why_not_contained():
        pytest.skip(reason)
    require_control_plane()
    image: BuiltImage = request.getfixturevalue("built_image")
    with cluster_for(VALUES, image=image) as installation:
        yield installation


def test_every_pod_of_the_chart_becomes_ready(release: Installation) -> None:
    for name in (SHOP, NAMESPACE):
        release.apply({**objects.namespace(name), "metadata": {"name": name, "labels": RESTRICTED}})
    release.apply(objects.namespace(LOOSE))

    release.install()

    release.kubectl("wait", "apiservices", "--all", "--for=condition=Available", "--timeout=55s")
    assert release.restarts() == {}
    assert {name for pod in release.node.pods_of(NAMESPACE, "chancery") for name in pod.containers} == {
        "ca", "controller", "injector", "apiserver", "agent",
    }  # fmt: skip


def test_no_container_has_rights_or_writes_outside_its_volumes(release: Installation) -> None:
    none = f"{0:016x}"
    for pod in release.node.pods_of(NAMESPACE, "chancery"):
        for name, container in pod.containers.items():
            found = look(container.container)

            assert found["status"] == {
                "CapPrm": none, "CapEff": none, "CapBnd": none, "NoNewPrivs": "1", "Seccomp": "2",
            }, name  # fmt: skip
            assert found["users"] == ["65532"], name
            assert set(found["writes"].values()) == {"Read-only file system"}, name


def test_files_of_a_pod_are_for_its_user_and_group_alone(release: Installation) -> None:
    run(release, application("one", users=[1000], security={"fsGroup": 2000}, annotations=ALL_FORMATS))

    app = container_in(release, "one", "app")

    files = files_of(app)
    assert files["tls.key"] == ["440", 1000, 2000, True]
    for name in ("bundle.pem", "keystore.p12", "keystore.password"):
        assert files[name] == ["440", 1000, 2000, True], name
    for name in ("tls.crt", "ca.crt", "truststore.p12", "truststore.jks"):
        assert files[name][3], name
    strange = files_of(app, user=4242)
    assert [name for name in ("tls.key", "bundle.pem", "keystore.p12", "keystore.password") if strange[name][3]] == []


def test_containers_of_two_users_read_the_key_by_the_group_that_the_injector_gives(release: Installation) -> None:
    run(release, application("two", users=[1000, 1001]))

    for name in ("app", "app-1"):
        mode, _, group, is_readable = files_of(container_in(release, "two", name))["tls.key"]
        assert (mode, group, is_readable) == ("440", 65532, True)
    assert not files_of(container_in(release, "two", "app"), user=4242)["tls.key"][3]


def test_agent_of_a_pod_of_root_needs_no_capability(release: Installation) -> None:
    pod = application("root", users=[0], namespace=LOOSE)
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    run(release, pod)

    (agent,) = [each for name, each in release.node.pod(LOOSE, "root").containers.items() if name != "app"]
    assert look(agent.container)["status"]["CapEff"] == f"{0:016x}"
    assert files_of(release.node.pod(LOOSE, "root").containers["app"].container)["tls.key"][3]


def test_agent_signals_another_container_where_they_share_their_processes(release: Installation) -> None:
    run(release, application("told", users=[1000], annotations=TOLD, shareProcessNamespace=True))
    containers = release.node.pod(SHOP, "told").containers
    (agent,) = [each for name, each in containers.items() if name != "app"]

    inside(agent.container, "python", "-c", TELL)

    release.wait_until(lambda: "told" in containers["app"].log.read_text(), "the container gets its signal")


@pytest.mark.parametrize("mode", ["sidecar", "init"])
def test_pod_that_ends_by_itself_has_its_key_and_ends(release: Installation, mode: str) -> None:
    pod = application(f"job-{mode}", users=[1000], annotations={"chancery.dev/mode": mode}, restartPolicy="Never")
    pod["spec"]["containers"][0]["command"] = ["python", "-c", f"print(len(open('{TLS}/tls.key').read()) > 0)"]

    run(release, pod, phase="Succeeded")

    containers = release.node.pods_of(SHOP, f"job-{mode}")[0].containers
    assert containers["app"].log.read_text() == "True\n"
    assert all(each.has_ended for each in containers.values())


def files_of(container: Any, user: int | None = None) -> dict[str, tuple[str, int, int, bool]]:
    """Mode, user, group, and whether it can be read."""
    found: dict[str, tuple[str, int, int, bool]] = json.loads(inside(container, "python", "-c", FILES, TLS, user=user))
    return found


def look(container: Any) -> Any:
    return json.loads(inside(container, "python", "-c", LOOK))


def inside(container: Any, *command: str, user: int | None = None) -> bytes:
    assert isinstance(container, RuncContainer)
    done = container.run(command, {}, 60, user=user)
    assert done.returncode == 0, done.stderr
    return done.stdout


def container_in(release: Installation, pod: str, name: str) -> Any:
    return release.node.pod(SHOP, pod).containers[name].container


def run(release: Installation, pod: dict[str, Any], *, phase: str = "Running") -> None:
    release.apply(pod)
    names = (pod["metadata"]["name"], f"--namespace={pod['metadata']['namespace']}")
    release.wait_until(
        lambda: release.read("pod", *names)["status"]["phase"] == phase,
        f"the pod is {phase}",
        seconds=60,
    )


def application(
    name: str,
    *,
    users: list[int],
    namespace: str = SHOP,
    security: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    **of_pod: Any,
) -> dict[str, Any]:
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
    context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **(security or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": LABEL, "annotations": annotations or {}},
        "spec": {"securityContext": context, "terminationGracePeriodSeconds": 5, "containers": containers, **of_pod},
    }


def test_helm_test_finds_nothing_wrong(release: Installation) -> None:
    done = release.helm.run("test", "chancery", "--timeout=120s", *release.access, seconds=130, check=False)

    assert done.returncode == 0, f"{done.stderr}\n{release.node.logs()}"


def test_container_that_is_killed_comes_back(release: Installation) -> None:
    release.kill("chancery-ca", "ca")


def test_first_administrator_is_made_in_the_container_of_the_authority(release: Installation) -> None:
    release.make_administrator()

    assert {"tls.crt", "tls.key", "ca.crt"} <= {path.name for path in release.administrator.iterdir()}


def test_servers_start_again_on_their_volumes(release: Installation) -> None:
    before = roots(release)

    restart(release, "ca")

    assert roots(release) == before


def test_servers_start_on_volumes_that_were_copied(release: Installation) -> None:
    """A kubelet gives the group of the pod whatever is in them, keys included."""
    before = roots(release)
    claims = {
        name: release.node.directory / "claims" / NAMESPACE / f"data-chancery-{name}-0" for name in ("ca", "apiserver")
    }
    private = [path for claim in claims.values() for path in claim.rglob("*") if is_private(path)]
    for claim in claims.values():
        claim.chmod(0o755)

    restart(release, *claims)

    assert {path.name for path in private} >= {"chancery.db", "apiserver.db", "keys"}
    assert [str(path) for path in private if path.exists() and not is_private(path)] == []
    assert {name: oct(claim.stat().st_mode & 0o7777) for name, claim in claims.items()} == dict.fromkeys(
        claims, "0o2775"
    )
    assert roots(release) == before


def is_private(path: Path) -> bool:
    return path.stat().st_mode & 0o777 in {0o700, 0o600}


def restart(release: Installation, *names: str) -> None:
    pods = [f"chancery-{name}-0" for name in names]
    uids = {pod.document["metadata"]["uid"] for name in pods for pod in release.node.pods_of(NAMESPACE, name)}
    release.kubectl("delete", "pod", *pods, f"--namespace={NAMESPACE}", "--timeout=50s")

    def are_back() -> bool:
        found = [pod for name in pods for pod in release.node.pods_of(NAMESPACE, name)]
        others = [pod for pod in found if pod.document["metadata"]["uid"] not in uids]
        ready = [bool(pod.containers) and all(each.is_ready for each in pod.containers.values()) for pod in others]
        return ready == [True] * len(pods)

    release.wait_until(are_back, "the pods are back", seconds=90)


def roots(release: Installation) -> str:
    return str(release.read("secret", "chancery-ca-roots", f"--namespace={NAMESPACE}")["data"]["ca.crt"])


def test_nothing_runs_after_uninstalling(release: Installation) -> None:
    release.kubectl("delete", "namespace", SHOP, LOOSE, "--timeout=50s")
    release.helm.run("uninstall", "chancery", "--wait", "--timeout=120s", *release.access, seconds=130)
    release.wait_until(lambda: not release.node.pods_of(NAMESPACE, ""), "the pods are gone")

    runtime = release.node.runtime
    assert isinstance(runtime, Runc)
    release.wait_until(lambda: not runtime.names(), "no container is left")
