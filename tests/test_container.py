"""The image: its recipe is clean, and where a builder is present it is built and run the way a cluster would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest

from tests.servers.image import BASE, DOCKERFILE, ROOT, BuiltImage, buildah
from tests.servers.image import why_not as why_not_built
from tests.servers.kubernetes.node.runc import Runc
from tests.servers.kubernetes.node.runc import why_not as why_not_contained
from tests.servers.ports import free_ports
from tests.test_wheel import runtime_files

LARGEST_ENVIRONMENT = 250_000_000  # 180 MB when this was written, 240 without `strip`

pytestmark = pytest.mark.xdist_group("image")  # one process makes the image for all tests here


def instructions() -> list[str]:
    joined = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def final_stage() -> list[str]:
    lines = instructions()
    last = max(index for index, line in enumerate(lines) if line.startswith("FROM "))
    return lines[last:]


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).parent / "hadolint"

    subprocess.run([hadolint, "--failure-threshold", "style", DOCKERFILE], check=True, timeout=60)


def test_image_runs_as_a_numbered_user_without_rights():
    users = [line.split()[1] for line in final_stage() if line.startswith("USER ")]

    assert users == ["65532:65532"], "kubelet's runAsNonRoot needs a number"


def test_image_carries_no_compiler_and_no_source_tree():
    copies = [line for line in final_stage() if line.startswith(("COPY ", "ADD "))]

    assert copies == ["COPY --from=build /opt/chancery /opt/chancery"]


def test_commands_of_the_image_need_no_shell():
    for line in final_stage():
        if line.startswith(("ENTRYPOINT", "CMD", "HEALTHCHECK")):
            assert '["' in line


def test_every_package_reaches_the_build():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert {path.parent.name for path in ROOT.glob("*/py.typed")} <= let_in


def test_no_probe_and_no_command_of_a_chart_or_an_example_needs_a_shell():
    shell = re.compile(r"(?:/bin/)?(?:ba|da)?sh\b")
    manifests = [
        *(ROOT / "charts").rglob("*.yaml"),
        *(ROOT / "charts").rglob("*.tpl"),
        *(ROOT / "docs/examples").rglob("*.yaml"),
    ]

    commands = [
        line for path in manifests for line in path.read_text().splitlines() if re.search(r"\b(?:command|args):", line)
    ]

    assert [line for line in commands if shell.search(line)] == []
    assert commands


SMOKE = """
import importlib, json, pkgutil, sys
from pathlib import Path
for name in json.loads(sys.argv[1]):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if ".versions." not in found.name and not found.name.endswith((".env", "__main__")) and found.name != "protos.generate":
            importlib.import_module(found.name)
from serving.kubeconfig import ApiServerAccess
access = ApiServerAccess.open(Path(sys.argv[2]))
access.dial("/api", [])
from apiserver.schema.cel import compile_expression
assert compile_expression("'a'.replace('a', 'b') == 'b' && math.greatest(1, 2) == 2", ()).evaluate({}) is True
"""

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: secret}}]
"""


@pytest.fixture(scope="module")
def slimmed(tmp_path_factory) -> Path:
    """What the image has in /opt/chancery, of the Python that runs the tests."""
    environment = tmp_path_factory.mktemp("image") / "chancery"
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python3*/site-packages")
    for source in runtime_files():
        if source.is_dir():
            shutil.copytree(source, site / source.name)
        else:
            shutil.copy2(source, site / source.name)
    for marker in ROOT.glob("*/py.typed"):
        shutil.copytree(marker.parent, site / marker.parent.name)
    record = Path(
        str(metadata.distribution("chancery").locate_file(f"chancery-{metadata.version('chancery')}.dist-info"))
    )
    shutil.copytree(record, site / record.name)
    subprocess.run([sys.executable, ROOT / "scripts/slim_environment.py", environment], check=True, timeout=120)
    return environment


@pytest.mark.slow
def test_what_is_left_of_the_environment_is_all_that_runs(slimmed, tmp_path):
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    packages = sorted(path.parent.name for path in ROOT.glob("*/py.typed"))
    command = [slimmed / "bin/python", "-P", "-W", "error", "-c", SMOKE, json.dumps(packages), tmp_path / "kubeconfig"]

    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False, timeout=100)

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_environment_of_the_image_is_small(slimmed):
    octets = sum(path.lstat().st_size for path in slimmed.rglob("*") if path.is_file() and not path.is_symlink())

    assert octets < LARGEST_ENVIRONMENT


TAG = f"chancery-under-test-{os.getpid()}"
SECONDS = 300
RunInImage = Callable[..., str]

RESTRICTED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
VOLUMES = ("/tmp", "/var/lib/chancery")


def output_of(*command: str, timeout: int = SECONDS) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return result.stdout.strip()


@pytest.fixture(scope="module")
def run_in_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunInImage]:
    """Builds the image, where a builder is here and the base with it (no registry is asked), and runs commands in it: by runc as a
    cluster would, by docker nearly so, or else by buildah, with rights that no cluster gives."""
    lacking = why_not_built()
    if not lacking:
        image = request.getfixturevalue("built_image")
        if why_not_contained():
            yield lambda *command, user="65532:65532": buildah("run", "--user", user, image.container, "--", *command)
            return
        with contained(image, tmp_path_factory.mktemp("image")) as run:
            yield run
    elif (
        shutil.which("docker")
        and subprocess.run(
            ["docker", "image", "inspect", BASE], check=False, capture_output=True, timeout=60
        ).returncode
        == 0
    ):
        output_of("docker", "build", "-t", TAG, str(ROOT), timeout=840)
        options = ("--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--entrypoint", "")
        yield lambda *command, user="65532:65532": output_of("docker", "run", "--user", user, *options, TAG, *command)
        output_of("docker", "rmi", TAG)
    else:
        pytest.skip(f"{lacking}; no docker with the base at hand either")


@contextmanager
def contained(image: BuiltImage, directory: Path) -> Iterator[RunInImage]:
    said = {"name": "image", "image": "image", "securityContext": RESTRICTED}
    said["volumeMounts"] = [{"name": path, "mountPath": path} for path in VOLUMES]
    pod = {"metadata": {"name": "image"}, "spec": {"containers": [said]}}
    mounts = {path: str(directory / "volumes" / path[1:]) for path in VOLUMES}
    pod_directory = directory / "pod"
    pod_directory.mkdir()
    runtime = Runc(directory=directory / "node", images={"image": image}, prefix=f"chancery-image-{os.getpid()}")
    runtime.start()
    for place in mounts.values():
        runtime.ownership(pod).make_empty(Path(place), {"medium": "Memory"})
    container = runtime.container(said, pod, directory=pod_directory, address="127.0.0.1")

    def run(*command: str, user: str = "") -> str:
        log = directory / "log"
        log.unlink(missing_ok=True)
        if user:
            uid, _, gid = user.partition(":")
            container.said = {**said, "securityContext": {**RESTRICTED, "runAsUser": int(uid), "runAsGroup": int(gid)}}
        status = container.spawn(command, image.environment, mounts, log).wait(SECONDS)
        container.said = said
        assert status == 0, f"{' '.join(command)}\n{log.read_text()[-4000:]}"
        return log.read_text().strip()

    try:
        yield run
    finally:
        runtime.end()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_image_makes_an_authority_without_rights(run_in_image):
    assert run_in_image("id", "-u") == "65532"
    assert run_in_image("sh", "-c", "touch /opt/chancery/here 2>/dev/null || echo refused") == "refused"
    assert "0.1.0" in run_in_image("ca-cli", "--version")

    run_in_image("ca-cli", "init")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_image_runs_as_a_user_that_it_does_not_know(run_in_image):
    """As OpenShift has it."""
    somebody = "1000680000:0"
    places = ("CHANCERY_DATA_DIRECTORY=/tmp/unknown/ca", "CHANCERY_HOME=/tmp/unknown/home")

    assert run_in_image("id", "-u", user=somebody) == "1000680000"
    assert "until" in run_in_image("env", *places, "ca-cli", "init", user=somebody)


SERVE_UNTIL_HEALTHY = """
ca-cli serve & server=$!
while kill -0 "$server"; do
  if ca-cli status --quiet 2>/dev/null; then kill -TERM "$server"; wait "$server"; exit; fi
  sleep 0.2
done
exit 1
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_image_becomes_healthy(run_in_image):
    (check,) = [line for line in final_stage() if line.startswith("HEALTHCHECK")]
    assert check.endswith('CMD ["ca-cli", "status", "--quiet"]')
    names = ("CHANCERY_GRPC_PORT", "CHANCERY_HTTP_PORT", "CHANCERY_ENROLLMENT_PORT")
    ports = [f"{name}={port}" for name, port in zip(names, free_ports(3), strict=True)]

    run_in_image(
        "env", *ports, "CHANCERY_DATA_DIRECTORY=/tmp/ca", "CHANCERY_HOME=/tmp/home", "sh", "-c", SERVE_UNTIL_HEALTHY
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_image_carries_no_installer(run_in_image):
    assert run_in_image("sh", "-c", "ls /opt/chancery/bin/pip* /usr/local/bin/pip* 2>/dev/null || echo none") == "none"
    assert run_in_image("sh", "-c", "python -c 'import pip' 2>/dev/null || echo none") == "none"
