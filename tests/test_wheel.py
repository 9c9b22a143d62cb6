"""The wheel, built and installed beside the locked run-time dependencies and nothing else, as the image does it."""

import json
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/py.typed"))

pytestmark = pytest.mark.xdist_group("wheel")  # one process makes the wheel for all tests here

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
modules = []
for name in json.loads(sys.argv[1]):
    package = importlib.import_module(name)
    modules += [name, *(found.name for found in pkgutil.walk_packages(package.__path__, f"{name}."))]
modules = [name for name in modules if name not in {"protos.generate"} and not name.endswith("__main__")]
for name in modules:
    if ".versions." not in name and not name.endswith(".env"):  # Alembic's own, run by it alone
        importlib.import_module(name)
print(json.dumps({"modules": modules, "origins": [importlib.import_module(name).__file__ for name in modules[:1]]}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    destination = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(destination)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    (built,) = destination.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment that holds the wheel and links to the run-time dependencies of this one."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False)
    python = root / "bin/python"
    (site,) = root.glob("lib/python*/site-packages")
    for source in runtime_files():
        (site / source.name).symlink_to(source)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=100)
    return root


def runtime_files() -> Iterator[Path]:
    """Top-level files and folders of what requirements.lock names, where it applies to this platform."""
    names = re.findall(r"^([a-z0-9][a-z0-9.-]*)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    installed = {canonicalize_name(each.metadata["Name"]): each for each in metadata.distributions()}
    found = {}
    for name in names:
        for file in (installed[name].files or []) if name in installed else []:
            if not file.parts[0].startswith("..") and file.parts[0] != "__pycache__":
                found[file.parts[0]] = Path(str(installed[name].locate_file(file.parts[0])))
    yield from found.values()


def run(environment: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        cwd=environment,
        env={"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(environment), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_wheel_holds_every_file_of_every_package(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }

    assert expected <= held
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert [name for name in held if name.endswith(".proto")]


def test_wheel_holds_nothing_else(wheel):
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)


def test_every_module_imports_with_what_is_declared(environment):
    result = run(environment, "python", "-W", "error", "-c", IMPORT_EVERYTHING, json.dumps(PACKAGES))

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert all(Path(origin).is_relative_to(environment) for origin in report["origins"])


def test_command_says_its_version(environment):
    result = run(environment, "ca-cli", "--version")

    assert result.returncode == 0, result.stderr
    assert re.search(r"\d+\.\d+\.\d+", result.stdout)


@pytest.mark.parametrize("command", [("kubectl-chancery", "--help"), ("kubectl_complete-chancery", "re")], ids=" ".join)
def test_plugin_of_kubectl_is_there(environment, command):
    result = run(environment, *command)

    assert result.returncode == 0, result.stderr
    assert "revoke" in result.stdout


def test_command_makes_an_authority(environment, tmp_path):
    result = run(environment, "ca-cli", "init", CHANCERY_HOME=str(tmp_path / "home"))

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "home" / "identity").is_dir()
