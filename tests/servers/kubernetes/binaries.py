"""Where the programs of a control plane are: in KUBEBUILDER_ASSETS, else where scripts/build_kubernetes.sh puts them.

- One directory holds all of them, so that their versions fit. kube-controller-manager may be missing: setup-envtest brings none.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "KUBEBUILDER_ASSETS"
_GO_MOD = Path(__file__).with_name("go.mod")


@dataclass(frozen=True, slots=True)
class Binaries:
    directory: Path

    @property
    def are_complete(self) -> bool:
        return all(self._has(name) for name in ("etcd", "kube-apiserver", "kubectl"))

    @property
    def has_controller_manager(self) -> bool:
        return self._has("kube-controller-manager")

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def _has(self, name: str) -> bool:
        return os.access(self.directory / name, os.X_OK)


def find_binaries(environment: Mapping[str, str]) -> Binaries:
    """Those that KUBEBUILDER_ASSETS names, if they are complete, else those of the cache, complete or not."""
    if assets := environment.get(VARIABLE):
        named = Binaries(Path(assets))
        if named.are_complete:
            return named
    return Binaries(cache_directory(environment))


def cache_directory(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or "/nonexistent")
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "chancery" / "kubernetes" / version()


def version() -> str:
    """The version of Kubernetes that go.mod names."""
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", _GO_MOD.read_text(), re.MULTILINE)
    assert found, f"{_GO_MOD} names no version of k8s.io/kubernetes"
    return found[1]
