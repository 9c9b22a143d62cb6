"""The image: its recipe is clean, and where a builder is present it is built and run the way a cluster would run it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"


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


def builder() -> list[str] | None:
    """The command that builds, where one is here and the base image with it: a test does not reach for a registry."""
    base = next(line.split()[1] for line in instructions() if line.startswith("FROM "))
    for inspect, build in (
        (["buildah", "inspect", base], ["buildah", "build", "--isolation", "chroot"]),
        (["docker", "image", "inspect", base], ["docker", "build"]),
    ):
        if (
            shutil.which(inspect[0])
            and not subprocess.run(inspect, check=False, capture_output=True, timeout=60).returncode
        ):
            return build
    return None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_image_is_built():
    command = builder()
    if command is None:
        pytest.skip("no buildah or docker with the base image at hand")

    subprocess.run([*command, "-t", "chancery-test", str(ROOT)], check=True, timeout=840)
