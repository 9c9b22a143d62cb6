"""What is said about objects: in few Events, and never in the way."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kube.cluster import Cluster
from kube.errors import NotLeading
from kube.events import Events, EventType
from tests.kube.ambient import Time, no_entropy
from tests.kube.api_server import FakeCluster, Fault, Handler

EVENTS = "/api/v1/namespaces/shop/events"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"namespace": "shop", "name": "cart", "uid": "u1", "resourceVersion": "7"},
}


class Counted:
    def __init__(self) -> None:
        self.octets = 0
        self.dropped = 0

    def entropy(self, octets: int) -> bytes:
        self.octets += 1
        return self.octets.to_bytes(octets)

    def drop(self) -> None:
        self.dropped += 1


@pytest.fixture
def clocks() -> Time:
    return Time()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def cluster(fake: FakeCluster) -> Iterator[Cluster]:
    fake.kinds["v1/events"] = "Event"
    opened = fake.open()
    yield opened
    opened.close()


@pytest.fixture
def events(cluster: Cluster, clocks: Time, counted: Counted) -> Events:
    return make(cluster, clocks, counted)


def make(cluster: Cluster, clocks: Time, counted: Counted) -> Events:
    return Events(
        cluster,
        component="controller",
        instance="one",
        clock=clocks.clock,
        monotonic=clocks.monotonic,
        entropy=counted.entropy,
        dropped=counted.drop,
    )


def written(fake: FakeCluster) -> list[dict[str, Any]]:
    return [one for path, one in fake.objects.items() if "/events/" in path]


def test_event_says_about_what_by_whom_and_when(events: Events, fake: FakeCluster):
    events.record(POD, EventType.WARNING, "NotSigned", "why")
    events.flush()
    (event,) = written(fake)

    assert event["metadata"]["name"] == "cart.0000000000000001"
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "shop",
        "name": "cart",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["message"], event["count"]) == ("Warning", "NotSigned", "why", 1)
    assert event["source"] == {"component": "controller", "host": "one"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2027-01-15T08:00:00Z"


def test_same_said_again_is_counted_in_one_event_at_most_once_a_minute(events: Events, fake: FakeCluster, clocks: Time):
    for _ in range(50):
        events.record(POD, EventType.NORMAL, "Signed", "done")
        events.flush()
        clocks.pass_by(1)
    assert [one["count"] for one in written(fake)] == [1]
    clocks.pass_by(10)
    events.flush()
    (event,) = written(fake)

    assert (event["count"], event["lastTimestamp"]) == (50, "2027-01-15T08:00:49Z")
    assert len(fake.requests("PATCH")) == 1


def test_other_words_other_objects_and_other_reasons_have_events_of_their_own(events: Events, fake: FakeCluster):
    other = {**POD, "metadata": {**POD["metadata"], "uid": "u2"}}
    for one, reason, message in ((POD, "A", "x"), (POD, "A", "y"), (POD, "B", "x"), (other, "A", "x")):
        events.record(one, EventType.NORMAL, reason, message)
    events.flush()

    assert len(written(fake)) == 4


def test_event_that_the_cluster_has_forgotten_is_made_anew(events: Events, fake: FakeCluster, clocks: Time):
    events.record(POD, EventType.NORMAL, "A", "x")
    events.flush()
    for path in [path for path in fake.objects if "/events/" in path]:
        fake.remove(path)
    events.record(POD, EventType.NORMAL, "A", "x")
    clocks.pass_by(61)
    events.flush()

    assert [one["count"] for one in written(fake)] == [2]


def test_object_of_no_namespace_has_its_event_in_default(events: Events, fake: FakeCluster):
    fake.kinds["v1/events"] = "Event"
    one = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    events.record(one, EventType.NORMAL, "A", "x")
    events.flush()

    assert [one["metadata"]["namespace"] for one in written(fake)] == ["default"]


def test_message_of_any_length_and_object_without_anything_are_taken(events: Events, fake: FakeCluster):
    events.record(POD, EventType.NORMAL, "A", "x" * 5000)
    events.record({}, EventType.NORMAL, "A", "x")
    events.flush()

    assert max(len(one["message"]) for one in written(fake)) == 1024
    assert len(written(fake)) == 2


def test_what_is_not_taken_is_dropped_and_counted(events: Events, fake: FakeCluster, counted: Counted):
    fake.faults = [Fault(fits=lambda _: True, act=lambda handler: handler.refuse(403, "Forbidden", "no"))]
    events.record(POD, EventType.NORMAL, "A", "x")
    events.flush()
    events.flush()

    assert (counted.dropped, len(fake.requests("POST"))) == (1, 1)


def test_process_that_does_not_lead_writes_none(cluster: Cluster, fake: FakeCluster, clocks: Time, counted: Counted):
    def refuse() -> float:
        raise NotLeading("no")

    events = make(cluster.fenced(refuse), clocks, counted)
    events.record(POD, EventType.NORMAL, "A", "x")
    events.flush()

    assert fake.asked == []
    assert counted.dropped == 1


def test_flood_is_bounded_and_its_oldest_part_dropped(events: Events, fake: FakeCluster, counted: Counted):
    for number in range(1300):
        events.record(POD, EventType.NORMAL, "A", str(number))

    assert counted.dropped == 300
    assert len(events._series) == 1000


def test_recording_does_not_wait_for_a_server_that_hangs(events: Events, fake: FakeCluster):
    fake.faults = [Fault(fits=lambda _: True, act=Handler.say_nothing)]
    events.start()
    events.record(POD, EventType.NORMAL, "A", "x")
    began = time.monotonic()
    for number in range(100):
        events.record(POD, EventType.NORMAL, "B", str(number))
    took = time.monotonic() - began
    fake.release.set()
    events.stop(5)

    assert took < 30  # a server that hangs is let go after a minute
    assert no_entropy(1) == b"\0"
