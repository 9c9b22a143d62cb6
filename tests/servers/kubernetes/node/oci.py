"""What a container of a pod is to a runtime: config.json of the OCI runtime specification, as containerd would write it.

- The network is the node's; process identifiers, host name, mounts and System V objects are the container's own.
- Limits are left out, and with them the cgroup of the container says nothing. So is what an image says to be a volume: of the
  runtimes one makes a directory for it and another none, and nothing may count on the one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.kubernetes.node.seccomp import seccomp
from tests.servers.kubernetes.node.security import Security

_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
)  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_CLOSED = ("nosuid", "noexec", "nodev")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    destination: str
    source: str
    read_only: bool = False


def config(
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    working_directory: str,
    host_name: str,
    root: str,
    security: Security,
    binds: Sequence[Bind],
    process_namespace: str = "",
    cgroup: str,
) -> dict[str, Any]:
    """`root` is a directory that belongs to the container, `process_namespace` the path of one that it shares."""
    capabilities = [f"CAP_{name}" for name in security.capabilities]
    namespaces: list[dict[str, str]] = [{"type": kind} for kind in ("ipc", "uts", "mount")]
    namespaces.append({"type": "pid", **({"path": process_namespace} if process_namespace else {})})
    return {
        "ociVersion": "1.0.2",
        "hostname": host_name,
        "root": {"path": root, "readonly": security.read_only_root},
        "process": {
            "terminal": False,
            "user": {"uid": security.user, "gid": security.group, "additionalGids": list(security.further_groups)},
            "args": list(command),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": working_directory,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "noNewPrivileges": security.no_new_privileges,
        },
        "mounts": [*_kernel_mounts(), *(_bind(each) for each in binds)],
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
            "cgroupsPath": cgroup,
            **({"seccomp": seccomp(security.capabilities)} if security.confined else {}),
        },
    }


def _kernel_mounts() -> list[dict[str, Any]]:
    def mount(destination: str, kind: str, *options: str) -> dict[str, Any]:
        return {"destination": destination, "type": kind, "source": kind, "options": list(options)}

    return [
        mount("/proc", "proc", *_CLOSED),
        mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/shm", "tmpfs", *_CLOSED, "mode=1777", "size=65536k"),
        mount("/dev/mqueue", "mqueue", *_CLOSED),
        mount("/sys", "sysfs", *_CLOSED, "ro"),
    ]


def _bind(bind: Bind) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro" if bind.read_only else "rw"]
    return {"destination": bind.destination, "type": "bind", "source": bind.source, "options": options}
