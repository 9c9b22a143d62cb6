"""A pod of an AdmissionReview, read as it came: with the fields that nobody here knows, and checked only where it is used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kube.admission.errors import Fault, InjectionRefused
from kube.admission.names import AGENT_CONTAINER, FIRST_CONTAINER
from kube.documents import JsonObject, JsonValue, mapping, sequence, text

ContainerList: TypeAlias = Literal["initContainers", "containers"]
LISTS: tuple[ContainerList, ContainerList] = ("initContainers", "containers")
OUR_CONTAINERS = frozenset({AGENT_CONTAINER, FIRST_CONTAINER})

MOST_CONTAINERS = 250
MOST_VOLUMES = 1000
"""Of a pod, and mounts of a container. A kubelet runs far fewer, and all pods wait while one of them is looked at."""

_HARMLESS_VOLUMES = frozenset({"emptyDir", "configMap", "secret", "projected", "downwardAPI", "hostPath", "image"})
"""Those whose files no fsGroup can give to another group for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """`index` is its place in `within`, before anything was inserted."""

    within: ContainerList
    index: int
    document: JsonObject

    @property
    def name(self) -> str:
        return text(self.document, "name")

    @property
    def mounts(self) -> Sequence[JsonObject]:
        return [mount for mount in sequence(self.document, "volumeMounts") if isinstance(mount, dict)]

    @property
    def run_as_user(self) -> int | None:
        return _user(self.document)


class Pod:
    def __init__(self, document: JsonObject) -> None:
        """Raises InjectionRefused for what cannot be a pod at all."""
        self.document = document
        _verify_forms(document)
        self.containers = tuple(one for one in _containers(document) if one.name not in OUR_CONTAINERS)
        self.ours = tuple(one for one in _containers(document) if one.name in OUR_CONTAINERS)

    @property
    def annotations(self) -> JsonObject:
        return mapping(self.document, "metadata", "annotations")

    @property
    def labels(self) -> JsonObject:
        return mapping(self.document, "metadata", "labels")

    @property
    def spec(self) -> JsonObject:
        return mapping(self.document, "spec")

    @property
    def restart_policy(self) -> str:
        return text(self.spec, "restartPolicy") or "Always"

    @property
    def fs_group(self) -> JsonValue:
        return mapping(self.spec, "securityContext").get("fsGroup")

    @property
    def keeps_files(self) -> bool:
        """Whether it has volumes whose files are there before and after it."""
        volumes = [volume for volume in sequence(self.spec, "volumes") if isinstance(volume, dict)]
        return any(set(volume) - {"name"} - _HARMLESS_VOLUMES for volume in volumes)

    def volume(self, name: str) -> JsonObject | None:
        volumes = (volume for volume in sequence(self.spec, "volumes") if isinstance(volume, dict))
        return next((volume for volume in volumes if volume.get("name") == name), None)

    def user_of(self, container: Container) -> int | None:
        """Its user; None where the image decides."""
        own = container.run_as_user
        return own if own is not None else _user(self.spec)

    def agent_user(self, otherwise: int | None) -> int | None:
        """The user that all containers have, else the pod's or the first container's: a kubelet gives projected files to one
        user only where all containers have the same, and to everybody otherwise."""
        users = {self.user_of(container) for container in self.containers}
        if len(users) == 1 and None not in users:
            return users.pop()
        first = next((container for container in self.containers if container.within == "containers"), None)
        candidates = (_user(self.spec), first.run_as_user if first is not None else None)
        return next((user for user in candidates if user is not None), otherwise)


def _containers(document: JsonObject) -> Iterator[Container]:
    for within in LISTS:
        for index, container in enumerate(sequence(document, "spec", within)):
            if isinstance(container, dict):
                yield Container(within=within, index=index, document=container)


def _user(document: JsonObject) -> int | None:
    user = mapping(document, "securityContext").get("runAsUser")
    return user if isinstance(user, int) and not isinstance(user, bool) else None


_OBJECTS: Sequence[tuple[str, ...]] = (
    ("metadata",),
    ("metadata", "annotations"),
    ("metadata", "labels"),
    ("spec",),
    ("spec", "securityContext"),
)
_LISTS: Sequence[tuple[str, ...]] = (("spec", "volumes"), ("spec", "initContainers"), ("spec", "containers"))


def _verify_forms(document: JsonObject) -> None:
    """What a patch is going to touch must be what it is taken for. Raises InjectionRefused."""
    wrong: list[tuple[str, ...]] = [path for path in _OBJECTS if not _is_form(document, path, dict)]
    wrong += [path for path in _LISTS if not _is_form(document, path, list)]
    _verify_lengths(document)
    wrong += [
        ("spec", one.within, str(one.index), "volumeMounts")
        for one in _containers(document)
        if not _is_form(one.document, ("volumeMounts",), list)
    ]
    if wrong or not isinstance(document.get("spec"), dict):
        field = ".".join(wrong[0] if wrong else ("spec",))
        raise InjectionRefused(
            [Fault(reason="POD_MALFORMED", field=field, message=f"{field} is not what a pod has there")]
        )


def _verify_lengths(document: JsonObject) -> None:
    """Before anything is done for each. Raises InjectionRefused."""
    lengths = [
        (f"spec.{name}", len(sequence(document, "spec", name)), most)
        for name, most in (*((within, MOST_CONTAINERS) for within in LISTS), ("volumes", MOST_VOLUMES))
    ]
    if all(length <= most for _, length, most in lengths):
        lengths += [
            (f"spec.{one.within}[{one.index}].volumeMounts", len(sequence(one.document, "volumeMounts")), MOST_VOLUMES)
            for one in _containers(document)
        ]
    faults = [
        Fault(reason="TOO_LARGE", field=field, message=f"{field} has {length} entries, and {most} are looked at here")
        for field, length, most in lengths
        if length > most
    ]
    if faults:
        raise InjectionRefused(faults)


def _is_form(document: JsonObject, path: Sequence[str], form: type) -> bool:
    found: JsonValue = mapping(document, *path[:-1]).get(path[-1])
    return found is None or isinstance(found, form)
