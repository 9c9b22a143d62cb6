"""The volumes of one pod as directories, filled as a kubelet fills them.

- What is projected is replaced whole by the `..data` symlink, tokens before they end; an emptyDir lives as long as the pod, a claim
  as long as the node.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.kubernetes.node.access import JsonObject, NodeAccess, NotThere
from tests.servers.kubernetes.node.environment import field_of
from tests.servers.kubernetes.node.ownership import DEFAULT_MODE, Ownership, Unowned

_SHARE_OF_A_TOKEN = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    octets: bytes
    mode: int
    is_own: bool
    """Whether a kubelet keeps it for the pod's user."""


@dataclass(slots=True, kw_only=True)
class Volumes:
    """`directory` is the pod's own, `claims` the node's. `address` is the pod's, where it listens."""

    access: NodeAccess
    pod: JsonObject
    directory: Path
    claims: Path
    address: str
    ownership: Ownership = field(default_factory=Unowned)
    _contents: dict[str, dict[str, File]] = field(default_factory=dict)
    _tokens: dict[tuple[str, str, str], tuple[bytes, float]] = field(default_factory=dict)
    _claimed: set[str] = field(default_factory=set)
    _number: int = 0

    def fill(self) -> None:
        """All of them, or what has changed since. Raises NotThereYet."""
        for volume in self.pod["spec"].get("volumes", []):
            if "persistentVolumeClaim" in volume:
                if volume["name"] not in self._claimed:
                    self.ownership.make_claim(self._of(volume))
                    self._claimed.add(volume["name"])
            elif "emptyDir" in volume:
                self.ownership.make_empty(self._of(volume), volume["emptyDir"])
            else:
                self._publish(volume["name"], self._content(volume))

    def mounts(self, container: JsonObject) -> dict[str, str]:
        """From paths of the container to paths of the machine."""
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", [])}
        return {
            mount["mountPath"].rstrip("/"): str(self._of(volumes[mount["name"]]) / mount.get("subPath", ""))
            for mount in container.get("volumeMounts", [])
        }

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def _of(self, volume: Mapping[str, Any]) -> Path:
        if claim := volume.get("persistentVolumeClaim"):
            return self.claims / self.pod["metadata"]["namespace"] / str(claim["claimName"])
        return self.directory / str(volume["name"])

    def _content(self, volume: Mapping[str, Any]) -> dict[str, File]:
        content: dict[str, File] = {}
        for kind in ("projected", "configMap", "secret", "downwardAPI"):
            mode = volume.get(kind, {}).get("defaultMode", DEFAULT_MODE)
            for source in volume[kind].get("sources", [volume]) if kind in volume else ():
                is_own = not source.keys().isdisjoint({"serviceAccountToken", "clusterTrustBundle"})
                modes = {item["path"]: item.get("mode", mode) for item in _items(source)}
                for path, octets in self._of_source(source).items():
                    content[path] = File(octets=octets, mode=modes.get(path, mode), is_own=is_own)
        return content

    def _of_source(self, source: Mapping[str, Any]) -> dict[str, bytes]:
        match source:
            case {"serviceAccountToken": token}:
                return {token["path"]: self._token(token)}
            case {"clusterTrustBundle": bundle}:
                return {bundle["path"]: self.access.trust_bundle(bundle)}
            case {"downwardAPI": fields}:
                return {
                    item["path"]: field_of(self.pod, item["fieldRef"]["fieldPath"], self.address).encode()
                    for item in fields["items"]
                }
            case {"configMap": chosen}:
                return self._chosen("configmaps", chosen["name"], chosen)
            case {"secret": chosen}:
                return self._chosen("secrets", chosen.get("secretName") or chosen["name"], chosen)
        raise NotImplementedError(f"a volume of {', '.join(source)}")

    def _chosen(self, plural: str, name: str, source: Mapping[str, Any]) -> dict[str, bytes]:
        try:
            data = self.access.data(plural, self.pod["metadata"]["namespace"], name)
        except NotThere:
            if source.get("optional"):
                return {}
            raise
        if items := source.get("items"):
            return {item["path"]: data[item["key"]] for item in items}
        return data

    def _token(self, source: JsonObject) -> bytes:
        key = (source.get("audience", ""), source["path"], str(source.get("expirationSeconds")))
        token, renewed_at = self._tokens.get(key, (b"", 0.0))
        if time.monotonic() >= renewed_at:
            token, seconds = self.access.token(self.pod, source)
            self._tokens[key] = (token, time.monotonic() + _SHARE_OF_A_TOKEN * seconds)
        return token

    def _publish(self, name: str, content: dict[str, File]) -> None:
        if self._contents.get(name) == content:
            return
        directory = self.directory / name
        self._number += 1
        made = directory / f"..{self._number}"
        before = (directory / "..data").resolve() if (directory / "..data").exists() else None
        self.ownership.give_directory(directory)
        self.ownership.give_directory(made)
        for path, file in content.items():
            for parent in reversed(Path(path).parents[:-1]):
                self.ownership.give_directory(made / parent)
            (made / path).write_bytes(file.octets)
            self.ownership.give_file(made / path, file.mode, is_own=file.is_own)
        beside = directory / "..new"
        beside.symlink_to(made.name)
        beside.replace(directory / "..data")
        for path in content:
            top = directory / path.partition("/")[0]
            if not top.is_symlink():
                top.symlink_to(Path("..data") / top.name)
        if before:
            shutil.rmtree(before, ignore_errors=True)
        self._contents[name] = content


def _items(source: Mapping[str, Any]) -> list[JsonObject]:
    return [item for said in source.values() if isinstance(said, dict) for item in said.get("items", [])]
