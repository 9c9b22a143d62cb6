"""Following the authority: what is taken, what is reported, and what is said when something is in the way."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from ca.client.errors import ServerUnreachable
from ca.client.values import TrustBundle
from kube.controllers import Watch
from kube.core_resources import NAMESPACES
from kube.errors import Conflict, Forbidden, NotLeading
from kube.events import EventType
from kube.trust.controller import TrustController
from kube.trust.current import CurrentRoots
from kube.trust.gate import Observed, Target
from kube.trust.metrics import TrustMetrics
from kube.trust.publishing import Reporter
from tests.kube.trust.made_roots import NOW, pem_of, roots_of

TARGET = Target(kind="ConfigMap", namespace="shop", name="chancery-roots")


@dataclass
class World:
    """One target, an authority, and a clock; the controller of them in between."""

    pem: bytes = b""
    generation: int = 1
    now: float = 1000.0
    is_leading: bool = True
    is_away: bool = False
    observations: list[Observed] = field(default_factory=list)
    reports: list[int] = field(default_factory=list)
    recorded: list[tuple[EventType, str]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.pem = self.pem or pem_of("a")
        self.roots = CurrentRoots()
        self.roots.subscribe(lambda: self.told.append(self.roots.get().generation))
        self.reporter = Reporter(events=self, metrics=TrustMetrics(self.registry))
        self.controller = TrustController(
            self,
            [self],
            self.roots,
            self.reporter,
            look_every=timedelta(seconds=5),
            verify_leading=self.verify_leading,
            clock=lambda: NOW,
            boottime=lambda: self.now,
        )
        [self.key] = self.controller.seeds()

    def verify_leading(self):
        if not self.is_leading:
            raise NotLeading("not any more")

    def trust_bundle(self, *, held_generation):
        if self.is_away:
            raise ServerUnreachable("nobody answers")
        self.reports.append(held_generation)
        return TrustBundle(generation=self.generation, roots_pem=self.pem, sha256_fingerprints=(), trust_domain="x")

    def watches(self):
        return [Watch(resource=NAMESPACES)]

    def observed(self):
        return self.observations

    def record(self, one, type, reason, message):  # noqa: A002 - as in Events
        self.recorded.append((type, reason))

    def holds(self, *names, version="1"):
        fingerprints = roots_of(*names).fingerprints if names else frozenset()
        self.observations = [
            Observed(target=TARGET, fingerprints=fingerprints, version=version, propagation=90.0, not_after=NOW)
        ]

    def look(self, seconds=0.0):
        self.now += seconds
        return self.controller.reconcile(self.key).total_seconds()

    def metric(self, name, /, **labels):
        return self.registry.get_sample_value(name, labels)


def test_generation_is_reported_after_the_propagation_and_looked_after_until_then():
    world = World()
    world.holds("a")
    waits = [world.look(), world.look(), world.look(40.0), world.look(46.0), world.look(4.0)]

    assert world.reports == [0, 0, 0, 0, 1]
    assert waits == [5.0, 5.0, 5.0, 4.0, 5.0]
    assert world.told == [1]


def test_new_generation_is_told_and_the_old_one_reported_while_it_is_part_of_what_is_there():
    world = World()
    world.holds("a")
    for _ in range(20):
        world.look(5.0)
    world.pem, world.generation = pem_of("a") + pem_of("b"), 2
    world.look(5.0)
    world.look(5.0)
    lagging = world.metric("chancery_kube_trust_lagging", kind="ConfigMap", namespace="shop", name="chancery-roots")
    world.holds("a", "b", version="2")
    world.look(5.0)
    while_propagating = world.reports[-1]
    for _ in range(18):
        world.look(5.0)

    assert world.told == [1, 2]
    assert lagging == 1
    assert (while_propagating, world.reports[-1]) == (1, 2)
    assert world.metric("chancery_kube_trust_held_generation") == 2


def test_target_that_lags_is_named_once():
    world = World()
    world.holds()
    for _ in range(30):
        world.look(5.0)

    assert world.recorded == [(EventType.WARNING, "TrustBundleNotHeld")]
    world.holds("a")
    world.look(5.0)
    world.holds()
    for _ in range(10):
        world.look(5.0)
    assert len(world.recorded) == 2


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "BUNDLE_EMPTY"),
        (b"x", "BUNDLE_MALFORMED"),
        (pem_of("leaf", ca=False), "NOT_A_CA"),
        (pem_of("a") * 2, "ROOT_TWICE"),
    ],
)
def test_bundle_that_cannot_be_used_changes_nothing_and_is_never_reported(pem, reason):
    world = World()
    world.holds("a")
    for _ in range(25):
        world.look(5.0)
    world.pem, world.generation = pem, 2
    for _ in range(5):
        world.look(5.0)

    assert world.told == [1]
    assert world.reports[-1] == 1
    assert world.metric("chancery_kube_trust_bundles_refused_total", reason=reason) == 5


def test_authority_that_is_away_is_asked_again_soon():
    world = World(is_away=True)
    world.holds("a")

    assert [world.look(), world.look(5.0)] == [5.0, 5.0]
    assert world.metric("chancery_kube_trust_bundles_refused_total", reason="SERVER_UNREACHABLE") == 2
    world.is_away = False
    world.look(5.0)
    assert world.told == [1]


def test_who_does_not_lead_reports_nothing():
    world = World()
    world.look()
    world.is_leading = False

    with pytest.raises(NotLeading):
        world.look(100.0)
    assert len(world.reports) == 1


def test_another_term_begins_with_nothing_seen():
    world = World()
    world.holds("a")
    for _ in range(25):
        world.look(5.0)
    held = world.reports[-1]
    world.controller.begin_term()
    world.look(5.0)

    assert (held, world.reports[-1]) == (1, 0)


def test_controller_is_told_no_keys_but_has_everything_listed():
    [watch] = World().controller.watches()

    assert watch == replace(Watch(resource=NAMESPACES), keys=watch.keys, full_pass=None)
    assert list(watch.keys({"metadata": {"name": "shop"}})) == []


def test_expiry_of_a_target_that_is_gone_is_shown_no_more():
    world = World()
    labels = {"kind": "ConfigMap", "namespace": "shop", "name": "chancery-roots"}
    world.holds("a")
    world.look()
    world.look()
    shown = world.metric("chancery_kube_injected_expiry_timestamp_seconds", **labels)
    world.observations = []
    world.look()

    assert shown == NOW.timestamp()
    assert world.metric("chancery_kube_injected_expiry_timestamp_seconds", **labels) is None


def test_write_that_will_fail_again_is_named_at_the_object_once_and_one_that_was_overtaken_is_not():
    world = World()

    for error in (Forbidden("no"), Forbidden("no"), Conflict("somebody was faster"), NotLeading("not any more")):
        with pytest.raises(type(error)), world.reporter.writing(world.key, {}):
            raise error
    assert world.recorded == [(EventType.WARNING, "TrustBundleNotWritten")]
    assert world.metric("chancery_kube_injection_failures_total", kind="TrustBundle", reason="FORBIDDEN") == 2
    assert world.metric("chancery_kube_injection_failures_total", kind="TrustBundle", reason="CONFLICT") is None
