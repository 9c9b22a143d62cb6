"""The image: its recipe is clean, and where a builder is present it is built and run the way a cluster would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest

from tests.servers.ports import free_ports
from tests.test_wheel import runtime_files

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"
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


BASE = next(line.split()[1] for line in instructions() if line.startswith("FROM "))
TAG = f"chancery-under-test-{os.getpid()}"


def succeeds(*command: str) -> bool:
    found = shutil.which(command[0]) is not None
    return found and subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0


def output_of(*command: str, timeout: int = 300) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return result.stdout.strip()


@pytest.fixture(scope="module")
def run_in_image():
    """Builds the image, where a builder is here and the base with it (no registry is asked), and runs commands in it."""
    if succeeds("buildah", "inspect", "--type", "image", BASE):
        output_of(
            "buildah",
            "build",
            "--format",
            "docker",
            "--isolation",
            "chroot",
            "--pull-never",
            "-t",
            TAG,
            str(ROOT),
            timeout=840,
        )
        container = output_of("buildah", "from", "--pull-never", TAG)
        yield lambda *command: output_of("buildah", "run", "--isolation", "chroot", container, "--", *command)
        output_of("buildah", "rm", container)
        output_of("buildah", "rmi", TAG)
    elif succeeds("docker", "image", "inspect", BASE):
        output_of("docker", "build", "-t", TAG, str(ROOT), timeout=840)
        options = ("--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--entrypoint", "")
        yield lambda *command: output_of("docker", "run", *options, TAG, *command)
        output_of("docker", "rmi", TAG)
    else:
        pytest.skip("no buildah or docker with the base image at hand")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_image_makes_an_authority_without_rights(run_in_image):
    assert run_in_image("id", "-u") == "65532"
    assert "0.1.0" in run_in_image("ca-cli", "--version")

    run_in_image("ca-cli", "init")


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
