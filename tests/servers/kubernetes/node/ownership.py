"""Who owns what lies in a pod's volumes, and its modes.

- A kubelet's (pkg/volume/volume_linux.go, emptydir, projected): a group for the pod (fsGroup) gets everything, and may write where
  containers may; an emptyDir is everybody's; a token is its user's alone where all containers have the same user.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.servers.kubernetes.node.access import JsonObject
from tests.servers.kubernetes.node.security import only_user

DEFAULT_MODE = 0o644
_OWN = 0o600
_WRITABLE, _READABLE = 0o660, 0o440
_ENTERED = 0o110


class Ownership(Protocol):
    def make_empty(self, directory: Path, said: Mapping[str, Any]) -> None:
        """An emptyDir that is not there yet."""

    def make_claim(self, directory: Path) -> None:
        """That of a claim, when a pod begins with it; perhaps there is something in it."""

    def give_file(self, path: Path, mode: int, *, is_own: bool) -> None:
        """One that is published; `is_own` are those that a kubelet keeps for the pod's user."""

    def give_directory(self, directory: Path) -> None:
        """One of what is published."""


class Unowned:
    """All belongs to who runs the tests."""

    def make_empty(self, directory: Path, said: Mapping[str, Any]) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def make_claim(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def give_directory(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def give_file(self, path: Path, mode: int, *, is_own: bool) -> None:
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletOwnership:
    """`mount_memory` mounts so many octets, where that is said; `seen` is where a path is as containers have it."""

    user: int | None
    group: int | None
    only_by_root: bool
    """fsGroupChangePolicy: OnRootMismatch."""
    mount_memory: Callable[[Path, str], None]
    seen: Callable[[Path], Path]

    @classmethod
    def of(
        cls, pod: JsonObject, *, mount_memory: Callable[[Path, str], None], seen: Callable[[Path], Path]
    ) -> "KubeletOwnership":
        said = pod["spec"].get("securityContext") or {}
        return cls(
            user=only_user(pod),
            group=said.get("fsGroup"),
            only_by_root=said.get("fsGroupChangePolicy") == "OnRootMismatch",
            mount_memory=mount_memory,
            seen=seen,
        )

    def make_empty(self, directory: Path, said: Mapping[str, Any]) -> None:
        if directory.exists():
            return
        directory.mkdir(parents=True)
        if said.get("medium") == "Memory":
            self.mount_memory(directory, said.get("sizeLimit", ""))
        place = self.seen(directory)
        place.chmod(0o777)
        self._give_to_group(place, _WRITABLE)

    def make_claim(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if self.only_by_root and self._is_the_group_s(directory):
            return
        for path in (*directory.rglob("*"), directory):
            self._give_to_group(path, _WRITABLE)

    def give_file(self, path: Path, mode: int, *, is_own: bool) -> None:
        has_owner = self.user is not None or self.group is not None
        path.chmod(_OWN if is_own and has_owner else mode)
        if is_own and self.user is not None:
            os.chown(path, self.user, -1)
        self._give_to_group(path, _READABLE)

    def give_directory(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        self._give_to_group(directory, _READABLE)

    def _give_to_group(self, path: Path, mask: int) -> None:
        if self.group is None:
            return
        os.chown(path, -1, self.group, follow_symlinks=False)
        if path.is_symlink():
            return
        mask |= (stat.S_ISGID | _ENTERED) if path.is_dir() else 0
        path.chmod(stat.S_IMODE(path.stat().st_mode) | mask)

    def _is_the_group_s(self, directory: Path) -> bool:
        found, wanted = directory.stat(), stat.S_ISGID | _WRITABLE | _ENTERED
        return found.st_gid == self.group and found.st_mode & wanted == wanted
