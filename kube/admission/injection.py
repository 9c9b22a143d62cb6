"""What is to be done to one pod that asks for an identity: a patch and warnings, or every reason why not.

1. is it a pod that can have one · 2. what do its annotations ask for · 3. in which mode · 4. are our names free, or ours already
5. volumes · 6. agent · 7. mounts · 8. who may read the key · 9. the status annotation

- A pure function of the pod, its namespace, the settings and the cluster's features. Neither the pod's name nor its UID counts:
  with generateName there is none yet.
- What is there already is left alone, so that the second time changes nothing. Nothing of the pod's own is changed or removed.
"""

import posixpath
from dataclasses import dataclass

from kube.admission import containers
from kube.admission.errors import Fault, InjectionRefused
from kube.admission.features import ClusterFeatures
from kube.admission.modes import choose_mode, present_mode
from kube.admission.names import (
    AGENT_CONTAINER,
    FIRST_CONTAINER,
    IDENTITY_VOLUME,
    MIRROR_ANNOTATION,
    STATUS_PREFIX,
    Mode,
)
from kube.admission.ownership import verify_names
from kube.admission.patches import JsonPatch
from kube.admission.pods import Container, Pod
from kube.admission.readers import key_readers
from kube.admission.settings import Injection
from kube.admission.wishes import SignalReload, Wishes, field_of, unknown_annotations
from kube.documents import JsonObject, mapping, text
from kube.vocabulary import INJECT_LABEL, INJECTED_ANNOTATION, annotation

_OS_LABEL = "kubernetes.io/os"
_LONGEST_WARNING = 250
_MOST_UNKNOWN_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """`patch` is empty where everything was in place. Without a mode the pod is left alone."""

    mode: Mode | None = None
    patch: tuple[JsonObject, ...] = ()
    warnings: tuple[str, ...] = ()


LEFT_ALONE = Injected()


def inject(document: JsonObject, *, namespace: str, injection: Injection, features: ClusterFeatures | None) -> Injected:
    """`features` are None where they are not known yet. Raises InjectionRefused, FeaturesUnknown."""
    pod = Pod(document)
    label = pod.labels.get(INJECT_LABEL)
    if label == "false" or MIRROR_ANNOTATION in pod.annotations:
        return LEFT_ALONE
    if (unsuitable := _unsuitable(pod, injection)) is not None:
        if label == "true":
            raise InjectionRefused([unsuitable])
        return Injected(warnings=(f"{unsuitable.message}; it is left without an identity",))
    wishes, faults = Wishes.from_annotations(pod.annotations, namespace=namespace, forms=injection.name_forms)
    if faults:
        raise InjectionRefused(faults)
    mode = present_mode(pod) or choose_mode(pod, wishes, injection, features)
    return _Injecting(pod, wishes, mode, injection).result()


def _unsuitable(pod: Pod, injection: Injection) -> Fault | None:
    if pod.spec.get("hostNetwork") is True and not injection.host_network:
        return Fault(
            reason="HOST_NETWORK",
            field="spec.hostNetwork",
            message="a pod of the host's network gets no identity here; the injector's host_network would allow it",
        )
    for field, system in (
        ("spec.os.name", text(pod.spec, "os", "name")),
        (f"spec.nodeSelector[{_OS_LABEL}]", text(pod.spec, "nodeSelector", _OS_LABEL)),
    ):
        if system == "windows":
            return Fault(reason="WINDOWS", field=field, message="the agent runs on Linux alone")
    return None


class _Injecting:
    """One pod, step by step."""

    def __init__(self, pod: Pod, wishes: Wishes, mode: Mode, injection: Injection) -> None:
        self._pod = pod
        self._wishes = wishes
        self._mode = mode
        self._injection = injection
        self._patch = JsonPatch(pod.document)
        self._faults: list[Fault] = []
        self._warnings: list[str] = []
        self._user = self._agent_user()
        self._inserted = 0

    def result(self) -> Injected:
        self._faults += verify_names(self._pod, self._mode, self._injection)
        users = self._users()
        self._verify_mounts(users)
        self._verify_reload()
        if self._faults:
            raise InjectionRefused(self._faults)
        self._add_volumes()
        if self._mode is not Mode.POD_CERTIFICATE:
            self._add_agent()
        for container in users:
            self._mount(container)
        if self._mode is not Mode.POD_CERTIFICATE:
            self._let_read(users)
        self._warn_of_unknown_annotations()
        self._set_status()
        return Injected(
            mode=self._mode,
            patch=tuple(self._patch.operations),
            warnings=tuple(warning[:_LONGEST_WARNING] for warning in self._warnings),
        )

    def _agent_user(self) -> int | None:
        """Of the one to be added; of the one that is there already, where it says."""
        present = next(iter(self._pod.ours), None)
        if present is not None:
            return self._pod.user_of(present)
        reload = self._wishes.reload
        if isinstance(reload, SignalReload):
            for container in self._pod.containers:
                if container.name == reload.container and (user := self._pod.user_of(container)) is not None:
                    return user
        return self._pod.agent_user(self._injection.agent_user)

    def _users(self) -> list[Container]:
        """The containers that get the files."""
        wanted = self._wishes.containers
        if wanted is None:
            return list(self._pod.containers)
        known = {container.name for container in self._pod.containers}
        for name in sorted(wanted - known):
            self._fault(
                "ANNOTATION_INVALID", field_of("containers"), f"{annotation('containers')}: no container {name!r}"
            )
        return [container for container in self._pod.containers if container.name in wanted]

    def _verify_mounts(self, users: list[Container]) -> None:
        for container in self._pod.containers:
            for number, mount in enumerate(container.mounts):
                place = f"spec.{container.within}[{container.index}].volumeMounts[{number}]"
                if mount.get("name") == IDENTITY_VOLUME and (mount.get("subPath") or mount.get("subPathExpr")):
                    self._fault(
                        "SUB_PATH_MOUNT",
                        place,
                        f"container {container.name!r} mounts {IDENTITY_VOLUME} with a subPath, "
                        "which is never updated; mount it whole",
                    )
        for container in users:
            taken = next((one for one in container.mounts if _path_of(one) == self._wishes.directory), None)
            if taken is not None and not _has_identity(container):
                self._fault(
                    "MOUNT_PATH_TAKEN",
                    f"spec.{container.within}[{container.index}].volumeMounts",
                    f"container {container.name!r} mounts {text(taken, 'name')!r} at {self._wishes.directory}; "
                    f"choose another directory by {annotation('dir')}",
                )

    def _verify_reload(self) -> None:
        reload = self._wishes.reload
        if not isinstance(reload, SignalReload):
            return
        name, field = annotation("reload"), field_of("reload")
        target = next((one for one in self._pod.containers if one.name == reload.container), None)
        if target is None or target.within != "containers":
            self._fault("ANNOTATION_INVALID", field, f"{name}: no container {reload.container!r} to signal")
            return
        if self._pod.spec.get("shareProcessNamespace") is not True:
            message = f"{name}: a signal to another container needs shareProcessNamespace: true in the pod"
            self._fault("PROCESSES_NOT_SHARED", field, message)
        user = self._pod.user_of(target)
        if user is None or self._user is None:
            self._warnings.append(
                f"{name}: the signal arrives where container {target.name!r} runs as the agent does; set runAsUser"
            )
        elif user != self._user:
            message = f"{name}: the agent, user {self._user}, may not signal container {target.name!r}, user {user}"
            self._fault("SIGNAL_NOT_PERMITTED", field, message)

    def _add_volumes(self) -> None:
        identity = (
            containers.certificate_volume(self._injection, self._wishes)
            if self._mode is Mode.POD_CERTIFICATE
            else containers.memory_volume()
        )
        volumes = [identity]
        if self._mode is not Mode.POD_CERTIFICATE:
            volumes.append(containers.bootstrap_volume(self._injection))
        for volume in volumes:
            if self._pod.volume(text(volume, "name")) is None:
                self._patch.append(("spec", "volumes"), volume, found=self._pod.spec.get("volumes"))

    def _add_agent(self) -> None:
        present = {(one.within, one.name) for one in self._pod.ours}
        injection, wishes, user, spec = self._injection, self._wishes, self._user, self._pod.spec
        if self._mode is Mode.SIDECAR:
            if ("initContainers", AGENT_CONTAINER) not in present:
                self._insert_first(containers.native_sidecar(injection, wishes, user))
            return
        is_restarted = self._pod.restart_policy != "Never"
        if ("initContainers", FIRST_CONTAINER) not in present:
            self._insert_first(containers.first_container(injection, wishes, user, is_restarted=is_restarted))
        if self._pod.restart_policy != "Always":
            self._warnings.append(
                "this cluster has no native sidecars: a pod that ends has no agent beside it, and its certificate is not renewed"
            )
        elif ("containers", AGENT_CONTAINER) not in present:
            agent = self._within_request(containers.plain_sidecar(injection, wishes, user))
            self._patch.append(("spec", "containers"), agent, found=spec.get("containers"))

    def _insert_first(self, container: JsonObject) -> None:
        found = self._pod.spec.get("initContainers")
        self._patch.insert_first(("spec", "initContainers"), self._within_request(container), found=found)
        self._inserted += 1

    def _within_request(self, container: JsonObject) -> JsonObject:
        """What the pod requests as a whole, the API server wants to be as much as its containers request (KEP-2837)."""
        resources, whole = mapping(container, "resources"), mapping(self._pod.spec, "resources", "requests")
        requests: JsonObject = {
            name: "0" if name in whole else amount for name, amount in mapping(resources, "requests").items()
        }
        return {**container, "resources": {**resources, "requests": requests}}

    def _mount(self, container: Container) -> None:
        if _has_identity(container):
            return
        index = container.index + (self._inserted if container.within == "initContainers" else 0)
        path = ("spec", container.within, index, "volumeMounts")
        mount = containers.identity_mount(self._wishes.directory)
        self._patch.append(path, mount, found=container.document.get("volumeMounts"))

    def _let_read(self, users: list[Container]) -> None:
        decision = key_readers(self._pod, users, agent_user=self._user, wishes=self._wishes, injection=self._injection)
        for name, value in decision.security_context.items():
            self._patch.put(("spec", "securityContext"), name, value)
        self._warnings += decision.warnings

    def _warn_of_unknown_annotations(self) -> None:
        unknown = sorted(unknown_annotations(self._pod.annotations))
        self._warnings += [f"{name[:_LONGEST_WARNING]}: no such annotation" for name in unknown[:_MOST_UNKNOWN_SHOWN]]

    def _set_status(self) -> None:
        status = f"{STATUS_PREFIX}{self._mode}"
        if self._pod.annotations.get(INJECTED_ANNOTATION) != status:
            self._patch.put(("metadata", "annotations"), INJECTED_ANNOTATION, status)

    def _fault(self, reason: str, field: str, message: str) -> None:
        self._faults.append(Fault(reason=reason, field=field, message=message))


def _has_identity(container: Container) -> bool:
    return any(mount.get("name") == IDENTITY_VOLUME for mount in container.mounts)


def _path_of(mount: JsonObject) -> str:
    return posixpath.normpath(text(mount, "mountPath"))
