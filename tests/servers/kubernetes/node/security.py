"""Security contexts of a pod and its containers as a kubelet and containerd read them, for a container of an image.

- A container's word is taken before its pod's, the pod's before the image's.
- What is not played: SELinux, AppArmor, Windows, procMount, sysctls, and profiles of the node for seccomp.
"""

from dataclasses import dataclass

from tests.servers.kubernetes.node.access import JsonObject, NotThereYet

DEFAULT_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
"""Of containerd, for a container that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    user: int
    group: int
    further_groups: tuple[int, ...]
    capabilities: tuple[str, ...]
    """Without CAP_."""
    no_new_privileges: bool
    read_only_root: bool
    confined: bool
    """By the runtime's seccomp profile."""

    @classmethod
    def of(cls, container: JsonObject, pod: JsonObject, *, image_user: str) -> "Security":
        """`image_user` is `uid:gid`. Raises NotThereYet, as a kubelet does with CreateContainerConfigError, for a user that may
        not be root and would be."""
        of_pod = pod["spec"].get("securityContext") or {}
        said = {**of_pod, **(container.get("securityContext") or {})}
        image_uid, _, image_gid = (image_user or "0:0").partition(":")
        user = int(said.get("runAsUser", image_uid))
        if said.get("runAsNonRoot") and user == 0:
            raise NotThereYet("container has runAsNonRoot and image will run as root")
        group = int(said.get("runAsGroup", (image_gid or 0) if str(user) == image_uid else 0))
        groups = [of_pod["fsGroup"]] if "fsGroup" in of_pod else []
        return cls(
            user=user,
            group=group,
            further_groups=(*groups, *of_pod.get("supplementalGroups", ())),
            capabilities=_capabilities(said.get("capabilities") or {}),
            no_new_privileges=said.get("allowPrivilegeEscalation") is False,
            read_only_root=bool(said.get("readOnlyRootFilesystem")),
            confined=(said.get("seccompProfile") or {}).get("type") == "RuntimeDefault",
        )


def _capabilities(said: JsonObject) -> tuple[str, ...]:
    dropped, added = ({name.removeprefix("CAP_") for name in said.get(what, ())} for what in ("drop", "add"))
    kept = () if "ALL" in dropped else (name for name in DEFAULT_CAPABILITIES if name not in dropped)
    return tuple(sorted({*kept, *added}))


def only_user(pod: JsonObject) -> int | None:
    """Of all containers, where they have one and the same that their pod names: it then owns its projected tokens."""
    spec = pod["spec"]
    of_pod = (spec.get("securityContext") or {}).get("runAsUser")
    containers = [*spec.get("initContainers", ()), *spec["containers"], *spec.get("ephemeralContainers", ())]
    users = {(each.get("securityContext") or {}).get("runAsUser", of_pod) for each in containers}
    return next(iter(users)) if len(users) == 1 else None
