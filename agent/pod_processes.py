"""The processes of a pod whose containers share them (`shareProcessNamespace`): which one is a container's first.

- A kubelet mounts a file of its own for each container, below `pods/UID/containers/NAME/`; every process of the pod may see what is
  mounted for another one, and that names the container.
- The runtime starts a container's first process from outside of the pod: it has no parent there.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_MOUNTED_FROM = re.compile(r"/pods/[^/\s]+/containers/([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)/[^/\s]+")
_CONTAINER_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LARGEST_MOUNTINFO = 1 << 20


def is_container_name(text: str) -> bool:
    """RFC 1123's label, as the Kubernetes API has it for names of containers."""
    return _CONTAINER_NAME.fullmatch(text) is not None


def first_process_of(container: str, proc: Path = _PROC) -> int | None:
    """Its process id at the moment; None where there is none, or the pod shares no processes."""
    candidates = []
    for process in _processes(proc):
        with contextlib.suppress(OSError, ValueError):  # it ends while we look
            if container in _containers_of(process):
                candidates.append((_parent_of(process), int(process.name)))
    return min(candidates)[1] if candidates else None


def _processes(proc: Path) -> Iterator[Path]:
    return (path for path in proc.iterdir() if path.name.isascii() and path.name.isdecimal())


def _containers_of(process: Path) -> frozenset[str]:
    """Raises OSError."""
    with (process / "mountinfo").open("rb") as file:
        lines = file.read(_LARGEST_MOUNTINFO).decode("utf-8", "replace").splitlines()
    roots = (fields[3] for fields in map(str.split, lines) if len(fields) > 4)  # proc_pid_mountinfo(5)
    return frozenset(found[1] for root in roots if (found := _MOUNTED_FROM.search(root)))


def _parent_of(process: Path) -> int:
    """Raises OSError, ValueError."""
    status = (process / "stat").read_text("utf-8", "replace")
    return int(status.rpartition(")")[2].split()[1])  # proc_pid_stat(5): the name before it may hold anything
