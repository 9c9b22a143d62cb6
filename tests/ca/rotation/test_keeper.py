"""Rotations of a real authority, moved by its keeper, under a clock that the test moves."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from ca.errors import NoRotation, RootKeyElsewhere, RotationUnderWay
from ca.rotation.machine import Phase
from store.records import Replica
from tests.ca.rotation.worlds import ADMINISTRATOR, Consumer, Holder, phase, settle

HOUR = timedelta(hours=1)


def states(office):
    return [(record.profile, record.state) for record in office.authorities.list()]


def test_an_issuing_ca_is_replaced_once_nobody_relies_on_the_old_one(office, premises):
    holder, verifier = Holder(office, "web.example"), Consumer(office, "verifier")
    verifier.follow()
    old = office.issuers.active().id

    office.rotations.start("issuer", "now", ADMINISTRATOR)
    assert (phase(office), office.issuers.active().id) == ("publishing", old)

    settle(office, premises.clock)
    assert phase(office) == "signing"
    assert office.issuers.active().id != old
    assert holder.is_asked_to_renew
    assert verifier.accepts(holder)

    holder.renew()
    assert not holder.is_asked_to_renew
    settle(office, premises.clock)

    assert phase(office) == "stable"
    assert states(office) == [("root", "active"), ("intermediate", "retired"), ("intermediate", "active")]
    assert verifier.accepts(holder)
    assert verifier.generation == office.issuers.bundle.generation == 1


def test_a_root_is_replaced_once_every_consumer_has_followed_each_step(office, premises):
    holder, quick, slow = Holder(office, "web.example"), Consumer(office, "quick"), Consumer(office, "slow")
    quick.follow()
    slow.follow()
    (old,) = office.issuers.bundle.roots

    office.rotations.start("root", "now", ADMINISTRATOR)
    quick.follow()
    settle(office, premises.clock)
    assert phase(office) == "publishing"
    assert office.rotations.status().decision.waits == ("1 consumer without generation 2 of the trust bundle",)

    fresh = Holder(office, "early.example")
    slow.follow()
    settle(office, premises.clock)
    assert phase(office) == "signing"
    late = Holder(office, "late.example")
    assert all(consumer.accepts(one) for consumer in (quick, slow) for one in (holder, fresh, late))

    for one in (holder, fresh):
        one.renew()
    settle(office, premises.clock)
    assert phase(office) == "retiring"
    assert old not in office.issuers.bundle.roots

    for consumer in (quick, slow):
        consumer.follow()
    settle(office, premises.clock)
    assert phase(office) == "stable"
    assert all(consumer.accepts(one) for consumer in (quick, slow) for one in (holder, fresh, late))
    assert [state for profile, state in states(office) if profile == "root"] == ["retired", "active"]
    assert states(office)[3] == ("cross", "retired")


def test_who_holds_the_old_root_alone_is_led_over_the_cross_certificate(office, premises):
    behind, ahead = Consumer(office, "behind"), Consumer(office, "ahead")
    behind.follow()
    office.rotations.start("root", "now", ADMINISTRATOR)
    premises.clock.advance(timedelta(days=2))
    ahead.follow()
    Holder(office, "early.example")
    settle(office, premises.clock)

    late = Holder(office, "late.example")

    assert phase(office) == "signing"
    assert len(late.chain) == 3
    assert behind.accepts(late)
    assert ahead.accepts(late)


def test_a_consumer_that_never_reports_is_waited_for_by_time_alone(office, premises):
    office.rotations.start("root", "due", ADMINISTRATOR)
    settle(office, premises.clock)
    assert phase(office) == "publishing"

    premises.clock.advance(HOUR)
    settle(office, premises.clock)

    assert phase(office) == "stable"


def test_a_consumer_that_reports_and_does_not_follow_is_waited_for_with_patience(office, premises):
    stuck = Consumer(office, "stuck")
    stuck.follow()
    office.rotations.start("root", "now", ADMINISTRATOR)

    for _ in range(7):
        premises.clock.advance(timedelta(hours=23))
        stuck.report()
        settle(office, premises.clock)
        assert phase(office) == "publishing"
    premises.clock.advance(timedelta(hours=23))
    stuck.report()
    settle(office, premises.clock)

    assert phase(office) == "signing"


def test_a_certificate_that_is_not_renewed_is_waited_for_to_its_end(office, premises):
    holder = Holder(office, "web.example")
    office.rotations.start("issuer", "now", ADMINISTRATOR)
    premises.clock.advance(timedelta(hours=23))
    settle(office, premises.clock)
    assert phase(office) == "signing"
    assert office.rotations.status().observed.in_use[0].id == holder.record.id

    premises.clock.advance(timedelta(hours=2))
    settle(office, premises.clock)

    assert phase(office) == "stable"


def test_after_a_suspend_nobody_counts_as_silent_for_a_while(office, premises):
    asleep = Consumer(office, "asleep")
    asleep.follow()
    office.rotations.start("root", "now", ADMINISTRATOR)
    premises.clock.advance(timedelta(days=3))

    office.rotations.look()
    assert phase(office) == "publishing"
    assert "consumers that could not report while this server was away" in office.rotations.status().decision.waits
    asleep.report()
    settle(office, premises.clock)
    assert phase(office) == "publishing"

    asleep.follow()
    settle(office, premises.clock)
    assert phase(office) == "retiring"


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_by_an_hour_cuts_nobody_off(office, premises, jump):
    holder, consumer = Holder(office, "web.example"), Consumer(office, "consumer")
    consumer.follow()
    office.rotations.start("root", "now", ADMINISTRATOR)
    premises.clock.advance(jump)
    settle(office, premises.clock)
    assert phase(office) == "publishing"

    consumer.follow()
    premises.clock.advance(2 * HOUR)
    settle(office, premises.clock)

    assert phase(office) == "signing"
    assert consumer.accepts(Holder(office, "new.example"))
    assert consumer.accepts(holder)


def test_the_emergency_waits_for_nobody_and_revokes_what_the_old_one_signed(office, premises):
    holder, consumer = Holder(office, "web.example"), Consumer(office, "consumer")
    consumer.follow()
    (old,) = office.issuers.bundle.roots

    office.rotations.start("root", "emergency", ADMINISTRATOR)
    while office.rotations.look():
        pass

    assert phase(office) == "stable"
    assert old not in office.issuers.bundle.roots
    assert office.inventory.find(holder.record.id).revocation_reason == 2
    assert office.revocations.has_serial(holder.record.serial)
    consumer.follow()
    assert not consumer.accepts(holder)
    assert consumer.accepts(Holder(office, "new.example"))


def test_one_at_a_time_but_an_emergency_makes_haste_with_the_one_under_way(office):
    consumer = Consumer(office, "consumer")
    consumer.follow()
    office.rotations.start("root", "due", ADMINISTRATOR)
    with pytest.raises(RotationUnderWay):
        office.rotations.start("root", "due", ADMINISTRATOR)
    with pytest.raises(RotationUnderWay):
        office.rotations.start("issuer", "emergency", ADMINISTRATOR)

    office.rotations.start("root", "emergency", ADMINISTRATOR)
    while office.rotations.look():
        pass

    assert phase(office) == "stable"


def test_aborted_before_anything_was_signed_the_new_root_is_withdrawn(office, premises):
    consumer = Consumer(office, "consumer")
    consumer.follow()
    (old,) = office.issuers.bundle.roots
    office.rotations.start("root", "now", ADMINISTRATOR)
    consumer.follow()

    office.rotations.abort(ADMINISTRATOR)
    assert (phase(office), office.issuers.bundle.roots) == ("retiring", (old,))
    consumer.follow()
    settle(office, premises.clock)

    assert phase(office) == "stable"
    assert states(office)[:2] == [("root", "active"), ("intermediate", "active")]
    assert {state for _profile, state in states(office)[2:]} == {"retired"}


@pytest.mark.parametrize("kind", ["root", "issuer"])
def test_aborted_while_the_new_one_signs_the_old_one_signs_again(office, premises, kind):
    consumer = Consumer(office, "consumer")
    consumer.follow()
    before = states(office)
    first = office.issuers.active().id
    holder = Holder(office, "before.example")
    office.rotations.start(kind, "now", ADMINISTRATOR)
    consumer.follow()
    settle(office, premises.clock)
    between = Holder(office, "between.example")

    office.rotations.abort(ADMINISTRATOR)
    assert office.issuers.active().id == first
    assert between.is_asked_to_renew
    between.renew()
    settle(office, premises.clock)
    assert consumer.accepts(between)
    assert consumer.accepts(holder)
    consumer.follow()
    settle(office, premises.clock)

    assert phase(office) == "stable"
    assert states(office)[: len(before)] == before
    assert consumer.accepts(between)


def test_aborted_when_the_old_root_is_out_of_trust_it_is_published_again_first(office, premises):
    consumer = Consumer(office, "consumer")
    consumer.follow()
    office.rotations.start("root", "now", ADMINISTRATOR)
    consumer.follow()
    settle(office, premises.clock)
    assert phase(office) == "retiring"
    consumer.follow()
    signed_by_new = Holder(office, "new.example")

    office.rotations.abort(ADMINISTRATOR)
    assert phase(office) == "publishing"
    assert consumer.accepts(Holder(office, "meanwhile.example"))
    consumer.follow()
    settle(office, premises.clock)
    assert phase(office) == "signing"
    assert consumer.accepts(signed_by_new)
    assert consumer.accepts(Holder(office, "again.example"))


@pytest.mark.parametrize("kind", ["root", "issuer"])
def test_an_abort_that_is_repeated_does_not_begin_anew_what_was_turned_back(office, premises, kind):
    office.rotations.start(kind, "now", ADMINISTRATOR)
    office.rotations.abort(ADMINISTRATOR, kind)
    with pytest.raises(RotationUnderWay, match=f"forward again: ca-cli rotate {kind}"):
        office.rotations.abort(ADMINISTRATOR, kind)
    settle(office, premises.clock)

    assert phase(office) == "stable"
    assert {state for _profile, state in states(office)[2:]} == {"retired"}


@pytest.mark.parametrize(("under_way", "asked"), [("root", "issuer"), ("issuer", "root")])
def test_a_rotation_is_not_turned_back_by_an_order_about_another(office, under_way, asked):
    office.rotations.start(under_way, "now", ADMINISTRATOR)

    with pytest.raises(RotationUnderWay, match=f"ca-cli rotate {under_way} --abort"):
        office.rotations.abort(ADMINISTRATOR, asked)
    assert not office.rotations.status().rotation.aborted


@pytest.mark.parametrize("kind", ["root", "issuer"])
@pytest.mark.parametrize("aborted_in", ["publishing", "signing"])
def test_an_emergency_has_the_old_one_go_though_it_was_about_to_come_again(office, premises, kind, aborted_in):
    consumer = Consumer(office, "consumer")
    consumer.follow()
    old, holder = office.issuers.active().id, Holder(office, "before.example")
    office.rotations.start(kind, "now", ADMINISTRATOR)
    consumer.follow()
    if aborted_in == "signing":
        settle(office, premises.clock)
    office.rotations.abort(ADMINISTRATOR)
    assert office.issuers.active().id == old

    office.rotations.start(kind, "emergency", ADMINISTRATOR)
    while office.rotations.look():
        pass

    assert phase(office) == "stable"
    assert {record.id: record.state for record in office.issuers.records}[old] == "retired"
    assert office.revocations.has_serial(holder.record.serial)


def test_an_emergency_is_not_kept_waiting_by_another_rotation(office):
    """Whose certificates may have months to live; turning it back would wait for those, too."""
    holder = Holder(office, "before.example")
    office.rotations.start("issuer", "now", ADMINISTRATOR)
    with pytest.raises(RotationUnderWay, match=r"end it first: ca-cli rotate issuer --emergency; then again"):
        office.rotations.start("root", "emergency", ADMINISTRATOR)

    for kind in ("issuer", "root"):
        office.rotations.start(kind, "emergency", ADMINISTRATOR)
        while office.rotations.look():
            pass

    assert phase(office) == "stable"
    assert states(office)[:3] == [("root", "retired"), ("intermediate", "retired"), ("intermediate", "retired")]
    assert office.revocations.has_serial(holder.record.serial)


def test_the_haste_that_was_ordered_is_in_the_audit_trail_with_who_ordered_it(office):
    office.rotations.start("root", "due", ADMINISTRATOR)
    office.rotations.start("root", "now", ADMINISTRATOR)

    (newest,) = office.audit.page(page_size=1).items
    assert orjson.loads(newest.details)["haste"] == "now"


def test_there_is_nothing_to_abort(office):
    with pytest.raises(NoRotation):
        office.rotations.abort(ADMINISTRATOR)


def test_issuing_ca_and_root_are_replaced_at_two_thirds_of_their_lives(office, premises):
    status = office.rotations.status()
    premises.clock.instant = status.issuer_due - timedelta(minutes=5)
    office.rotations.look()
    assert office.rotations.status().rotation is None

    premises.clock.instant = status.issuer_due
    settle(office, premises.clock)
    premises.clock.advance(HOUR)
    settle(office, premises.clock)
    assert (phase(office), office.rotations.status().rotation.kind) == ("stable", "issuer")

    premises.clock.instant = status.root_due
    office.rotations.look()
    assert (phase(office), office.rotations.status().rotation.kind) == ("publishing", "root")


def test_not_automatic_where_the_operator_says_so(premises):
    with premises.open(rotation_automatic=False) as office:
        premises.clock.instant = office.rotations.status().root_due

        assert not office.rotations.look()


def test_a_root_whose_key_is_elsewhere_signs_no_new_issuing_ca(office, premises):
    root_id = office.issuers.root_id(office.issuers.active().id)
    (premises.directory / "keys" / f"{root_id}.pem").unlink()

    with pytest.raises(RootKeyElsewhere):
        office.rotations.start("issuer", "now", ADMINISTRATOR)
    for due in (office.rotations.status().issuer_due, office.rotations.status().root_due):
        premises.clock.instant = due
        assert not office.rotations.look()
        assert phase(office) is None


def test_a_root_whose_key_is_elsewhere_is_replaced_without_a_bridge_only_when_all_have_followed(office, premises):
    root_id = office.issuers.root_id(office.issuers.active().id)
    (premises.directory / "keys" / f"{root_id}.pem").unlink()
    stuck = Consumer(office, "stuck")
    stuck.follow()

    office.rotations.start("root", "now", ADMINISTRATOR)
    for _ in range(20):
        premises.clock.advance(timedelta(hours=23))
        stuck.report()
        settle(office, premises.clock)
    assert phase(office) == "publishing"

    stuck.follow()
    settle(office, premises.clock)
    assert phase(office) == "retiring"


def test_a_rotation_goes_on_where_it_stood_after_a_restart_in_any_phase(premises):
    reached = []
    for _ in range(8):
        with premises.open() as office:
            if not reached:
                office.rotations.start("root", "now", ADMINISTRATOR)
            premises.clock.advance(timedelta(minutes=10))
            office.rotations.look()
            premises.clock.advance(timedelta(minutes=10))
            office.rotations.look()
            reached.append(phase(office))
    assert reached[-1] == "stable"
    assert sorted(set(reached), key=reached.index) == reached[: len(set(reached))]


def test_of_two_keepers_that_look_at_once_one_moves_and_both_arrive(office, premises):
    other = replace(office.rotations, replica_id="other")
    office.rotations.start("issuer", "now", ADMINISTRATOR)
    premises.clock.advance(timedelta(seconds=61))
    seen = office.rotations.rotations.current()
    moved = [keeper._advance(seen, Phase.SIGNING) for keeper in (office.rotations, other)]

    assert moved == [True, False]
    assert [record.state for record in office.authorities.list()] == ["active", "passive", "active"]


def test_a_replica_that_has_not_followed_is_waited_for_until_it_is_silent(office, premises):
    office.rotations.start("issuer", "now", ADMINISTRATOR)
    premises.clock.advance(timedelta(seconds=50))
    office.rotations.look()
    at = int(premises.clock().timestamp())
    office.rotations.rotations.beat(Replica(id="other", view="old", seen_at=at), forget_before=0)
    premises.clock.advance(timedelta(seconds=20))
    assert not office.rotations.look()
    (wait,) = office.rotations.status().decision.waits
    assert wait == "1 replica without the hierarchy, its keys, or a serving certificate of what signs: other"

    premises.clock.advance(timedelta(seconds=41))
    assert office.rotations.look()


def test_a_replica_that_was_killed_is_the_same_one_when_it_comes_back(premises):
    with premises.open() as office:
        office.rotations.look()
        before = office.rotations.replica_id
    with premises.open() as office:
        office.rotations.look()

        assert [one.id for one in office.rotations.rotations.replicas(seen_since=0)] == [before]
