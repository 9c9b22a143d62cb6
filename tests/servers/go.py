"""A Go toolchain for tests, which compiles into the user's own cache: the standard library, 20 s of CPU time, once on a machine.

- HOME and working tree may be new each time; the variable is set before HOME is (tests/conftest.py).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

VARIABLE = "GOCACHE"
SETTINGS = {"GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "-p=2"}
"""For programs of the standard library alone."""


def build_cache(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or "/nonexistent")
    return Path(environment.get(VARIABLE) or Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "go-build")


def find_go() -> str:
    """The path of it; without, the test is skipped."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("no Go: go is not on the path")
    return go
