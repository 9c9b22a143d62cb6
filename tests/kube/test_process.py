"""A process of controllers against an API server in memory: what they are told, and when they may write."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest

from kube.collections import Resource
from kube.controllers import Controller, Key, Watch, itself
from kube.election import LeaseTiming
from kube.errors import ClusterUnreachable
from kube.events import EventType
from kube.process import Ambient, ControllerProcess, Parts, Tuning
from kube.reflector import Timing
from kube.settings import ControllerSettings
from kube.work_queue import Retries
from tests.kube.ambient import Time, await_until, no_entropy, real_clock
from tests.kube.api_server import FakeCluster, Fault
from tests.threads import join

MAPS = Resource(version="v1", plural="configmaps")
SECRETS = Resource(version="v1", plural="secrets")
SHOP = "/api/v1/namespaces/shop/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/chancery/leases/"
QUICK = Tuning(
    lease=LeaseTiming(duration=30.0, renew_deadline=20.0, retry_period=0.1),
    reflector=Timing(watch=(60, 60), backoff=(0.02, 0.1), look_again=0.1, shortest_watch=0.01),
    retries=Retries(shortest=0.02, longest=0.2),
)
FORGETFUL = replace(QUICK, lease=LeaseTiming(duration=3.0, renew_deadline=2.0, retry_period=0.1))


@dataclass
class Copier:
    """Keeps a copy of each ConfigMap that has no `of`."""

    parts: Parts
    fails: int = 0
    again: timedelta | None = None
    told: list[Key] = field(default_factory=list)
    seeded: Sequence[Key] = ()
    resource: Resource = MAPS
    name: str = "copier"

    def watches(self) -> Sequence[Watch]:
        return [Watch(resource=self.resource, keys=itself)]

    def seeds(self) -> Sequence[Key]:
        return self.seeded

    def reconcile(self, key: Key) -> timedelta | None:
        self.told.append(key)
        if self.fails:
            self.fails -= 1
            raise ClusterUnreachable("no")
        one = self.parts.collections.of(self.resource).get(key.namespace, key.name)
        if one is None or "of" in one.get("data", {}) or f"{key.name}-copy" in self.names():
            return self.again
        copy = {"metadata": {"name": f"{key.name}-copy", "namespace": key.namespace}, "data": {"of": key.name}}
        self.parts.cluster.create(self.resource.path(key.namespace), copy)
        self.parts.events.record(one, EventType.NORMAL, "Copied", "made a copy")
        return self.again

    def names(self) -> set[str]:
        return {one["metadata"]["name"] for one in self.parts.collections.of(self.resource).all()}


Start = Callable[..., tuple[ControllerProcess, Any]]


@pytest.fixture
def start(fake: FakeCluster) -> Iterator[Start]:
    fake.kinds |= {"coordination.k8s.io/v1/leases": "Lease", "v1/events": "Event"}
    with ExitStack() as stack:

        def begin(
            make: Callable[[Parts], Any] = Copier,
            *,
            instance: str = "first",
            others: Sequence[Any] = (),
            tuning: Tuning = QUICK,
            **clocks: Any,
        ) -> tuple[ControllerProcess, Any]:
            made: list[Controller] = []

            def controllers(parts: Parts) -> Sequence[Controller]:
                made.extend(each(parts) for each in (make, *others))
                return made

            cluster = fake.open()
            process = ControllerProcess(
                ControllerSettings.from_mapping({"namespace": "chancery"}),
                cluster=cluster,
                authority=None,
                make=controllers,
                ambient=Ambient(
                    **{"clock": real_clock, "monotonic": time.monotonic, "boottime": time.monotonic} | clocks,
                    entropy=no_entropy,
                    instance=instance,
                ),
                tuning=tuning,
            )
            stack.callback(cluster.close)
            stack.callback(process.stop)
            process.start()
            return process, made[0]

        yield begin


def test_what_is_there_and_what_comes_is_worked_on(fake: FakeCluster, start: Start):
    fake.put(f"{SHOP}/a")
    start()
    await_until(lambda: f"{SHOP}/a-copy" in fake.objects, "the copy of a")
    fake.put(f"{SHOP}/b")
    await_until(lambda: f"{SHOP}/b-copy" in fake.objects, "the copy of b")
    await_until(lambda: any("/events/" in path for path in fake.objects), "the Event")


def test_what_fails_is_tried_again(fake: FakeCluster, start: Start):
    fake.put(f"{SHOP}/a")
    start(lambda parts: Copier(parts, fails=5))
    await_until(lambda: f"{SHOP}/a-copy" in fake.objects, "the copy, at the sixth try")


def test_fault_of_one_controller_is_no_fault_of_another(fake: FakeCluster, start: Start):
    class Broken(Copier):
        name = "broken"

        def reconcile(self, key: Key) -> timedelta | None:
            raise ZeroDivisionError

    fake.put(f"{SHOP}/a")
    process, _ = start(others=[lambda parts: Broken(parts, name="broken")])
    await_until(lambda: f"{SHOP}/a-copy" in fake.objects, "the copy")
    await_until(
        lambda: b'{controller="broken",outcome="fault"}' in generate_latest(process.metrics.registry), "the count"
    )


def test_keys_that_cannot_be_told_keep_nothing_else_from_being_told(fake: FakeCluster, start: Start):
    class Picky(Copier):
        def watches(self) -> Sequence[Watch]:
            return [Watch(resource=MAPS, keys=lambda one: [] if one["metadata"]["name"] != "odd" else [1 / 0])]

    fake.put(f"{SHOP}/odd")
    fake.put(f"{SHOP}/good")
    start(others=[lambda parts: Picky(parts, name="picky")])
    await_until(lambda: f"{SHOP}/good-copy" in fake.objects, "the copy")


def test_collections_are_read_anew_before_the_first_write_of_a_term(fake: FakeCluster, start: Start):
    """What was written by the leader before may not have been seen yet: a copy that is there is not made twice."""
    fake.put(f"{LEASES}chancery-controller", spec={"holderIdentity": "other", "leaseDurationSeconds": 3})
    fake.put(f"{SHOP}/a")
    process, copier = start(tuning=FORGETFUL)
    await_until(lambda: "a" in copier.names(), "the list")
    with fake.lock:  # the watch says nothing of it
        watchers, fake.watchers = fake.watchers, []
        fake.put(f"{SHOP}/a-copy", data={"of": "a"})
        fake.watchers = watchers
    assert copier.told == []
    await_until(lambda: process.leadership.is_leading and copier.told, "the term")
    await_until(lambda: process._runners[0]._queue.depth == 0, "the work")

    assert [one.path for one in fake.requests("POST") if "configmaps" in one.path] == []


def test_controller_whose_kind_cannot_be_listed_waits_and_holds_up_no_other(fake: FakeCluster, start: Start):
    fake.kinds["v1/secrets"] = "Secret"
    fake.put(f"{SHOP}/a")
    fake.faults = [
        Fault(
            fits=lambda asked: "secrets" in asked.path,
            act=lambda handler: handler.refuse(403, "Forbidden", "not for you"),
            times=10_000,
        )
    ]
    process, _ = start(others=[lambda parts: Copier(parts, resource=SECRETS, name="other")])
    await_until(lambda: f"{SHOP}/a-copy" in fake.objects, "the copy")
    assert process.check_ready() == "secrets not listed yet"
    fake.faults.clear()
    await_until(lambda: process.check_ready() == "", "readiness")


def test_second_process_stands_by_ready_and_takes_over_when_the_first_ends(fake: FakeCluster, start: Start):
    first, _ = start()
    await_until(lambda: first.leadership.is_leading, "the first leads")
    second, copier = start(instance="second")
    await_until(lambda: second.check_ready() == "", "the second is ready")
    fake.put(f"{SHOP}/a")
    await_until(lambda: f"{SHOP}/a-copy" in fake.objects, "the copy by the first")
    assert not second.leadership.is_leading
    assert copier.told == []
    began = time.monotonic()
    first.stop()
    await_until(lambda: second.leadership.is_leading, "the second leads")

    assert time.monotonic() - began < QUICK.lease.duration
    assert first.check_ready() == "stopping"


def test_stop_waits_for_what_is_under_way_and_then_gives_the_lease_back(fake: FakeCluster, start: Start):
    began, finish = threading.Event(), threading.Event()

    class Slow(Copier):
        def reconcile(self, key: Key) -> timedelta | None:
            began.set()
            finish.wait(60)
            return super().reconcile(key)

    fake.put(f"{SHOP}/a")
    process, _ = start(Slow)
    assert began.wait(60)
    stopping = threading.Thread(target=process.stop)
    stopping.start()
    finish.set()
    join(stopping)

    assert f"{SHOP}/a-copy" in fake.objects
    assert fake.objects[f"{LEASES}chancery-controller"]["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("sleeps", [True, False])
def test_everything_is_told_anew_each_minute_of_the_wall_clock(fake: FakeCluster, start: Start, sleeps: bool):
    clocks = Time()
    fake.put(f"{SHOP}/a")
    fake.put(f"{SHOP}/a-copy", data={"of": "a"})
    seed = Key(kind="all")
    process, copier = start(lambda parts: Copier(parts, seeded=[seed]), clock=clocks.clock, monotonic=clocks.monotonic)
    await_until(lambda: len(copier.told) >= 3, "the first pass")
    await_until(lambda: process._runners[0]._queue.depth == 0, "the work")
    copier.told.clear()
    if sleeps:
        clocks.wall += 61
    else:
        clocks.pass_by(61)
    await_until(lambda: len(copier.told) >= 3, "the next pass")

    assert set(copier.told) == {Key(namespace="shop", name="a"), Key(namespace="shop", name="a-copy"), seed}


def test_cluster_that_is_away_for_ten_minutes_makes_it_not_ready_but_not_dead(fake: FakeCluster, start: Start):
    clocks = Time()
    process, _ = start(monotonic=clocks.monotonic)
    await_until(lambda: process.check_ready() == "", "readiness")
    clocks.pass_by(601)

    assert process.check_ready() == "nothing heard about configmaps for 601 seconds"
    assert process.check_alive() == ""


def test_cluster_that_is_away_for_longer_than_a_lease_ends_the_term_and_begins_another(fake: FakeCluster, start: Start):
    process, _ = start(tuning=FORGETFUL)
    await_until(lambda: process.leadership.is_leading, "the first term")
    fake.hang_up()
    fake.faults = [Fault(fits=lambda _: True, act=lambda handler: handler.refuse(503, "", "away"), times=10**6)]
    fake.put(f"{SHOP}/meanwhile")
    await_until(lambda: not process.leadership.is_leading, "the end of the term")
    await_until(lambda: not process._runners[0]._queue._is_open, "the rest")
    fake.faults.clear()
    await_until(lambda: f"{SHOP}/meanwhile-copy" in fake.objects, "the copy")
    await_until(lambda: process.leadership.is_leading, "the second term")


def test_metrics_say_who_leads_and_what_is_kept(fake: FakeCluster, start: Start):
    fake.put(f"{SHOP}/a")
    process, _ = start()
    done = b'chancery_kube_reconciles_total{controller="copier",outcome="done"}'
    await_until(lambda: done in generate_latest(process.metrics.registry), "the count")
    process.refresh_metrics()
    shown = generate_latest(process.metrics.registry).decode()

    assert "chancery_kube_leading 1.0" in shown
    assert 'chancery_kube_collection_objects{resource="configmaps"}' in shown
