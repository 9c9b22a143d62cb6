"""What a kubelet does to the files of a volume, undone.

- Where the root of a volume is not yet the group's that a pod has for its volumes (`fsGroup`), a kubelet gives the group rights to
  whatever is in it. So it is with a volume that was copied or restored, or that was another user's before; keys are then 0660.
- That group is the pod's, and nobody else's. Anywhere but on such a volume, modes that let others in are for people to look into.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import structlog

_GROUP = stat.S_IRWXG
_GIVEN = stat.S_ISGID | _GROUP


def take_back(directory: Path, *, is_mount: Callable[[Path], bool] = os.path.ismount) -> None:
    """Makes `directory` and all that is in it its owner's alone again. What cannot be changed stays for those who verify modes."""
    with contextlib.suppress(OSError):
        if not _is_given_to_us(directory) or not _is_given_to_us(_mount_point(directory, is_mount)):
            return
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_GIVEN)
        structlog.get_logger().warning(
            "files that the volume's group was given are their owner's again", path=str(directory)
        )


def _is_given_to_us(directory: Path) -> bool:
    found = directory.stat()
    is_of_our_group = found.st_gid in {os.getegid(), *os.getgroups()}
    return is_of_our_group and found.st_mode & _GIVEN == _GIVEN


def _mount_point(directory: Path, is_mount: Callable[[Path], bool]) -> Path:
    place = directory.resolve()
    while not is_mount(place):
        place = place.parent
    return place
