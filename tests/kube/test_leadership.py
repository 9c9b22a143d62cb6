"""Leading over real HTTPS with a clock of the test's own: who is let in, and until when."""

import pytest

from kube.cluster import Cluster
from kube.election import LeaseName
from kube.errors import NotLeading
from kube.leadership import Leadership
from tests.kube.ambient import Time, no_entropy
from tests.kube.api_server import Asked, FakeCluster, Fault

LEASE = "/apis/coordination.k8s.io/v1/namespaces/chancery/leases/controller"
MAPS = "/api/v1/namespaces/shop/configmaps"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "written"}}


class Process:
    """A candidate, its fenced cluster, and what it was told."""

    def __init__(self, fake: FakeCluster, time: Time, identity: str) -> None:
        self.told: list[str] = []
        self.term = 0
        cluster = fake.open()
        self.leadership = Leadership(
            cluster,
            LeaseName(namespace="chancery", name="controller"),
            identity=identity,
            begin=self._begin,
            end=lambda: self.told.append("end"),
            clock=time.clock,
            boottime=time.monotonic,
            entropy=no_entropy,
        )
        self.cluster: Cluster = cluster.fenced(self.leadership.permit)

    def _begin(self, term: int) -> None:
        self.told.append("begin")
        self.term = term

    def lasts(self, term: int | None = None) -> bool:
        return self.leadership.lasts(self.term if term is None else term)

    def write(self) -> None:
        self.cluster.create(MAPS, MAP)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def leases(fake: FakeCluster) -> FakeCluster:
    fake.kinds["coordination.k8s.io/v1/leases"] = "Lease"
    return fake


def is_lease(asked: Asked) -> bool:
    return asked.path.startswith(LEASE.rpartition("/")[0])


def away(times: int) -> Fault:
    return Fault(fits=is_lease, act=lambda handler: handler.refuse(503, "", "away"), times=times)


def test_one_of_two_leads_and_the_other_cannot_write(leases: FakeCluster, time: Time):
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    second.leadership.step()
    first.write()

    with pytest.raises(NotLeading):
        second.write()
    assert (first.told, second.told) == (["begin"], [])
    assert leases.objects[LEASE]["spec"]["holderIdentity"] == "first"


def test_nobody_writes_before_the_first_look(leases: FakeCluster, time: Time):
    with pytest.raises(NotLeading):
        Process(leases, time, "first").write()
    assert leases.asked == []


def test_leader_that_is_frozen_does_not_write_when_it_wakes_up(leases: FakeCluster, time: Time):
    """Killed, stopped or swapped out between two writes: by its own clock it is too late, before it has looked."""
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    second.leadership.step()
    time.pass_by(15)
    second.leadership.step()

    with pytest.raises(NotLeading):
        first.write()
    second.write()
    assert second.told == ["begin"]


def test_two_that_both_think_they_lead_write_once(leases: FakeCluster, time: Time):
    """Whatever made the lease another's: the version that the first one read is gone, and it learns of it with its next look."""
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    lease = leases.objects[LEASE]
    leases.put(LEASE, **{**lease, "spec": {**lease["spec"], "holderIdentity": ""}})
    second.leadership.step()
    second.write()
    first.leadership.step()

    with pytest.raises(NotLeading):
        first.write()
    assert (first.told, first.lasts()) == (["begin", "end"], False)


def test_leader_goes_on_while_the_server_is_away_and_stops_in_time(leases: FakeCluster, time: Time):
    first = Process(leases, time, "first")
    first.leadership.step()
    leases.faults = [away(1000)]
    for _ in range(4):
        time.pass_by(2)
        first.leadership.step()
        first.leadership.permit()
    time.pass_by(2)

    with pytest.raises(NotLeading):
        first.leadership.permit()
    first.leadership.step()
    assert first.told == ["begin", "end"]


@pytest.mark.parametrize("garbage", [{}, {"kind": "Lease"}, {"spec": {"holderIdentity": ""}}, {"metadata": []}])
def test_lease_is_not_taken_from_anybody_where_the_server_answers_garbage(leases: FakeCluster, time: Time, garbage):
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    leases.faults = [
        Fault(
            fits=lambda asked: is_lease(asked) and asked.method == "GET",
            act=lambda handler: handler.answer(200, garbage),
        )
    ]
    second.leadership.step()

    assert leases.objects[LEASE]["spec"]["holderIdentity"] == "first"
    assert second.told == []


def test_leader_that_comes_back_begins_another_term(leases: FakeCluster, time: Time):
    first = Process(leases, time, "first")
    first.leadership.step()
    former = first.term
    leases.faults = [away(1)]
    time.pass_by(60)
    first.leadership.step()
    first.leadership.step()

    assert first.told == ["begin", "end", "begin"]
    assert (first.lasts(former), first.lasts()) == (False, True)


@pytest.mark.parametrize("pause", [10, 60])
def test_lease_that_was_not_surely_held_between_two_looks_begins_another_term(
    leases: FakeCluster, time: Time, pause: int
):
    """Frozen in the middle: what it would have written meanwhile was refused, and another may have led and ended."""
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    former = first.term
    time.pass_by(pause)
    if pause == 60:
        second.leadership.step()
        time.pass_by(15)
        second.leadership.step()
        second.leadership.stop(release=True)
    first.leadership.step()

    assert first.told == ["begin", "end", "begin"]
    assert (first.lasts(former), first.lasts()) == (False, True)


def test_work_of_a_term_that_is_over_does_not_write_in_the_next(leases: FakeCluster, time: Time):
    """It was decided on what was read in the former term."""
    first = Process(leases, time, "first")
    first.leadership.step()
    with first.leadership.within(first.term):
        first.leadership.permit()
        time.pass_by(10)
        first.leadership.step()

        with pytest.raises(NotLeading):
            first.write()
    first.write()
    with first.leadership.within(first.term):
        first.leadership.permit()


def test_answer_that_got_lost_is_no_reason_to_lead(leases: FakeCluster, time: Time):
    def take_and_hang_up(handler) -> None:
        leases.put(LEASE, **handler.asked.body)
        handler.connection.close()
        handler.close_connection = True

    first = Process(leases, time, "first")
    leases.faults = [Fault(fits=lambda asked: asked.method == "POST", act=take_and_hang_up)]
    first.leadership.step()
    assert first.told == []
    first.leadership.step()

    assert first.told == ["begin"]


def test_lease_is_given_back_when_all_is_done_and_no_write_follows(leases: FakeCluster, time: Time):
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    second.leadership.step()
    first.leadership.stop(release=True)
    with pytest.raises(NotLeading):
        first.write()
    second.leadership.step()

    assert second.told == ["begin"]


def test_lease_expires_where_a_writer_could_not_be_stopped(leases: FakeCluster, time: Time):
    first, second = Process(leases, time, "first"), Process(leases, time, "second")
    first.leadership.step()
    second.leadership.step()
    first.leadership.stop(release=False)
    second.leadership.step()
    assert second.told == []
    time.pass_by(15)
    second.leadership.step()

    assert second.told == ["begin"]


def test_fault_in_a_term_does_not_end_the_thread(leases: FakeCluster, time: Time):
    first = Process(leases, time, "first")
    first.leadership._begin = lambda _term: 1 / 0
    first.leadership.start()
    from tests.kube.ambient import await_until

    await_until(lambda: first.leadership._present, "the term")
    thread = first.leadership._thread
    assert thread is not None
    assert thread.is_alive()
    first.leadership.stop(release=True)
