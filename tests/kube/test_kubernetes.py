"""Controllers on a real API server that is restarted, whose etcd is killed, and whose leader is killed between two writes."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kube.cluster import Cluster, PatchKind
from kube.collections import Resource
from kube.controllers import Controller, Key, Watch
from kube.documents import JsonObject, texts
from kube.election import LeaseName, LeaseTiming
from kube.errors import AlreadyThere, Conflict, Forbidden, NotLeading, NotThere, Refused
from kube.events import EventType
from kube.leadership import Leadership
from kube.process import Ambient, ControllerProcess, Parts, Tuning
from kube.settings import ControllerSettings
from tests.kube.ambient import Time, await_until, no_entropy, real_clock
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

MAPS = Resource(version="v1", plural="configmaps")
BUNDLES = Resource(group="none.chancery.dev", version="v1", plural="bundles", namespaced=False)
QUICK = Tuning(lease=LeaseTiming(duration=6.0, renew_deadline=4.0, retry_period=0.5))
REPOSITORY = Path(__file__).parents[2]
CANDIDATE = Path(__file__).with_name("candidate.py")
RULES = (
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch", "create"]},
)


@dataclass
class Copier:
    """Keeps a copy of each ConfigMap that is labelled so."""

    parts: Parts
    namespace: str
    name: str = "copier"

    def watches(self) -> Sequence[Watch]:
        return [
            Watch(resource=MAPS, query={"labelSelector": f"test={self.namespace}"}, projection=project),
            Watch(resource=BUNDLES),
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        watch = self.watches()[0]
        collection = self.parts.collections.of(watch.resource, query=watch.query, projection=watch.projection)
        one = collection.get(key.namespace, key.name)
        if one is not None:
            document = {"metadata": {"name": f"{key.name}-copy"}, "data": texts(one, "data")}
            try:
                self.parts.cluster.create(MAPS.path(key.namespace), document)
            except AlreadyThere:
                return None
            self.parts.events.record(one, EventType.NORMAL, "Copied", "made a copy")
        return None


def project(one: JsonObject) -> JsonObject:
    return {"data": texts(one, "data")}


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    name = f"kube-{uuid.uuid4().hex[:8]}"
    assert control_plane.admin.create("/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    return name


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    opened = Cluster.open(control_plane.admin_kubeconfig)
    yield opened
    opened.close()


Start = Callable[..., ControllerProcess]


@pytest.fixture
def start(namespace: str) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(kubeconfig: Path) -> ControllerProcess:
            cluster = Cluster.open(kubeconfig)

            def make(parts: Parts) -> Sequence[Controller]:
                return [Copier(parts, namespace)]

            process = ControllerProcess(
                ControllerSettings.from_mapping({"namespace": namespace}),
                cluster=cluster,
                authority=None,
                make=make,
                ambient=Ambient(
                    clock=real_clock,
                    monotonic=time.monotonic,
                    boottime=time.monotonic,
                    entropy=os.urandom,
                    instance="process",
                ),
                tuning=QUICK,
            )
            stack.callback(cluster.close)
            stack.callback(process.stop)
            process.start()
            return process

        yield begin


def make_map(control_plane: ControlPlane, namespace: str, name: str) -> None:
    document = {"metadata": {"name": name, "labels": {"test": namespace}}, "data": {"of": name}}
    assert control_plane.admin.create(MAPS.path(namespace), document).status == 201


def has_copy(control_plane: ControlPlane, namespace: str, name: str) -> Any:
    return control_plane.admin.get(MAPS.path(namespace, f"{name}-copy")).status == 200


def test_real_server_says_what_the_errors_say(cluster: Cluster, namespace: str, control_plane: ControlPlane):
    path = MAPS.path(namespace)
    made = cluster.create(path, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    cluster.patch(f"{path}/one", {"data": {"b": "2"}}, kind=PatchKind.STRATEGIC)
    test = [{"op": "test", "path": "/data/a", "value": "2"}]

    with pytest.raises(AlreadyThere):
        cluster.create(path, {"metadata": {"name": "one"}})
    with pytest.raises(Conflict):
        cluster.replace(f"{path}/one", made)
    with pytest.raises(Refused, match="Invalid value"):
        cluster.create(path, {"metadata": {"name": "Not A Name"}})
    with pytest.raises(Refused):
        cluster.patch(f"{path}/one", test, kind=PatchKind.JSON)
    with pytest.raises(Conflict):
        cluster.delete(f"{path}/one", uid=str(uuid.uuid4()))
    with pytest.raises(Forbidden):
        Cluster.open(control_plane.kubeconfig_for_user("nobody")).get(path)
    cluster.delete(f"{path}/one", uid=made["metadata"]["uid"])
    with pytest.raises(NotThere):
        cluster.delete(f"{path}/one")


def test_process_has_enough_with_the_permissions_that_are_documented(
    control_plane: ControlPlane, namespace: str, start: Start
):
    """docs/controller.md names the verbs; lists of all namespaces want a ClusterRole."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    user = f"controller-{namespace}"
    role = {"metadata": {"name": user}, "rules": RULES}
    binding = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    assert control_plane.admin.create(f"{rbac}/clusterroles", role).status == 201
    assert control_plane.admin.create(f"{rbac}/clusterrolebindings", binding).status == 201
    make_map(control_plane, namespace, "one")
    process = start(control_plane.kubeconfig_for_user(user))
    control_plane.wait_until(lambda: has_copy(control_plane, namespace, "one"), "the copy")

    def events() -> Any:
        listed = control_plane.admin.get(f"/api/v1/namespaces/{namespace}/events").document
        return [(one["involvedObject"]["name"], one["reason"], one["type"]) for one in listed["items"]]

    control_plane.wait_until(lambda: events() == [("one", "Copied", "Normal")], "the Event")
    assert process.check_ready() == ""


def test_server_that_is_restarted_and_etcd_that_is_killed_are_survived(
    control_plane: ControlPlane, namespace: str, start: Start
):
    process = start(control_plane.admin_kubeconfig)
    make_map(control_plane, namespace, "first")
    control_plane.wait_until(lambda: has_copy(control_plane, namespace, "first"), "the first copy")
    control_plane.api_server.kill()
    control_plane.start_api_server()
    make_map(control_plane, namespace, "second")
    control_plane.wait_until(lambda: has_copy(control_plane, namespace, "second"), "the second copy", seconds=60)
    control_plane.etcd.kill()
    await_until(lambda: not process.leadership.is_leading, "the end of the term, without a word from anybody")
    control_plane.etcd.start()
    control_plane.wait_until(
        lambda: control_plane.admin.get(MAPS.path(namespace)).status == 200, "the server", seconds=60
    )
    make_map(control_plane, namespace, "third")
    control_plane.wait_until(lambda: has_copy(control_plane, namespace, "third"), "the third copy", seconds=60)


@pytest.mark.slow
def test_leader_that_is_killed_between_two_writes_is_followed_by_the_one_that_stands_by(
    control_plane: ControlPlane, namespace: str, cluster: Cluster
):
    def written(by: str) -> int:
        items = cluster.get(MAPS.path(namespace))["items"]
        return sum(1 for one in items if texts(one, "data").get("by") == by)

    def begin(identity: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, str(CANDIDATE), str(control_plane.admin_kubeconfig), namespace, identity],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )

    first = begin("first")
    second = None
    try:
        await_until(lambda: written("first") > 5, "writes of the first")
        second = begin("second")
        time.sleep(4)  # it has looked at the lease more than once
        assert written("second") == 0
        first.send_signal(signal.SIGKILL)
        first.wait(60)
        count = written("first")
        await_until(lambda: written("second") > 0, "a write of the second")

        assert written("first") == count
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait(60)


def test_of_two_leaders_the_one_whose_time_is_over_does_not_write(cluster: Cluster, namespace: str):
    clocks = Time()

    def candidate(identity: str) -> tuple[Leadership, Cluster]:
        leadership = Leadership(
            cluster,
            LeaseName(namespace=namespace, name="two"),
            identity=identity,
            begin=lambda _term: None,
            end=lambda: None,
            clock=clocks.clock,
            boottime=clocks.monotonic,
            entropy=no_entropy,
        )
        return leadership, cluster.fenced(leadership.permit)

    (first, firsts), (second, seconds) = candidate("first"), candidate("second")
    first.step()
    second.step()
    firsts.create(MAPS.path(namespace), {"metadata": {"name": "by-first"}})
    clocks.pass_by(15)
    second.step()  # the first one sleeps through this, and has heard of nothing

    with pytest.raises(NotLeading):
        firsts.create(MAPS.path(namespace), {"metadata": {"name": "too-late"}})
    seconds.create(MAPS.path(namespace), {"metadata": {"name": "by-second"}})
    first.step()
    with pytest.raises(NotLeading):
        firsts.create(MAPS.path(namespace), {"metadata": {"name": "too-late"}})
