"""The image as buildah builds it from the Dockerfile and the base that is here, and what it says of itself.

- No registry is asked: `scripts/make_base_image.sh` makes a stand-in for the base. It also says how buildah keeps images here.
"""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
BASE = next(line.split()[1] for line in DOCKERFILE.read_text().splitlines() if line.startswith("FROM "))
SCRIPT = "scripts/make_base_image.sh"
_NAME = "localhost/chancery-under-test-"
TAG = f"{_NAME}{os.getpid()}"

_BUILD_SECONDS = 840
_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    container: str
    """Of buildah, in which commands can be run."""
    root: Path
    """Where its files are; others see what is written there."""
    config: dict[str, Any]
    """What the OCI image configuration says under this name."""

    @property
    def environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config.get("Env", ()))


def buildah(*arguments: str, seconds: float = _SECONDS) -> str:
    done = _run("buildah", *arguments, seconds=seconds)
    assert done.returncode == 0, f"buildah {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout.strip()


def why_not() -> str:
    """What an image is not built for here, or nothing."""
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        return "no buildah, or no right to use it"
    if _run("buildah", "inspect", "--type", "image", BASE).returncode:
        return f"no base image is here: run {SCRIPT}"
    return ""


@pytest.fixture(scope="session")
def built_image() -> Iterator[BuiltImage]:
    """For tests of xdist's group `image`, so that one process builds it."""
    if reason := why_not():
        pytest.skip(reason)
    with built() as image:
        yield image


@contextmanager
def built() -> Iterator[BuiltImage]:
    """Some 60 seconds. Nothing of it is left afterwards; what tests left that were killed goes first."""
    _clear()
    try:
        options = ("--format", "docker", "--pull-never", "--tag", TAG)
        buildah("build", *options, str(ROOT), seconds=_BUILD_SECONDS)
        with mounted(TAG) as image:
            yield image
    finally:
        _run("buildah", "rmi", TAG)


def _clear() -> None:
    for image in buildah("images", "--noheading", "--format", "{{.Name}}").splitlines():
        process = image.removeprefix(_NAME)
        if process.isdecimal() and not Path("/proc", process).exists():
            _run("buildah", "rmi", "--force", image)


@contextmanager
def mounted(tag: str) -> Iterator[BuiltImage]:
    said = json.loads(buildah("inspect", "--type", "image", tag))
    container = buildah("from", "--pull-never", tag)
    try:
        root = Path(buildah("mount", container))
        yield BuiltImage(container=container, root=root, config=said["OCIv1"]["config"])
    finally:
        buildah("rm", container)


@functools.cache
def _environment() -> dict[str, str]:
    """Containers are made without a network of their own, and images kept as the script finds that they can be."""
    driver = subprocess.run(
        [ROOT / SCRIPT, "--storage-driver"], check=False, capture_output=True, text=True, timeout=60
    ).stdout.strip()
    return {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": driver or "vfs"}


def _run(*command: str, seconds: float = _SECONDS) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=_environment(), check=False, capture_output=True, text=True, timeout=seconds)
