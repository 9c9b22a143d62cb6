"""At no instant may two candidates write, whatever order their reads, writes and answers come in, and whatever their clocks say."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube.election import Election, LeaseName, LeaseTiming, Write

LEASE = LeaseName(namespace="chancery", name="controller")
TIMING = LeaseTiming()
NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
Json = dict[str, Any]


@dataclass(slots=True)
class Server:
    """Takes a write only from who read the present version. A Lease is deleted once at most, and from under somebody who leads or
    before the eyes of who does not: more than that nobody who looks now and then could tell from no Lease at all."""

    lease: Json | None = None
    version: int = 0
    was_deleted: bool = False

    def write(self, write: Write) -> Json | None:
        version = write.document["metadata"].get("resourceVersion")
        if write.is_new != (self.lease is None) or (not write.is_new and version != str(self.version)):
            return None
        self.version += 1
        self.lease = {
            **write.document,
            "metadata": {**write.document["metadata"], "resourceVersion": str(self.version)},
        }
        return self.lease


@dataclass(slots=True)
class Candidate:
    """Its monotonic clock began at `offset`; its wall clock is off by `wrong`."""

    identity: str
    offset: float
    wrong: timedelta
    election: Election = field(init=False)
    pending: Write | None = None
    began: float = 0.0
    answer: Json | None = None
    may_write_until: float = float("-inf")

    def __post_init__(self) -> None:
        self.election = Election(LEASE, self.identity, TIMING)

    def read(self, server: Server, now: float) -> None:
        lease = server.lease
        self.pending = self.election.next_write(lease, monotonic=now + self.offset, clock=NOW + self.wrong)
        self.began, self.answer = now + self.offset, None

    def send(self, server: Server) -> None:
        if self.pending is not None:
            self.answer = server.write(self.pending)
            if self.answer is None:
                self.election.lost()
            self.pending = None

    def hear(self, now: float) -> None:
        if self.answer is not None:
            self.election.granted(self.answer, began=self.began, monotonic=now + self.offset)
            self.answer = None

    def seconds(self, now: float) -> float:
        return self.election.seconds_to_write(now + self.offset)


def act(action: str, candidates: list[Candidate], number: int, server: Server, now: float) -> None:
    one = candidates[number]
    match action:
        case "delete":
            if not server.was_deleted and all(each.election._had_other or each.seconds(now) for each in candidates):
                server.lease, server.was_deleted = None, True
        case "round":
            one.read(server, now)
            one.send(server)
            one.hear(now)
        case "read":
            one.read(server, now)
        case "send":
            one.send(server)
        case "hear":
            one.hear(now)
        case "lose":
            one.answer = None


STEPS = st.one_of(
    st.tuples(st.just("round"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["read", "send", "hear", "lose"]), st.integers(0, 1)),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0, 6.0, 8.0, 9.5, 12.5, 15.0])),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0, 6.0, 8.0, 9.5, 12.5, 15.0])),
    st.tuples(st.just("delete"), st.just(0)),
)


@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(STEPS, min_size=8, max_size=40),
    offsets=st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
    wrong=st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6)),
)
def test_two_never_write_at_once(steps, offsets, wrong):
    server = Server()
    candidates = [
        Candidate(name, offset, timedelta(seconds=off))
        for name, offset, off in zip(("first", "second"), offsets, wrong, strict=True)
    ]
    now = 0.0
    for candidate in candidates:  # both have been there for a while: whoever has seen nothing cannot know of a deletion
        candidate.read(server, now)
    for action, value in steps:
        if action == "pass":
            now += value
        else:
            act(action, candidates, value, server, now)
        for candidate, other in (candidates, candidates[::-1]):
            seconds = candidate.seconds(now)
            if seconds > 0:
                assert other.may_write_until <= now + 1e-6, "the other's write may still be under way"
                candidate.may_write_until = max(candidate.may_write_until, now + seconds)


def take(election: Election, server: Server, now: float) -> Json:
    write = election.next_write(server.lease, monotonic=now, clock=NOW)
    assert write is not None
    granted = server.write(write)
    assert granted is not None
    election.granted(granted, began=now, monotonic=now)
    return granted


@pytest.fixture
def server() -> Server:
    return Server()


def test_first_one_leads_at_once_and_the_lease_says_so(server: Server):
    lease = take(Election(LEASE, "first", TIMING), server, 5)

    assert lease["metadata"] == {"namespace": "chancery", "name": "controller", "resourceVersion": "1"}
    assert lease["spec"] == {
        "holderIdentity": "first",
        "leaseDurationSeconds": 15,
        "renewTime": "2027-01-15T08:00:00.000000Z",
        "acquireTime": "2027-01-15T08:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_second_one_takes_over_when_it_has_seen_no_change_for_the_whole_duration(server: Server):
    first, second = Election(LEASE, "first", TIMING), Election(LEASE, "second", TIMING)
    take(first, server, 0)

    assert second.next_write(server.lease, monotonic=100, clock=NOW) is None
    assert second.next_write(server.lease, monotonic=114.9, clock=NOW) is None
    assert take(second, server, 115)["spec"]["leaseTransitions"] == 1


def test_time_in_the_lease_counts_for_nothing(server: Server):
    take(Election(LEASE, "first", TIMING), server, 0)
    server.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    second = Election(LEASE, "second", TIMING)

    assert second.next_write(server.lease, monotonic=100, clock=NOW) is None


@pytest.mark.parametrize("age", [0, 3, 9, 9.99])
def test_write_of_a_leader_ends_before_anybody_may_take_over(server: Server, age: float):
    election = Election(LEASE, "first", TIMING)
    take(election, server, 50)

    assert 0 < election.seconds_to_write(50 + age) <= 14 - age


@pytest.mark.parametrize("age", [-1, 10, 15, 1e6])
def test_leader_that_could_not_renew_in_time_does_not_write(server: Server, age: float):
    election = Election(LEASE, "first", TIMING)
    take(election, server, 50)

    assert election.seconds_to_write(50 + age) == 0


def test_leader_that_sees_another_in_its_place_leads_no_more(server: Server):
    election = Election(LEASE, "first", TIMING)
    take(election, server, 0)
    server.lease["spec"]["holderIdentity"] = "second"

    assert election.next_write(server.lease, monotonic=1, clock=NOW) is None
    assert not election.is_leading(1)


def test_lease_that_is_given_back_is_taken_at_once(server: Server):
    first, second = Election(LEASE, "first", TIMING), Election(LEASE, "second", TIMING)
    take(first, server, 0)
    second.next_write(server.lease, monotonic=0, clock=NOW)
    server.write(first.release(server.lease, clock=NOW))

    assert take(second, server, 0.1)["spec"]["holderIdentity"] == "second"


def test_nobody_gives_back_what_is_another_ones(server: Server):
    take(Election(LEASE, "first", TIMING), server, 0)

    assert Election(LEASE, "second", TIMING).release(server.lease, clock=NOW) is None


def test_lease_that_is_deleted_under_its_leader_is_not_taken_before_its_time(server: Server):
    first, second = Election(LEASE, "first", TIMING), Election(LEASE, "second", TIMING)
    take(first, server, 0)
    second.next_write(server.lease, monotonic=1, clock=NOW)
    server.lease = None

    assert second.next_write(None, monotonic=2, clock=NOW) is None
    assert second.next_write(None, monotonic=16.9, clock=NOW) is None
    assert second.next_write(None, monotonic=17, clock=NOW) is not None


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        {"holderIdentity": 7},
        {"holderIdentity": "", "leaseDurationSeconds": "x"},
        {"holderIdentity": None, "leaseTransitions": "many"},
    ],
)
def test_lease_that_makes_no_sense_is_made_anew(spec: Any):
    lease = {"metadata": {"resourceVersion": "7"}, "spec": spec}
    write = Election(LEASE, "first", TIMING).next_write(lease, monotonic=0, clock=NOW)

    assert write is not None
    assert write.document["spec"]["holderIdentity"] == "first"
    assert write.document["metadata"]["resourceVersion"] == "7"


def test_number_of_transitions_stays_one_that_the_server_takes():
    spec: Any = {"holderIdentity": "", "leaseTransitions": (1 << 31) - 1}
    lease: Any = {"metadata": {"resourceVersion": "7"}, "spec": spec}
    write = Election(LEASE, "first", TIMING).next_write(lease, monotonic=0, clock=NOW)

    assert write is not None
    assert write.document["spec"]["leaseTransitions"] == 1


def test_what_others_keep_at_the_lease_stays(server: Server):
    election = Election(LEASE, "first", TIMING)
    take(election, server, 0)
    server.lease["metadata"]["labels"] = {"team": "a"}
    server.lease["spec"]["preferredHolder"] = "x"
    lease = take(election, server, 1)

    assert (lease["metadata"]["labels"], lease["spec"]["preferredHolder"]) == ({"team": "a"}, "x")
