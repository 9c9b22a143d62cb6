"""Where Helm is: below the directory that CHANCERY_TEST_HELM names, else where scripts/build_helm.sh puts it.

- Two majors, each in the version that its go.mod names: they apply differently, and refuse values in different words.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "CHANCERY_TEST_HELM"
MAJORS = (4, 3)
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class HelmProgram:
    major: int
    path: Path

    @property
    def is_there(self) -> bool:
        return os.access(self.path, os.X_OK)


def find_helm(major: int, environment: Mapping[str, str]) -> HelmProgram:
    """There or not."""
    return HelmProgram(major=major, path=programs_directory(environment) / version(major) / "helm")


def programs_directory(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or "/nonexistent")
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return Path(environment.get(VARIABLE) or cache / "chancery" / "helm")


def version(major: int) -> str:
    """The version that go.mod names."""
    go_mod = _HERE / f"v{major}" / "go.mod"
    found = re.search(rf"^\s*(?:require )?helm\.sh/helm/v{major} (v\S+)", go_mod.read_text(), re.MULTILINE)
    assert found, f"{go_mod} names no version of Helm"
    return found[1]
