"""The seccomp profile of container runtimes, from the form in which they carry it into that of OCI.

- The first has rules for several machines and for containers of several capabilities; the second is for one.
- It is made as strict as containerd's, which a cluster has.
"""

import errno
import json
import platform
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

PROFILE = Path("/usr/share/containers/seccomp.json")
"""Of containers-common."""

_FOR_ADMINISTRATORS = frozenset(
    {
        "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount",
        "mount_setattr", "move_mount", "open_tree", "perf_event_open", "pivot_root", "quotactl", "quotactl_fd", "setdomainname",
        "sethostname", "setns", "syslog", "umount", "umount2", "unshare",
    }
)  # fmt: skip
"""What containerd and Docker let none but CAP_SYS_ADMIN call, and containers-common lets everybody."""

_NEW_NAMESPACES = 0x7E020000
_THREADS = (
    {
        "names": ["clone"],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": _NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
    },
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
)
"""Threads and processes, without namespaces of their own."""

_MACHINES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}


def seccomp(capabilities: Sequence[str], *, profile: Path = PROFILE, machine: str = "") -> dict[str, Any]:
    """`linux.seccomp` of a container with these capabilities, on this machine unless another is named."""
    said = json.loads(profile.read_text())
    name, architecture = _MACHINES[machine or platform.machine()]
    held = {f"CAP_{each}" for each in capabilities}
    (narrower,) = (each["subArchitectures"] for each in said["archMap"] if each["architecture"] == architecture)
    rules = [_rule(each) for each in said["syscalls"] if _is_meant(each, name, held)]
    if "SYS_ADMIN" not in capabilities:
        rules = [*_THREADS, *(_without(each, _FOR_ADMINISTRATORS) for each in rules)]
    return {
        "defaultAction": said["defaultAction"],
        "defaultErrnoRet": errno.EPERM,
        "architectures": [architecture, *narrower],
        "syscalls": [each for each in rules if each["names"]],
    }


def _is_meant(rule: dict[str, Any], machine: str, capabilities: set[str]) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        machine in includes.get("arches", [machine])
        and machine not in excludes.get("arches", ())
        and capabilities.issuperset(includes.get("caps", ()))
        and capabilities.isdisjoint(excludes.get("caps", ()))
    )


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {name: rule[name] for name in ("names", "action", "errnoRet", "args") if rule.get(name)}


def _without(rule: dict[str, Any], names: Set[str]) -> dict[str, Any]:
    return {**rule, "names": [name for name in rule["names"] if name not in names]}
