"""Containers of real images, each with a root file system of its own upon that of the image, by runc.

- All of them are in one enclosure, which ends with the tests; so do they.
- Pods are in one network, where each has its own address, and Services have theirs; it leads to nobody else. Their /etc/hosts have
  `localhost` and the names of Services.
- Not played: limits, user namespaces, AppArmor, and what `oci` and `security` say.
"""

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.image import BuiltImage
from tests.servers.kubernetes.node.access import JsonObject
from tests.servers.kubernetes.node.addresses import OwnAddresses
from tests.servers.kubernetes.node.enclosure import Enclosure
from tests.servers.kubernetes.node.environment import Image
from tests.servers.kubernetes.node.node import Node
from tests.servers.kubernetes.node.oci import Bind, config
from tests.servers.kubernetes.node.ownership import KubeletOwnership
from tests.servers.kubernetes.node.runtime import Process
from tests.servers.kubernetes.node.seccomp import PROFILE
from tests.servers.kubernetes.node.security import Security

_START = """
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root" &&
exec runc --root "$3" run --bundle "$1" "$4"
"""
_TRIAL = ("unshare", "--pid", "--mount", "--net", "--fork", "true")
_KILL_SECONDS = 10.0
_TICK_SECONDS = 0.05


def why_not() -> str:
    """What containers do not run for here, or nothing."""
    missing = [program for program in ("runc", "nsenter", "unshare", "setpriv", "ip") if not shutil.which(program)]
    if not PROFILE.exists():
        missing.append(str(PROFILE))
    if not missing and subprocess.run(_TRIAL, capture_output=True, check=False, timeout=60).returncode:
        missing.append("right to make namespaces")
    return f"no {', no '.join(missing)}" if missing else ""


def node_of_containers(directory: Path, images: Mapping[str, BuiltImage]) -> Node:
    addresses = OwnAddresses()
    return Node(
        directory=directory,
        images={name: Image.of_built(image) for name, image in images.items()},
        addresses=addresses,
        runtime=Runc(directory=directory, images=images, prefix=f"chancery-test-{addresses.part}"),
    )


@dataclass(slots=True, kw_only=True)
class Runc:
    """`images` are known to pods by these names; `prefix` tells containers of one node from another's."""

    directory: Path
    images: Mapping[str, BuiltImage]
    prefix: str
    enclosure: Enclosure = field(init=False)
    _hosts: dict[str, str] = field(default_factory=dict)
    _hosts_files: dict[Path, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _namespaces: dict[Path, str] = field(default_factory=dict)
    _holders: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.enclosure = Enclosure(directory=self.directory / "containers")

    def start(self) -> None:
        self.enclosure.start()

    def end(self) -> None:
        self.enclosure.end()
        for holder in self._holders:
            holder.wait(_KILL_SECONDS)

    def container(self, said: JsonObject, pod: JsonObject, *, directory: Path, address: str) -> "RuncContainer":
        hosts = directory / "hosts"
        self._hosts_files[hosts] = address
        return RuncContainer(runtime=self, said=said, pod=pod, directory=directory)

    def ownership(self, pod: JsonObject) -> KubeletOwnership:
        return KubeletOwnership.of(pod, mount_memory=self._mount_memory, seen=self.enclosure.seen)

    def socket(self) -> socket.socket:
        return self.enclosure.socket()

    def names_changed(self, hosts: Mapping[str, str]) -> None:
        self._hosts = dict(hosts)
        for file in list(self._hosts_files):
            if file.exists():
                self.write_hosts(file)

    def write_hosts(self, file: Path) -> None:
        """In place: it is mounted already."""
        lines = [f"{self._hosts_files[file]} localhost", *(f"{at} {name}" for name, at in self._hosts.items())]
        with file.open("r+" if file.exists() else "w") as opened:
            opened.write("".join(f"{line}\n" for line in lines))
            opened.truncate()

    def new_name(self) -> str:
        return f"{self.prefix}-{next(self._numbers)}"

    def process_namespace(self, pod: Path) -> str:
        """That of a pod whose containers share one, by the pod's directory; it stays until the end."""
        with self._lock:
            if pod not in self._namespaces:
                place = self.enclosure.directory / f"processes-{len(self._namespaces)}"
                self.enclosure.seen(place).touch()
                command = self.enclosure.command("unshare", f"--pid={place}", "--fork", "sleep", "infinity")
                self._holders.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
                deadline = time.monotonic() + _KILL_SECONDS
                while self.enclosure.run("mountpoint", "--quiet", str(place)).returncode:
                    assert time.monotonic() < deadline, "no PID namespace can be had"
                self._namespaces[pod] = str(place)
            return self._namespaces[pod]

    def names(self) -> list[str]:
        """Of containers that are there."""
        done = subprocess.run(self.runc("list", "--quiet"), capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.split()

    def runc(self, *words: str) -> list[str]:
        return self.enclosure.command("runc", "--root", str(self.enclosure.directory / "runc"), *words)

    def _mount_memory(self, directory: Path, size: str) -> None:
        options = [f"size={octets(size)}"] if size else []
        done = self.enclosure.run("mount", "-t", "tmpfs", "-o", ",".join(["rw", *options]), "tmpfs", str(directory))
        assert done.returncode == 0, done.stderr


@dataclass(slots=True, kw_only=True)
class RuncContainer:
    runtime: Runc
    said: JsonObject
    pod: JsonObject
    directory: Path
    _name: str = ""

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str], mounts: Mapping[str, str], log: Path
    ) -> Process:
        runtime, image = self.runtime, self.runtime.images[self.said["image"]]
        security = Security.of(self.said, self.pod, image_user=image.config.get("User", ""))
        self._name = name = runtime.new_name()
        bundle = runtime.enclosure.directory / name
        for part in ("root", "upper", "work"):
            runtime.enclosure.seen(bundle / part).mkdir(parents=True)
        document = config(
            command=command,
            environment=environment,
            working_directory=self.said.get("workingDir") or image.config.get("WorkingDir") or "/",
            host_name=self.pod["metadata"]["name"],
            root=str(bundle / "root"),
            security=security,
            binds=[*self._files_of_etc(), self._last_words(name), *self._binds(mounts)],
            process_namespace=runtime.process_namespace(self.directory) if self._shares_processes else "",
            cgroup=f"/{name}",
        )
        runtime.enclosure.seen(bundle / "config.json").write_text(json.dumps(document))
        places = (str(bundle), str(image.root), str(runtime.enclosure.directory / "runc"), name)
        with log.open("ab") as output:
            started = subprocess.Popen(
                runtime.enclosure.command("sh", "-c", _START, "sh", *places),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return RuncProcess(started=started, runtime=runtime, name=name)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float, *, user: int | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        """With the environment that the container has; as its user, or as one without its groups."""
        asked = ["exec", self._name, *command]
        if user is not None:
            bundle = self.runtime.enclosure.directory / self._name
            process = json.loads(self.runtime.enclosure.seen(bundle / "config.json").read_text())["process"]
            other = {**process, "args": list(command), "user": {"uid": user, "gid": user}}
            self.runtime.enclosure.seen(bundle / "process.json").write_text(json.dumps(other))
            asked = ["exec", "--process", str(bundle / "process.json"), self._name]
        return subprocess.run(
            self.runtime.runc(*asked),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )

    def _files_of_etc(self) -> list[Bind]:
        hosts, resolver = self.directory / "hosts", self.directory / "resolv.conf"
        self.runtime.write_hosts(hosts)
        resolver.touch()
        return [Bind(destination=f"/etc/{path.name}", source=str(path)) for path in (hosts, resolver)]

    @property
    def _shares_processes(self) -> bool:
        return self.pod["spec"].get("shareProcessNamespace") is True

    def _last_words(self, name: str) -> Bind:
        """A file for each start of the container, at a path as a kubelet has it."""
        file = self.directory / "containers" / str(self.said["name"]) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        file.chmod(0o666)
        path = self.said.get("terminationMessagePath", "/dev/termination-log")
        return Bind(destination=path, source=str(file))

    def _binds(self, mounts: Mapping[str, str]) -> list[Bind]:
        read_only = {
            each["mountPath"].rstrip("/"): bool(each.get("readOnly")) for each in self.said.get("volumeMounts", [])
        }
        return [
            Bind(destination=destination, source=source, read_only=read_only[destination])
            for destination, source in sorted(mounts.items(), key=lambda mount: mount[0].count("/"))
        ]


@dataclass(slots=True, kw_only=True)
class RuncProcess:
    """`started` is runc, which ends with the container, and as that did."""

    started: "subprocess.Popen[bytes]"
    runtime: Runc
    name: str

    @property
    def pid(self) -> int:
        return self.started.pid

    def poll(self) -> int | None:
        return self.started.poll()

    def wait(self, timeout: float | None = None) -> int:
        return self.started.wait(timeout)

    def terminate(self) -> None:
        self._signal("TERM")

    def kill(self) -> None:
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        """Perhaps it is not there yet."""
        deadline = time.monotonic() + _KILL_SECONDS
        while self.poll() is None and time.monotonic() < deadline:
            done = subprocess.run(self.runtime.runc("kill", self.name, name), check=False, capture_output=True)
            if done.returncode == 0:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.started.wait(_TICK_SECONDS)


_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def octets(quantity: str) -> int:
    """Of a resource.Quantity that counts octets."""
    digits = quantity.rstrip("kKMGi")
    return int(float(digits) * _UNITS[quantity[len(digits) :]])
