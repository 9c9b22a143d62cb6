"""The seccomp profile of container runtimes, from the form in which they carry it into that of OCI.

- The first has rules for several machines and for containers of several capabilities; the second is for one.
"""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROFILE = Path("/usr/share/containers/seccomp.json")
"""Of containers-common; it is Docker's but for a few system calls."""

_MACHINES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}


def seccomp(capabilities: Sequence[str], *, profile: Path = PROFILE, machine: str = "") -> dict[str, Any]:
    """`linux.seccomp` of a container with these capabilities, on this machine unless another is named."""
    said = json.loads(profile.read_text())
    name, architecture = _MACHINES[machine or platform.machine()]
    held = {f"CAP_{each}" for each in capabilities}
    (narrower,) = (each["subArchitectures"] for each in said["archMap"] if each["architecture"] == architecture)
    return {
        "defaultAction": said["defaultAction"],
        "defaultErrnoRet": said.get("defaultErrnoRet", 1),
        "architectures": [architecture, *narrower],
        "syscalls": [_rule(each) for each in said["syscalls"] if _is_meant(each, name, held)],
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
