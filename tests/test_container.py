"""The image: its recipe is clean, and where a builder is present it is built and run the way a cluster would run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.ports import free_ports

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"

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
    assert run_in_image("sh", "-c", "ls /opt/chancery/bin/pip* 2>/dev/null || echo none") == "none"
