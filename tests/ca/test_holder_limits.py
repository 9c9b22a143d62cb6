"""How often a pod gets certificates by those that it has, by a clock that the test moves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ca.calls import Call
from ca.errors import Overloaded
from ca.holder_limits import HolderLimits
from ca.token_buckets import Rate
from tests.ca.offices import FixedClock, call_of, workload

PODS = {"a1": "pod-a", "a2": "pod-a", "b1": "pod-b", "registrar": ""}


class Lookup:
    """Which pod a certificate is of, and how often that was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, serial: str) -> str | None:
        self.asked.append(serial)
        return PODS.get(serial)


def by(serial: str | None) -> Call:
    return call_of(replace(workload(), serial_number=serial))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def lookup() -> Lookup:
    return Lookup()


@pytest.fixture
def limits(lookup: Lookup, clock: FixedClock) -> HolderLimits:
    return HolderLimits(lookup, clock, rate=Rate(burst=3, seconds=10), capacity=4)


async def test_pod_has_its_share_whichever_of_its_certificates_it_shows(
    limits: HolderLimits, clock: FixedClock
) -> None:
    for serial in ("a1", "a2", "a1"):
        await limits.take(by(serial))
    for serial in ("a1", "a2"):
        with pytest.raises(Overloaded, match="this pod"):
            await limits.take(by(serial))
    await limits.take(by("b1"))
    clock.advance(timedelta(seconds=10))
    await limits.take(by("a2"))

    with pytest.raises(Overloaded):
        await limits.take(by("a1"))


@pytest.mark.parametrize("serial", [None, "administrator", "registrar"])
async def test_who_is_no_pod_has_no_such_limit(limits: HolderLimits, serial: str | None) -> None:
    for _ in range(50):
        await limits.take(by(serial))


async def test_certificate_is_looked_up_once_and_not_remembered_without_end(
    limits: HolderLimits, lookup: Lookup
) -> None:
    for _ in range(3):
        await limits.take(by("a1"))
    for number in range(4):
        await limits.take(by(f"other-{number}"))
    with pytest.raises(Overloaded):
        await limits.take(by("a1"))

    assert lookup.asked.count("a1") == 2
