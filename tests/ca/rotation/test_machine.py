"""Every interleaving: whoever is heard of accepts whatever is in use, in each phase, however consumers, holders, operators and the
clock behave; and once they follow, every rotation ends.

- Certificates are symbols here: an issuing CA has a root, and a chain bridges from one root to another or does not.
- Moves, states and decisions are the real ones; nothing is signed.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ca.ambient import epoch_seconds
from ca.callers import Caller
from ca.calls import Call
from ca.rotation.machine import Observations, Phase, Timing, decide
from ca.rotation.moves import Moves
from store.records import AuthorityRecord, RotationRecord, TrustConsumer
from tests.ca.offices import CountedEntropy

NOW = datetime(2026, 11, 29, tzinfo=UTC)
HOUR = 3600
SILENCE = 24 * HOUR
TIMING = Timing(overlap=timedelta(hours=1), settle=timedelta(seconds=15), patience=timedelta(days=7))
CALL = Call(caller=Caller.local(), id="test")
CONSUMERS = ("a", "b", "c")
HOLDERS = ("x", "y")


@dataclass
class Held:
    """A certificate in use: its issuing CA, and over which roots its chain can be followed."""

    issuer: str
    roots: frozenset[str]


@dataclass
class Symbols:
    """Authorities by name, as the store keeps them."""

    records: list[AuthorityRecord] = field(default_factory=list)
    root_of: dict[str, str] = field(default_factory=dict)
    bridge: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, name, profile, state):
        self.records.append(
            AuthorityRecord(id=name, profile=profile, subject=name, certificate=b"", state=state, created_at=0)
        )

    def ids(self, profile, *states):
        return [record.id for record in self.records if record.profile == profile and record.state in states]

    def roots(self):
        return frozenset(self.ids("root", "active"))

    def active(self):
        return self.ids("intermediate", "active")[-1]

    def certificate(self):
        """As it is handed out now, by the issuing CA that signs."""
        issuer = self.active()
        root = self.root_of[issuer]
        bridged = {
            old for cross, (new, old) in self.bridge.items() if new == root and cross in self.ids("cross", "active")
        }
        return Held(issuer=issuer, roots=frozenset({root}) | bridged)


class Rotations(RuleBasedStateMachine):
    @initialize(can_bridge=st.booleans())
    def found(self, can_bridge):
        self.can_bridge = can_bridge
        self.now = NOW
        self.world = Symbols()
        self.count = 0
        self.generation = 1
        self.world.add("root-0", "root", "active")
        self.world.add("issuer-0", "intermediate", "active")
        self.world.root_of["issuer-0"] = "root-0"
        self.rotation: RotationRecord | None = None
        self.moves = Moves(issuers=self.world, keys=None, maker=None, clock=lambda: self.now, entropy=CountedEntropy())
        self.bundles = {name: (1, self.world.roots()) for name in CONSUMERS}
        self.reports = {name: self.report_of(name) for name in CONSUMERS}
        self.held = {name: self.world.certificate() for name in HOLDERS}

    def report_of(self, name):
        return TrustConsumer(name=name, generation=self.bundles[name][0], reported_at=epoch_seconds(self.now))

    def is_heard_of(self, name):
        return epoch_seconds(self.now) - self.reports[name].reported_at <= SILENCE

    @precondition(lambda self: self.rotation is None)
    @rule(kind=st.sampled_from(["root", "issuer"]), haste=st.sampled_from(["due", "now"]))
    def begin(self, kind, haste):
        self.count += 1
        profiles = ("root", "cross", "intermediate") if kind == "root" else ("intermediate",)
        old = [one for profile in profiles for one in self.world.ids(profile, "pending", "active", "passive")]
        root = f"root-{self.count}" if kind == "root" else self.world.root_of[self.world.active()]
        incoming = [f"issuer-{self.count}"]
        if kind == "root":
            incoming.append(root)
            previous = self.world.root_of[self.world.active()]
            self.world.add(root, "root", "active")
            self.generation += 1
            if self.can_bridge:
                incoming.append(f"cross-{self.count}")
                self.world.add(incoming[-1], "cross", "active")
                self.world.bridge[incoming[-1]] = (root, previous)
        self.world.add(incoming[0], "intermediate", "pending")
        self.world.root_of[incoming[0]] = root
        at = epoch_seconds(self.now)
        self.rotation = RotationRecord(
            id="r",
            kind=kind,
            phase="publishing",
            haste=haste,
            step=0,
            generation=self.generation,
            incoming=tuple(incoming),
            outgoing=tuple(old),
            aborted=False,
            started_at=at,
            entered_at=at,
        )

    def observe(self):
        heard = [report for name, report in self.reports.items() if self.is_heard_of(name)]
        return Observations(
            now=epoch_seconds(self.now),
            consumers_behind=[one for one in heard if one.generation < self.rotation.generation]
            if self.rotation.kind == "root"
            else [],
            in_use=[one for one in self.held.values() if one.issuer in self.rotation.outgoing],
            bridged=bool(self.world.ids("cross", "active")),
        )

    def apply(self, move):
        states = {name: state for name, state, _event in move.states}
        before = self.world.roots()
        self.world.records = [replace(one, state=states.get(one.id, one.state)) for one in self.world.records]
        self.generation += before != self.world.roots()
        self.rotation = replace(move.rotation, generation=self.generation)
        if self.rotation.finished_at is not None:
            self.rotation = None

    @precondition(lambda self: self.rotation is not None)
    @rule()
    def look(self):
        decision = decide(self.rotation, self.observe(), TIMING)
        if decision.goes_on:
            self.apply(self.moves.advance(self.rotation, decision.phase, CALL))

    @precondition(lambda self: self.rotation is not None)
    @rule()
    def abort(self):
        self.apply(self.moves.abort(self.rotation, CALL))

    @rule(name=st.sampled_from(CONSUMERS))
    def follow(self, name):
        self.bundles[name] = (self.generation, self.world.roots())
        self.reports[name] = self.report_of(name)

    @rule(name=st.sampled_from(CONSUMERS))
    def report_without_following(self, name):
        self.reports[name] = self.report_of(name)

    @rule(name=st.sampled_from(HOLDERS))
    def renew(self, name):
        self.held[name] = self.world.certificate()

    @rule(
        lagging=st.sets(st.sampled_from((*CONSUMERS, *HOLDERS)), max_size=2),
        seconds=st.sampled_from([20, HOUR, 5 * HOUR]),
    )
    def all_but_some_do_their_part(self, lagging, seconds):
        for name in CONSUMERS:
            self.report_without_following(name) if name in lagging else self.follow(name)
        for name in HOLDERS:
            if name not in lagging:
                self.renew(name)
        self.now += timedelta(seconds=seconds)
        if self.rotation is not None:
            self.look()

    @rule(seconds=st.sampled_from([1, 20, HOUR, 5 * HOUR]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def clock_is_set_back(self):
        self.now -= timedelta(hours=1)

    @invariant()
    def whoever_is_heard_of_accepts_what_is_in_use(self):
        if not hasattr(self, "world"):
            return
        if self.rotation is not None and self.out_of_patience():
            return
        for name in filter(self.is_heard_of, CONSUMERS):
            trusted = self.bundles[name][1]
            for holder, held in {**self.held, "whoever comes now": self.world.certificate()}.items():
                assert held.roots & trusted, f"{name} trusts {trusted} and refuses {holder} with {held}"

    def out_of_patience(self):
        waited = epoch_seconds(self.now) - self.rotation.started_at
        return waited > TIMING.patience.total_seconds()

    @invariant()
    def one_issuing_ca_signs_and_its_root_is_trusted(self):
        if not hasattr(self, "world"):
            return
        assert self.world.root_of[self.world.active()] in self.world.roots()
        if self.rotation is None:
            assert len(self.world.ids("intermediate", "active", "passive", "pending")) == 1
            assert len(self.world.roots()) == 1
            assert self.world.ids("cross", "active") == []

    def teardown(self):
        """Everybody follows from now on: whatever is under way ends, within the time that its phases take."""
        if getattr(self, "rotation", None) is None:
            return
        for _ in range(30):  # time enough even for a clock that was set back at every step
            for name in CONSUMERS:
                self.follow(name)
            for name in HOLDERS:
                self.renew(name)
            self.now += timedelta(hours=3)
            for name in CONSUMERS:
                self.follow(name)
            if self.rotation is not None:
                self.look()
        assert self.rotation is None


Rotations.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestRotations = Rotations.TestCase


def test_an_emergency_waits_for_nothing():
    rotation = SimpleNamespace(phase="publishing", haste="emergency", entered_at=0, generation=2)
    observed = Observations(now=0, consumers_behind=[object()], replicas_behind=[object()], in_use=[object()])

    assert decide(rotation, observed, TIMING).phase is Phase.SIGNING
    assert decide(rotation, observed, TIMING).goes_on
