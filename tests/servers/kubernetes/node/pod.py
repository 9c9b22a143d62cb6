"""One pod of a node, from being bound until nothing of it is left: volumes, containers in their order, status.

- Init containers run one after the other; those with `restartPolicy: Always` go on beside the rest once they have started, and
  end last.
- On deletion every container gets SIGTERM, after the grace period SIGKILL; then the pod is removed from the API
  server.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from tests.servers.kubernetes.node.access import JsonObject, NodeAccess, NotThereYet
from tests.servers.kubernetes.node.environment import Image, environment_of
from tests.servers.kubernetes.node.running import RunningContainer
from tests.servers.kubernetes.node.runtime import Runtime
from tests.servers.kubernetes.node.volumes import Volumes

_TICK_SECONDS = 0.1
_SYNC_SECONDS = 2.0
"""How often volumes are looked at; a kubelet's minute."""


@dataclass(slots=True, kw_only=True)
class Pod:
    document: JsonObject
    access: NodeAccess
    images: Mapping[str, Image]
    volumes: Volumes
    address: str
    """As the cluster knows it."""
    listens_at: str
    directory: Path
    runtime: Runtime
    api_server: str
    containers: dict[str, RunningContainer] = field(default_factory=dict)
    waits_for: str = ""
    is_gone: bool = False
    _deleted: threading.Event = field(default_factory=threading.Event)
    _grace: float = 30.0
    _reported: JsonObject | None = None
    _started_at: str = ""
    _ready_since: dict[str, tuple[str, str]] = field(default_factory=dict)
    _is_being_deleted: bool = False

    def start(self) -> None:
        self.directory.mkdir(parents=True)
        self._started_at = _now()
        threading.Thread(target=self._run, daemon=True, name=f"pod {self.document['metadata']['name']}").start()

    def delete(self, grace: float) -> None:
        self._grace = grace
        self._deleted.set()

    def logs(self) -> str:
        return "\n".join(
            f"--- {self.document['metadata']['name']} {each.name}: pid {each.pid}, restarts {each.restart_count}, "
            f"{each.waits_for} ---\n"
            + (each.log.read_bytes()[-6000:].decode(errors="replace") if each.log.exists() else "")
            for each in self.containers.values()
        )

    def _run(self) -> None:
        self._make_containers()
        synced_at = time.monotonic()
        for _ in itertools.chain(self._bringing_up(), self._running()):
            if time.monotonic() > synced_at + _SYNC_SECONDS:
                synced_at = time.monotonic()
                self._fill()
            self._report()
            if self._deleted.wait(_TICK_SECONDS):
                break
        self._take_down()
        self._report()
        self._deleted.wait()
        self._remove()

    def _make_containers(self) -> None:
        spec = self.document["spec"]
        policy = spec.get("restartPolicy", "Always")
        for each in spec.get("initContainers", []):
            restarts = each.get("restartPolicy") == "Always"
            self._add(each, restarts=restarts, tries_once=policy == "Never" and not restarts)
        for each in spec["containers"]:
            self._add(each, restarts=policy == "Always", tries_once=policy == "Never")

    def _add(self, said: JsonObject, *, restarts: bool, tries_once: bool) -> None:
        def prepare() -> tuple[list[str], dict[str, str], dict[str, str]]:
            image = self.images[said["image"]]
            environment = environment_of(
                said, self.document, image, self.access, address=self.listens_at, api_server=self.api_server
            )
            return image.command_of(said, environment), environment, self.volumes.mounts(said)

        self.containers[said["name"]] = RunningContainer(
            said=said,
            container=self.runtime.container(said, self.document, directory=self.directory, address=self.listens_at),
            directory=self.directory,
            address=self.listens_at,
            prepare=prepare,
            make_socket=self.runtime.socket,
            restarts=restarts,
            tries_once=tries_once,
        )

    def _bringing_up(self) -> Iterator[None]:
        while not self._fill():
            yield
        for each in self._named("initContainers"):
            each.start()
            while not (each.is_started if each.restarts else each.has_ended):
                yield
            if each.exit_status:
                return
        for each in self._named("containers"):
            each.start()
            yield

    def _running(self) -> Iterator[None]:
        while not self._has_ended():
            yield

    def _fill(self) -> bool:
        try:
            self.volumes.fill()
        except (NotThereYet, urllib3.exceptions.HTTPError) as err:
            self.waits_for = str(err)
            return False
        self.waits_for = ""
        return True

    def _has_ended(self) -> bool:
        ended = [each.has_ended for each in self._named("containers")]
        return all(ended) or any(each.exit_status for each in self._named("initContainers"))

    def _take_down(self) -> None:
        deadline = time.monotonic() + self._grace
        running = [each for each in self._named("containers") if each.pid]
        for each in running:
            each.stop(self._grace)
        for each in running:
            each.join()
        for each in reversed([each for each in self._named("initContainers") if each.pid]):
            each.stop(max(deadline - time.monotonic(), 2.0))
            each.join()
        for each in self.containers.values():
            each.stop(0)

    def _remove(self) -> None:
        while not self.is_gone:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                self.access.remove(self.document)
                self.is_gone = True
            time.sleep(_TICK_SECONDS)
        self.volumes.remove()

    def _named(self, kind: str) -> list[RunningContainer]:
        return [self.containers[each["name"]] for each in self.document["spec"].get(kind, [])]

    def _phase(self) -> str:
        mains = self._named("containers")
        if any(each.exit_status for each in self._named("initContainers") if not each.restarts):
            return "Failed"
        if mains and all(each.has_ended and each.exit_status is not None for each in mains):
            return "Failed" if any(each.exit_status for each in mains) else "Succeeded"
        return "Running" if any(each.pid for each in mains) else "Pending"

    def _report(self) -> None:
        initialized = any(each.pid for each in self._named("containers"))
        ready = initialized and all(each.is_ready or not each.restarts for each in self.containers.values())
        ready = ready and self._phase() == "Running"
        conditions = {"PodScheduled": True, "Initialized": initialized, "ContainersReady": ready, "Ready": ready}
        status = {
            "phase": self._phase(),
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "hostIP": "10.1.0.1",
            "startTime": self._started_at,
            "conditions": [self._condition(kind, holds) for kind, holds in conditions.items()],
            "initContainerStatuses": [_status_of(each) for each in self._named("initContainers")],
            "containerStatuses": [_status_of(each) for each in self._named("containers")],
        }
        if status != self._reported:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                self.access.report(self.document, status)
                self._reported = status

    def _condition(self, kind: str, holds: bool) -> dict[str, str]:
        status = str(holds)
        if self._ready_since.get(kind, ("", ""))[0] != status:
            self._ready_since[kind] = (status, _now())
        return {"type": kind, "status": status, "lastTransitionTime": self._ready_since[kind][1]}


def _status_of(container: RunningContainer) -> dict[str, Any]:
    state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating", "message": container.waits_for}}
    if container.exit_status is not None:
        state = {"terminated": {"exitCode": abs(container.exit_status)}}
    elif container.pid:
        state = {"running": {}}
    image = container.said["image"]
    last = container.last_end if container.restart_count else None
    return {
        "name": container.name,
        "image": image,
        "imageID": image,
        "ready": container.is_ready,
        "started": container.is_started,
        "restartCount": container.restart_count,
        "state": state,
        "lastState": {"terminated": {"exitCode": last[0], "reason": "Error", "message": last[1]}} if last else {},
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
