"""Two replicas and one rotation, step by step, under a clock that the test moves: led by any of them, followed by all.

A replica that dies is one that does nothing more from some instant on: between two writes, before a commit or after it.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from ca.ambient import Secrets
from ca.errors import RotationUnderWay
from ca.issuers import Issuers
from ca.office import Office
from ca.rotation.keeper import RotationKeeper
from ca.rotation.machine import Phase
from certs.errors import WrongPassphrase
from certs.keys import generate_private_key
from store.audit import AuditTrail
from store.errors import IssuerRetired
from store.keys_at_rest import KeysAtRest
from tests.ca.offices import CountedEntropy, FixedClock, Premises, order_for
from tests.ca.replicas.replicas import at_once
from tests.ca.rotation.worlds import ADMINISTRATOR, Holder

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

SECRETS = Secrets(passphrase=b"correct horse")
KINDS = pytest.mark.parametrize("kind", ["issuer", "root"])


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Replicas:
    """Each a whole authority on connections of its own; one clock for both."""

    clock: FixedClock
    one: Office
    two: Office

    def looks(self, *offices: Office) -> bool:
        moved = [office.rotations.look() for office in offices or (self.one, self.two)]
        return any(moved)

    def settle(self, *offices: Office) -> list[str]:
        """Lets these look as minutes go by until nothing moves; the phases that were seen."""
        phases, still = [phase_of(self.one)], 0
        while still < 6:
            self.clock.advance(timedelta(seconds=20))
            still = 0 if self.looks(*offices) else still + 1
            if phases[-1] != phase_of(self.one):
                phases.append(phase_of(self.one))
        return phases


@pytest.fixture
def replicas(tmp_path, postgresql_url):
    clock = FixedClock()
    with contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(
                Premises(directory=tmp_path / name, clock=clock, entropy=CountedEntropy(start)).open(
                    database=postgresql_url, secrets=SECRETS, host_name=name
                )
            )
            for name, start in (("one", 0), ("two", 1_000_000))
        )
        both = Replicas(clock, one, two)
        both.looks()
        yield both


def phase_of(office: Office) -> str:
    rotation = office.rotations.rotations.latest()
    return "none" if rotation is None else rotation.phase


def active(office: Office) -> str:
    return office.issuers.active().id


def states(office: Office) -> list[tuple[str, str]]:
    return [(record.profile, record.state) for record in office.authorities.list()]


def verify_whole(replicas: Replicas) -> None:
    """One hierarchy for both, in which one issuing CA signs, with its key; and an audit trail that fits."""
    replicas.looks()
    assert replicas.one.issuers.records == replicas.two.issuers.records
    assert replicas.one.issuers.view == replicas.two.issuers.view
    assert [state for profile, state in states(replicas.one) if profile == "intermediate"].count("active") == 1
    for office in (replicas.one, replicas.two):
        record = office.authority.issue(order_for("after.example"))
        assert record.issuer_id == active(replicas.one)
    AuditTrail(replicas.one.database).verify_chain()


@KINDS
def test_either_leads_and_both_follow(replicas, kind):
    before = active(replicas.one)
    replicas.one.rotations.start(kind, "now", ADMINISTRATOR)
    replicas.looks()

    phases = replicas.settle()

    assert phases == ["publishing", "signing", "retiring", "stable"]
    assert active(replicas.two) == active(replicas.one) != before
    verify_whole(replicas)


@pytest.mark.parametrize("phase", ["publishing", "signing", "retiring"])
def test_a_replica_that_dies_in_any_phase_is_waited_for_a_minute_and_no_longer(replicas, phase):
    replicas.one.rotations.start("root", "now", ADMINISTRATOR)
    while phase_of(replicas.one) != phase:
        replicas.clock.advance(timedelta(seconds=20))
        replicas.looks()
    replicas.looks()

    replicas.settle(replicas.two)

    assert phase_of(replicas.two) == "stable"
    verify_whole(replicas)


@dataclass
class Dying:
    """Stands before another object; the call of `method` kills, before it is done or after it."""

    behind: Any
    method: str
    done: bool

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.behind, name)
        return self._kill if name == self.method else found

    def _kill(self, *arguments: Any, **named: Any) -> None:
        if self.done:
            getattr(self.behind, self.method)(*arguments, **named)
        raise Killed


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_putting_the_key_away_nothing_has_begun_and_the_other_may(replicas, done):
    keeper = replicas.one.rotations
    before = states(replicas.two)
    dying = replace(keeper, moves=replace(keeper.moves, keys=Dying(keeper.moves.keys, "put", done)))
    with pytest.raises(Killed):
        dying.start("root", "now", ADMINISTRATOR)
    assert (phase_of(replicas.two), states(replicas.two)) == ("none", before)

    replicas.two.rotations.start("root", "now", ADMINISTRATOR)
    replicas.settle(replicas.two)

    assert phase_of(replicas.two) == "stable"
    verify_whole(replicas)
    known = {record.id for record in replicas.two.authorities.list()}
    assert len(set(KeysAtRest(replicas.two.database).ids()) - known) == done


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(4))
def test_killed_at_any_write_of_a_rotation_the_other_goes_on(replicas, step, done):
    keeper = replicas.one.rotations
    if step:
        keeper.start("root", "now", ADMINISTRATOR)
    for _ in range(step - 1):
        at = phase_of(replicas.one)
        while phase_of(replicas.one) == at:
            replicas.clock.advance(timedelta(seconds=20))
            replicas.looks()
    replicas.looks()
    replicas.clock.advance(timedelta(seconds=20))
    dying = replace(keeper, rotations=Dying(keeper.rotations, "advance" if step else "begin", done))
    with pytest.raises(Killed):
        dying.look() if step else dying.start("root", "now", ADMINISTRATOR)

    if not step and not done:
        assert phase_of(replicas.two) == "none"
        replicas.two.rotations.start("root", "now", ADMINISTRATOR)
    replicas.settle(replicas.two)

    assert phase_of(replicas.two) == "stable"
    verify_whole(replicas)


def test_of_two_that_begin_at_once_one_does(replicas):
    outcomes = at_once(
        [lambda one=one: one.rotations.start("issuer", "now", ADMINISTRATOR) for one in (replicas.one, replicas.two)]
    )

    assert sorted(isinstance(outcome, RotationUnderWay) for outcome in outcomes) == [False, True]
    assert len([1 for _profile, state in states(replicas.one) if state == "pending"]) == 1
    replicas.looks()
    replicas.settle()
    verify_whole(replicas)


def test_of_two_that_step_at_once_one_does(replicas):
    replicas.one.rotations.start("root", "now", ADMINISTRATOR)
    replicas.looks()
    steps = []
    while phase_of(replicas.one) != "stable":
        replicas.clock.advance(timedelta(seconds=20))
        replicas.looks(replicas.one) or replicas.looks(replicas.two)  # one of them, so that both are in the same phase
        replicas.clock.advance(timedelta(seconds=20))
        before = replicas.one.rotations.rotations.latest().step
        moved = at_once([replicas.one.rotations.look, replicas.two.rotations.look])
        after = replicas.one.rotations.rotations.latest().step
        assert all(isinstance(one, bool) for one in moved), moved
        assert sum(moved) == after - before
        steps.append(sum(moved))
    assert sum(steps) >= 1
    verify_whole(replicas)


def test_a_replica_that_has_not_followed_holds_it_up_and_is_named(replicas):
    replicas.one.rotations.start("issuer", "now", ADMINISTRATOR)
    for _ in range(20):
        replicas.clock.advance(timedelta(seconds=20))
        beat_without_looking(replicas.two)
        assert not replicas.one.rotations.look()

    (wait,) = replicas.one.rotations.status().decision.waits
    assert wait.startswith("1 replica without the hierarchy, its keys, or a serving certificate of what signs: two-")
    assert replicas.looks()


def beat_without_looking(office: Office) -> None:
    office.rotations._beat(int(office.clock().timestamp()))


@dataclass
class KeylessKeys:
    """Lacks the keys that were not there at the beginning, or cannot open them."""

    behind: Any
    known: tuple[str, ...]
    sealed: bool

    def has(self, authority_id: str) -> bool:
        return authority_id in self.known or self.sealed

    def get(self, authority_id: str) -> Any:
        if authority_id not in self.known:
            raise WrongPassphrase("the passphrase does not open it")
        return self.behind.get(authority_id)


@pytest.mark.parametrize("sealed", [False, True], ids=["without the key", "with a key that it cannot open"])
def test_a_replica_that_cannot_sign_as_the_new_one_holds_it_up_and_is_named(replicas, sealed):
    keeper = replicas.two.rotations
    keys = KeylessKeys(keeper.moves.keys, tuple(keeper.moves.keys.ids()), sealed)
    issuers = Issuers(replicas.two.authorities, keys, generate_private_key)
    lacking = replace(keeper, issuers=issuers, moves=replace(keeper.moves, issuers=issuers))
    replicas.one.rotations.start("issuer", "now", ADMINISTRATOR)
    for _ in range(12):
        replicas.clock.advance(timedelta(seconds=20))
        with pytest.raises(WrongPassphrase) if sealed else contextlib.nullcontext():
            lacking.look()
        assert not replicas.one.rotations.look()

    (wait,) = replicas.one.rotations.status().decision.waits
    assert wait.startswith("1 replica without the hierarchy, its keys, or a serving certificate of what signs: two-")
    assert phase_of(replicas.one) == "publishing"

    replicas.settle()
    assert phase_of(replicas.one) == "stable"
    verify_whole(replicas)


def test_a_consumer_that_goes_from_replica_to_replica_is_not_led_back(replicas):
    """It has the new root from one of them, and asks the other, which has not looked since."""
    replicas.one.rotations.start("root", "now", ADMINISTRATOR)
    new = replicas.one.issuers.bundle
    replicas.one.rotations.report("roaming", new.generation)

    replicas.two.rotations.report("roaming", new.generation)

    assert replicas.two.issuers.bundle.generation == new.generation == 2
    assert replicas.two.issuers.bundle.roots == new.roots
    assert [one.generation for one in replicas.one.rotations.status().consumers] == [2]


def test_a_replica_that_stops_is_not_waited_for(replicas):
    replicas.one.rotations.start("issuer", "now", ADMINISTRATOR)
    beat_without_looking(replicas.two)
    replicas.clock.advance(timedelta(seconds=20))
    assert not replicas.one.rotations.look()

    replicas.two.rotations.leave()

    assert replicas.one.rotations.look()


def test_what_begins_is_worked_out_from_the_hierarchy_as_it_is(replicas):
    """The other has replaced the root a moment ago, and this one has not looked since."""
    emergency(replicas.one, "root")

    replicas.two.rotations.start("issuer", "now", ADMINISTRATOR)
    replicas.settle()

    assert [state for profile, state in states(replicas.one) if profile == "root"] == ["retired", "active"]
    new_root = replicas.one.issuers.root_id(active(replicas.one))
    assert new_root == next(
        one.id for one in replicas.one.issuers.records if (one.profile, one.state) == ("root", "active")
    )
    verify_whole(replicas)


def test_a_step_worked_out_from_what_has_changed_since_comes_to_nothing(replicas):
    """Two leaders for a moment: one has made its new authority when the other has come and gone."""
    late = replicas.two.rotations.moves.begin("issuer", "now", ADMINISTRATOR)
    emergency(replicas.one, "root")
    before = states(replicas.one)

    with pytest.raises(RotationUnderWay):
        replicas.two.rotations._begin(late)

    assert states(replicas.one) == before
    verify_whole(replicas)


@dataclass
class Overtaken:
    """Stands before the rotations of one replica; somebody else is quicker, once, with what it would change."""

    behind: Any
    by: Callable[[], Any]
    quicker: int = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def advance(self, move: Any) -> Any:
        if self.quicker:
            self.quicker -= 1
            assert self.by()
        return self.behind.advance(move)


def overtaken(office: Office, by: Callable[[], Any]) -> RotationKeeper:
    return replace(office.rotations, rotations=Overtaken(office.rotations.rotations, by))


def test_who_aborts_is_obeyed_though_a_keeper_moves_it_on_meanwhile(replicas):
    replicas.one.rotations.start("issuer", "now", ADMINISTRATOR)
    replicas.looks(replicas.two)
    replicas.clock.advance(timedelta(seconds=20))

    aborted = overtaken(replicas.two, replicas.one.rotations.look).abort(ADMINISTRATOR)

    assert (aborted.phase, aborted.aborted) == ("signing", True)
    replicas.settle()
    verify_whole(replicas)


def test_of_two_who_abort_at_once_neither_turns_it_forward_again(replicas):
    replicas.one.rotations.start("issuer", "now", ADMINISTRATOR)

    with pytest.raises(RotationUnderWay, match="moved on"):
        overtaken(replicas.two, lambda: replicas.one.rotations.abort(ADMINISTRATOR)).abort(ADMINISTRATOR)

    assert replicas.one.rotations.status().rotation.aborted
    replicas.settle()
    verify_whole(replicas)


def test_an_emergency_leaves_nothing_that_the_old_issuing_ca_signed(replicas):
    """Though a replica that knows nothing of it yet goes on signing."""
    holder = Holder(replicas.one, "before.example")
    replicas.one.rotations.start("issuer", "emergency", ADMINISTRATOR)
    replicas.one.rotations.look()
    assert phase_of(replicas.one) == "signing"
    between = Holder(replicas.two, "between.example")
    rotation = replicas.one.rotations.rotations.current()
    move = replicas.one.rotations.moves.advance(rotation, Phase.RETIRING, ADMINISTRATOR)
    replicas.one.rotations.rotations.advance(move)  # as one that has just looked for what to revoke, and found nothing

    with pytest.raises(IssuerRetired):
        replicas.two.authority.issue(order_for("too-late.example"))
    while replicas.one.rotations.look():
        pass

    assert phase_of(replicas.one) == "stable"
    for one in (holder, between):
        assert replicas.one.inventory.find(one.record.id).revocation_reason == 2
    replicas.two.rotations.look()
    assert replicas.two.authority.issue(order_for("later.example")).issuer_id == active(replicas.one)


def emergency(office: Office, kind: str) -> None:
    office.rotations.start(kind, "emergency", ADMINISTRATOR)
    while office.rotations.look():
        pass
    assert phase_of(office) == "stable"
