"""The Secret of the roots while the process serves: kept up to date, put right, reported to rotations; never in the way."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from ca.cluster.events import SecretEvents
from ca.cluster.faults import NoAnswer
from ca.cluster.own_namespace import OwnNamespace
from ca.cluster.publishing import keep_published
from ca.cluster.roots import AUTHORITY
from ca.metrics import Metrics
from ca.office import Office
from tests.ca.cluster.fake_secrets import NAMESPACE, FakeSecrets
from tests.ca.offices import Premises, administrator, call_of

ROOTS = "chancery-roots"
SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Running:
    """A served authority, and what it finds in the cluster."""

    office: Office
    secrets: FakeSecrets
    metrics: Metrics

    async def until(self, condition: Callable[[], object]) -> None:
        """Runs the job until it is so."""
        namespace = OwnNamespace(
            connection=self.secrets,  # type: ignore[arg-type]  # has its methods
            namespace=NAMESPACE,
            events=SecretEvents(connection=self.secrets, namespace=NAMESPACE, clock=self.office.clock),  # type: ignore[arg-type]
            passphrase_secret="",
            roots_secret=ROOTS,
            trust_domain="cluster.local",
        )
        job = asyncio.create_task(
            keep_published(namespace, self.office.issuers, self.office.rotations, self.metrics, look_seconds=0.005)
        )
        try:
            async with asyncio.timeout(SECONDS):
                while not condition():
                    assert not job.done()
                    await asyncio.sleep(0.005)
        finally:
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job

    def run(self, condition: Callable[[], object]) -> None:
        asyncio.run(self.until(condition))

    @property
    def failures(self) -> float:
        return self.metrics.registry.get_sample_value("chancery_ca_roots_publication_failures_total") or 0.0

    @property
    def is_published(self) -> bool:
        with contextlib.suppress(KeyError):
            return self.secrets.value(ROOTS, "ca.crt") == self.office.issuers.bundle.pem
        return False


@pytest.fixture
def running(premises: Premises) -> Iterator[Running]:
    with premises.open(rotation_overlap="0s", rotation_settle="1s") as office:
        yield Running(office=office, secrets=FakeSecrets(), metrics=Metrics())


def test_rotations_wait_for_the_secret_as_for_any_consumer(running: Running) -> None:
    running.run(lambda: running.is_published and running.office.rotations.status().consumers)

    (consumer,) = running.office.rotations.status().consumers
    assert consumer.name == f"secret {NAMESPACE}/{ROOTS}"
    assert consumer.generation == running.office.issuers.bundle.generation


def test_new_root_is_published(running: Running) -> None:
    def rotate() -> bool:
        if running.is_published and running.office.rotations.rotations.latest() is None:
            running.office.rotations.start("root", "emergency", call_of(administrator()))
            return False
        return running.office.issuers.bundle.generation > 1 and running.is_published

    running.run(rotate)


def test_what_somebody_did_to_it_is_put_right(running: Running) -> None:
    running.run(lambda: running.is_published)
    running.secrets.put_there(ROOTS, {"ca.crt": b"garbage"}, **running.secrets.annotations(ROOTS))

    running.run(lambda: running.is_published)

    del running.secrets.objects[ROOTS]
    running.run(lambda: running.is_published)


def test_api_server_that_is_away_is_counted_and_asked_again(running: Running) -> None:
    running.secrets.failures += [NoAnswer("gone", again=True)] * 3

    running.run(lambda: running.is_published)

    assert running.failures == 3
    assert not running.secrets.events


def test_another_authority_that_took_the_secret_is_told_as_an_event_and_left_alone(running: Running) -> None:
    running.secrets.put_there(ROOTS, {"ca.crt": b""}, **{AUTHORITY: "f" * 32})

    running.run(lambda: running.failures >= 2)

    assert [event["reason"] for event in running.secrets.events.values()] == ["AuthorityMismatch"]
    assert running.secrets.value(ROOTS, "ca.crt") == b""


def test_defect_does_not_end_the_job(running: Running) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    running.secrets.interlude["GET"] = fail

    running.run(lambda: running.is_published)

    assert running.failures == 1
