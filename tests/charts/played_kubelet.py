"""Plays a kubelet where there is none: runs the containers of a pod as processes, as the pod says.

- Everything in the pod counts, but for what only a node has: paths lead below a directory of ours, names of Services to ports of
  loopback, and where a container mounts its token for the API server it is given a kubeconfig with that token.
- A volume is filled when a container that mounts it starts, as a kubelet does it; what it waits for, is waited for.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.kubernetes.child_process import ChildProcess
from tests.servers.kubernetes.control_plane import ControlPlane

NODE = "played-node"
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_PROBE_SECONDS = 30


@dataclass(slots=True, kw_only=True)
class PlayedPod:
    """`document` is the pod as the cluster has it. `hosts` leads from HOST:PORT to what is listened on instead."""

    cluster: ControlPlane
    document: dict[str, Any]
    directory: Path
    hosts: Mapping[str, str]
    running: list[ChildProcess] = field(default_factory=list)

    @classmethod
    def of_workload(
        cls, cluster: ControlPlane, workload: Mapping[str, Any], directory: Path, hosts: Mapping[str, str]
    ) -> "PlayedPod":
        """Creates the pod that the controller of the workload would create, on our node."""
        template, metadata = workload["spec"]["template"], workload["metadata"]
        claims = [
            {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": f"data-{metadata['name']}-0"}}
            for claim in workload["spec"].get("volumeClaimTemplates", [])
        ]
        spec = {**template["spec"], "nodeName": NODE, "volumes": template["spec"]["volumes"] + claims}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": f"{metadata['name']}-0", "namespace": metadata["namespace"]},
            "spec": spec,
        }
        created = cluster.kubectl("create", "-f", "-", "--output=json", document=pod).stdout
        directory.mkdir(parents=True)
        return cls(cluster=cluster, document=json.loads(created), directory=directory, hosts=hosts)

    def start(
        self, container: str, *, variables: Mapping[str, str] | None = None, arguments: tuple[str, ...] = ()
    ) -> ChildProcess:
        """`variables` and `arguments` are added: for what a container finds without being told, at the places of a node."""
        found = self._container(container)
        paths = self._fill(found)
        given = {each["name"]: self._here(each["value"], paths) for each in found.get("env", [])}
        given |= {"HOME": str(self.directory), **(variables or {})}
        command = [*(sys.executable, "-m", "cli.main"), *(self._here(each, paths) for each in found["args"])]
        child = ChildProcess(
            name=f"{self.document['metadata']['name']}-{container}",
            command=["/usr/bin/env", *(f"{name}={text}" for name, text in given.items()), *command, *arguments],
            directory=self.directory,
        )
        child.start()
        self.running.append(child)
        return child

    def path(self, container: str, inside: str) -> Path:
        """Where a path of a container is."""
        return Path(self._here(inside, self._fill(self._container(container))))

    def kubeconfig(self) -> Path:
        """Of the token that the pod mounts for the API server."""
        return self.cluster.kubeconfig_for_token(self._token({"path": "token"}))

    def run_probe(self, container: str, name: str, *arguments: str) -> bool:
        command = self._container(container)[name]["exec"]["command"]
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *command[1:], *arguments],
            env={"PATH": os.defpath, "HOME": str(self.directory)},
            cwd=self.directory,
            capture_output=True,
            check=False,
            timeout=_PROBE_SECONDS,
        )
        return done.returncode == 0

    def end(self) -> None:
        for child in self.running:
            child.kill()

    def _container(self, name: str) -> dict[str, Any]:
        spec = self.document["spec"]
        return next(each for each in spec["containers"] + spec.get("initContainers", []) if each["name"] == name)

    def _here(self, text: str, paths: Mapping[str, Path]) -> str:
        for outer, inner in self.hosts.items():
            text = text.replace(outer, inner)
        outside = "|".join(map(re.escape, sorted(paths, key=len, reverse=True)))
        return re.sub(rf"({outside})(?=/|,|$)", lambda found: str(paths[found[1]]), text) if paths else text

    def _fill(self, container: Mapping[str, Any]) -> dict[str, Path]:
        """The directories of what a container mounts."""
        volumes = {each["name"]: each for each in self.document["spec"]["volumes"]}
        return {
            mount["mountPath"]: self._volume(volumes[mount["name"]])
            for mount in container["volumeMounts"]
            if mount["mountPath"] != _TOKEN_PATH
        }

    def _volume(self, volume: Mapping[str, Any]) -> Path:
        directory = self.directory / volume["name"]
        directory.mkdir(exist_ok=True)
        for source in volume.get("projected", {}).get("sources", [volume]):
            for name, content in self._files(source).items():
                (directory / name).write_bytes(content)
        return directory

    def _files(self, source: Mapping[str, Any]) -> dict[str, bytes]:
        match source:
            case {"serviceAccountToken": token}:
                return {token["path"]: self._token(token).encode()}
            case {"configMap": {"name": name}}:
                return {key: text.encode() for key, text in self._data("configmap", name).items()}
            case {"secret": secret}:
                data = self._data("secret", secret.get("name") or secret["secretName"])
                return {item["path"]: base64.b64decode(data[item["key"]]) for item in secret["items"]}
            case _:
                return {}

    def _data(self, kind: str, name: str) -> dict[str, str]:
        arguments = ("get", kind, name, f"--namespace={self.document['metadata']['namespace']}", "--output=json")
        self.cluster.wait_until(
            lambda: self.cluster.kubectl(*arguments, check=False).returncode == 0, f"{kind} {name} is there", seconds=60
        )
        return dict(json.loads(self.cluster.kubectl(*arguments).stdout)["data"])

    def _token(self, source: Mapping[str, Any]) -> str:
        metadata, spec = self.document["metadata"], self.document["spec"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        asked = {"boundObjectRef": bound, "expirationSeconds": 3600}
        if "audience" in source:
            asked["audiences"] = [source["audience"]]
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{spec['serviceAccountName']}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": asked}
        answer = self.cluster.admin.create(path, request)
        assert answer.status == 201, answer.octets
        return str(answer.document["status"]["token"])
