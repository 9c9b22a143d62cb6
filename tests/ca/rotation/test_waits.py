"""What a rotation waits for beside phases and consumers: listeners, replicas, answers on their way; and what is told of one that is
overtaken."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ca.errors import RotationUnderWay
from ca.metrics import Metrics
from ca.serving import ServingCertificate, serving_names
from certs.keys import generate_private_key
from tests.ca.rotation.worlds import ADMINISTRATOR, Holder, phase, settle


class OvertakenKeys:
    """Keeps keys; each time, somebody else has acted meanwhile."""

    def __init__(self, keys, act):
        self.keys, self.act = keys, act

    def put(self, authority_id, key):
        self.keys.put(authority_id, key)
        self.act()

    def get(self, authority_id):
        return self.keys.get(authority_id)

    def has(self, authority_id):
        return self.keys.has(authority_id)


@pytest.mark.parametrize("kind", ["issuer", "root", "request"])
def test_what_another_replica_has_begun_meanwhile_is_all_that_is_told(office, logs, kind):
    def begin(keeper):
        return keeper.request(ADMINISTRATOR) if kind == "request" else keeper.start(kind, "now", ADMINISTRATOR)

    first = office.rotations
    begun = []
    keys = OvertakenKeys(first.moves.keys, lambda: begun or begun.append(begin(first)))
    late = replace(first, moves=replace(first.moves, keys=keys))

    if kind == "request":
        assert begin(late) == begun[0]
        made = {begun[0].authority_id}
    else:
        with pytest.raises(RotationUnderWay):
            begin(late)
        made = set(begun[0].incoming)

    told = [event["id"] for event in logs if event["event"] == "authority"]
    audited = {event.subject_id for event in office.audit.page().items if event.action.startswith("authority.")}
    assert sorted(told) == sorted(made)
    assert audited == made | {one.id for one in office.authorities.list()}


def test_what_goes_stays_in_trust_until_the_listeners_of_each_replica_show_what_signs(office, premises):
    shown = {"itself": True, "other": True}
    keeper, other = office.rotations, replace(office.rotations, replica_id="other")
    keeper.attend(lambda: shown["itself"])
    other.attend(lambda: shown["other"])

    def phases(minutes=3):
        for _ in range(6 * minutes):
            premises.clock.advance(timedelta(seconds=10))
            keeper.look()
            other.look()
        return phase(office)

    keeper.start("root", "now", ADMINISTRATOR)
    while phase(office) == "publishing":
        premises.clock.advance(timedelta(seconds=1))
        keeper.look()
    shown.update(itself=False, other=False)
    lagging = [(phases(), keeper.status().decision.waits)]
    shown["itself"] = True
    lagging.append((phases(), keeper.status().decision.waits))
    seen_by_the_other = other.status().decision.waits
    shown["other"] = True

    what = "without the hierarchy, its keys, or a serving certificate of what signs"
    assert [where for where, _waits in lagging] == ["signing", "signing"]
    assert [wait for _where, (wait,) in lagging] == [
        f"2 replicas {what}: {keeper.replica_id}, other",
        f"1 replica {what}: other",
    ]
    assert seen_by_the_other == (f"1 replica {what}: other",)
    assert phases() == "stable"


def test_an_emergency_does_not_wait_for_listeners(office):
    office.rotations.attend(lambda: False)
    office.rotations.start("root", "emergency", ADMINISTRATOR)
    while office.rotations.look():
        pass

    assert phase(office) == "stable"


@pytest.mark.parametrize("settle_seconds", [1, 15])
def test_each_phase_lasts_for_the_least_time_whatever_the_fraction_of_a_second(premises, settle_seconds):
    premises.clock.advance(timedelta(milliseconds=990))
    with premises.open(rotation_settle=f"{settle_seconds}s") as office:
        office.rotations.start("issuer", "now", ADMINISTRATOR)
        premises.clock.advance(timedelta(seconds=settle_seconds, milliseconds=-10))
        too_early = office.rotations.look()
        premises.clock.advance(timedelta(seconds=1, milliseconds=20))

        assert (too_early, office.rotations.look()) == (False, True)


def test_a_renewal_of_a_moment_ago_is_given_time_to_arrive(office, premises):
    holder = Holder(office, "web.example")
    office.rotations.start("issuer", "now", ADMINISTRATOR)
    settle(office, premises.clock)

    holder.renew()
    premises.clock.advance(timedelta(seconds=10))
    at_once = office.rotations.look(), phase(office)
    premises.clock.advance(timedelta(seconds=10))

    assert at_once == (False, "signing")
    assert office.rotations.look()


def test_serving_certificate_is_present_once_every_listener_has_the_one_of_what_signs(office, premises):
    serving = ServingCertificate(
        authority=office.authority,
        issuers=office.issuers,
        names=serving_names((), "replica"),
        key_factory=generate_private_key,
        clock=premises.clock,
        metrics=Metrics(),
    )
    office.rotations.attend(serving.is_present)
    while_it_is_told = []
    serving.subscribe(lambda _pair: while_it_is_told.append(serving.is_present()))
    before = [serving.is_present()]
    serving.renew()
    before.append(serving.is_present())

    office.rotations.start("root", "now", ADMINISTRATOR)
    settle(office, premises.clock)
    lagging = serving.is_present(), phase(office)
    serving.renew()
    settle(office, premises.clock)

    assert before == [True, True]
    assert lagging == (False, "signing")
    assert while_it_is_told == [False, False]
    assert phase(office) == "retiring"  # its chain has the cross-certificate still
    serving.renew()
    settle(office, premises.clock)
    assert phase(office) == "stable"
