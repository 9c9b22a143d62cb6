"""How often pods and nodes may enroll, by a clock that the test moves."""

from datetime import timedelta

import pytest

from ca.cluster.rate_limits import EnrollmentLimits
from ca.errors import Overloaded
from ca.orders import PodCredential
from ca.token_buckets import Rate
from tests.ca.offices import FixedClock

PER_POD, PER_NODE = Rate(burst=3, seconds=10), Rate(burst=5, seconds=1)


def pod(uid: str = "a", node: str = "n") -> PodCredential:
    return PodCredential(
        namespace="shop",
        service_account="cart",
        pod_name="cart",
        pod_uid=uid,
        node_name=node,
        credential_id="JTI=x",
        expires_at=0,
    )


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def limits(clock: FixedClock) -> EnrollmentLimits:
    return EnrollmentLimits(clock, per_pod=PER_POD, per_node=PER_NODE)


def test_pod_has_its_burst_and_then_one_at_a_time(limits: EnrollmentLimits, clock: FixedClock) -> None:
    for _ in range(3):
        limits.take(pod())
    with pytest.raises(Overloaded, match="this pod"):
        limits.take(pod())
    clock.advance(timedelta(seconds=9))
    with pytest.raises(Overloaded):
        limits.take(pod())
    clock.advance(timedelta(seconds=1))

    limits.take(pod())
    with pytest.raises(Overloaded):
        limits.take(pod())


def test_other_pods_go_on_until_their_node_has_had_its_share(limits: EnrollmentLimits, clock: FixedClock) -> None:
    for number in range(5):
        limits.take(pod(str(number)))
    with pytest.raises(Overloaded, match="this node"):
        limits.take(pod("5"))

    limits.take(pod("6", node="other"))
    clock.advance(timedelta(seconds=1))
    limits.take(pod("5"))


def test_what_the_node_refuses_costs_the_pod_nothing(limits: EnrollmentLimits, clock: FixedClock) -> None:
    for number in range(5):
        limits.take(pod(str(number)))
    for _ in range(10):
        with pytest.raises(Overloaded, match="this node"):
            limits.take(pod("z"))
    clock.advance(timedelta(seconds=3))

    for _ in range(3):
        limits.take(pod("z"))


def test_clock_that_is_set_back_fills_nothing(limits: EnrollmentLimits, clock: FixedClock) -> None:
    for _ in range(3):
        limits.take(pod())
    clock.advance(timedelta(days=-1))

    with pytest.raises(Overloaded):
        limits.take(pod())


def test_full_buckets_are_forgotten(limits: EnrollmentLimits, clock: FixedClock) -> None:
    for number in range(100):
        limits.take(pod(str(number), node=str(number)))
    clock.advance(timedelta(minutes=1))
    for number in range(100):
        limits.take(pod(f"later-{number}", node=f"later-{number}"))

    assert len(limits._pods._buckets) <= 101


def test_no_more_than_so_many_are_remembered(clock: FixedClock) -> None:
    limits = EnrollmentLimits(clock, per_pod=PER_POD, per_node=PER_NODE, capacity=10)
    for number in range(100):
        limits.take(pod(str(number), node=str(number)))

    assert len(limits._pods._buckets) <= 11
