"""The environment of a container, as its pod says and its image has it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.image import BuiltImage
from tests.servers.kubernetes.node.access import JsonObject, NodeAccess

_DOCKERFILE = Path(__file__).parents[4] / "Dockerfile"
_REFERENCE = re.compile(r"\$\((\w+)\)")
_EVERY_ADDRESS = {"0.0.0.0", "::"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    entry_point: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": os.defpath, "HOME": "/nonexistent"})

    @classmethod
    def of_dockerfile(cls) -> "Image":
        """Ours. Of its environment what is not about where things are installed."""
        text = _DOCKERFILE.read_text()
        instructions = {
            name: json.loads(said) for name, said in re.findall(r"^(ENTRYPOINT|CMD) (\[.*\])$", text, re.MULTILINE)
        }
        variables = dict(re.findall(r"\b(CHANCERY_\w+|PYTHON\w+)=(\S+)", text))
        return cls(
            entry_point=tuple(instructions["ENTRYPOINT"]),
            command=tuple(instructions["CMD"]),
            environment={"PATH": os.defpath, "HOME": "/nonexistent", **variables},
        )

    @classmethod
    def of_built(cls, image: BuiltImage) -> "Image":
        """The home of its user is the runtime's to say."""
        said = image.config
        return cls(
            entry_point=tuple(said.get("Entrypoint") or ()),
            command=tuple(said.get("Cmd") or ()),
            environment=image.environment,
        )

    @classmethod
    def of_program(cls, path: Path) -> "Image":
        """A Python program of a test."""
        return cls(entry_point=("python", str(path)))

    def command_of(self, container: JsonObject, environment: Mapping[str, str]) -> list[str]:
        """As Kubernetes puts it together from the container's `command` and `args`."""
        if command := container.get("command"):
            words = [*command, *container.get("args", [])]
        else:
            words = [*self.entry_point, *container.get("args", self.command)]
        return [_REFERENCE.sub(lambda found: environment.get(found[1], found[0]), word) for word in words]


def environment_of(
    container: JsonObject, pod: JsonObject, image: Image, access: NodeAccess, *, address: str, api_server: str
) -> dict[str, str]:
    """`address` is where the pod listens: also where it says that it listens everywhere. Raises NotThereYet."""
    host, port = api_server.removeprefix("https://").split(":")
    environment = {
        "HOSTNAME": pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
        **image.environment,
    }
    for variable in container.get("env", []):
        match variable.get("valueFrom", {}):
            case {"fieldRef": reference}:
                value = field_of(pod, reference["fieldPath"], address)
            case {"secretKeyRef": reference}:
                value = _from(access, "secrets", pod, reference)
            case {"configMapKeyRef": reference}:
                value = _from(access, "configmaps", pod, reference)
            case _:
                value = variable.get("value", "")
        value = _REFERENCE.sub(lambda found: environment.get(found[1], found[0]), value)
        environment[variable["name"]] = address if value in _EVERY_ADDRESS else value
    return environment


def field_of(pod: JsonObject, path: str, address: str) -> str:
    """A `fieldPath`. Addresses are those on loopback."""
    match path:
        case "status.podIP" | "status.podIPs":
            return address
        case "status.hostIP":
            return "127.0.0.1"
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    value = pod
    for name in path.split("."):
        value = value[name]
    return str(value)


def _from(access: NodeAccess, plural: str, pod: JsonObject, reference: JsonObject) -> str:
    return access.data(plural, pod["metadata"]["namespace"], reference["name"])[reference["key"]].decode()
