"""Rotations move by one hand at a time, whole or not at all; consumers, replicas, and certificates that are still in use."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from store.audit import AuditTrail
from store.authorities import Authorities
from store.errors import AlreadyExists, NotFound
from store.inventory import Inventory
from store.records import Replica, RotationRecord, TrustConsumer
from store.rotations import Move, Rotations
from tests.store.samples import ALICE, DAY, NOW, authority, event, issuance, octets


def rotation(**changes: object) -> RotationRecord:
    sample = RotationRecord(
        id=octets(16).hex(),
        kind="root",
        phase="publishing",
        haste="now",
        step=0,
        generation=0,
        incoming=(),
        outgoing=(),
        aborted=False,
        started_at=NOW,
        entered_at=NOW,
    )
    return replace(sample, **changes)  # type: ignore[arg-type] # whatever a test says


def move(record: RotationRecord, **changes: object) -> Move:
    return Move(rotation=record, event=event("rotation.move", record.id), **changes)  # type: ignore[arg-type] # as above


def test_a_rotation_begins_with_its_authorities_and_the_generation_they_lead_to(
    rotations: Rotations, authorities: Authorities, audit_trail: AuditTrail
) -> None:
    old = authorities.add(authority(), event())
    new = authority()
    begun = rotations.begin(
        move(rotation(incoming=(new.id,), outgoing=(old.id,)), added=[(new, event("authority.create", new.id))])
    )

    assert begun.generation == authorities.generation() == 2
    assert rotations.current() == rotations.latest() == begun
    assert [one.id for one in authorities.list()] == [old.id, new.id]
    assert audit_trail.verify_chain() == 3


def test_while_one_is_under_way_no_other_begins_and_nothing_of_it_is_kept(
    rotations: Rotations, authorities: Authorities, audit_trail: AuditTrail
) -> None:
    begun = rotations.begin(move(rotation()))

    with pytest.raises(AlreadyExists):
        rotations.begin(move(rotation(), added=[(authority(), event())]))

    assert authorities.list() == ()
    assert audit_trail.verify_chain() == 1
    assert rotations.current() == begun


def test_of_many_who_move_it_on_one_does(rotations: Rotations, authorities: Authorities) -> None:
    root = authorities.add(authority(), event())
    begun = rotations.begin(move(rotation()))
    onward = move(replace(begun, step=1, phase="signing"), states=[(root.id, "retired", event())])

    with ThreadPoolExecutor(4) as pool:
        moved = [one for one in pool.map(lambda _: rotations.advance(onward), range(8)) if one is not None]

    assert [(one.phase, one.step, one.generation) for one in moved] == [("signing", 1, 2)]
    assert rotations.current() == moved[0]


def test_a_move_from_a_step_that_is_past_changes_nothing(rotations: Rotations, authorities: Authorities) -> None:
    root = authorities.add(authority(), event())
    begun = rotations.begin(move(rotation()))
    rotations.advance(move(replace(begun, step=1, phase="signing")))

    assert rotations.advance(move(replace(begun, step=1), states=[(root.id, "retired", event())])) is None

    assert authorities.list() == (root,)


def test_a_finished_rotation_stays_for_the_record_and_another_may_begin(rotations: Rotations) -> None:
    begun = rotations.begin(move(rotation()))
    finished = rotations.advance(move(replace(begun, step=1, phase="stable", finished_at=NOW + 1)))

    assert rotations.current() is None
    assert rotations.latest() == finished
    assert rotations.advance(move(replace(begun, step=2))) is None
    assert rotations.begin(move(rotation(kind="issuer"))).kind == "issuer"


def test_an_unknown_rotation_cannot_be_moved(rotations: Rotations) -> None:
    with pytest.raises(NotFound):
        rotations.advance(move(rotation(step=1)))


def test_consumers_are_listed_by_how_far_behind_they_are_and_forgotten_when_silent(rotations: Rotations) -> None:
    for name, generation, at in (("a", 3, NOW), ("b", 2, NOW), ("c", 2, NOW - 10), ("d", 1, NOW - DAY), ("a", 4, NOW)):
        rotations.report(TrustConsumer(name=name, generation=generation, reported_at=at))

    assert [(one.name, one.generation) for one in rotations.consumers(reported_since=NOW - 60)] == [
        ("c", 2),
        ("b", 2),
        ("a", 4),
    ]


def test_consumers_count_no_more_whose_certificate_was_revoked_unless_another_takes_its_place(
    rotations: Rotations, inventory: Inventory
) -> None:
    kept, gone, superseded = held = [issuance() for _ in range(3)]
    inventory.record(held)
    for one in held:
        record = one.certificate
        rotations.report(TrustConsumer(name=record.id, generation=1, reported_at=NOW, serial=record.serial))
    rotations.report(TrustConsumer(name="elsewhere", generation=1, reported_at=NOW, serial=b"\x01"))
    inventory.revoke(gone.certificate.id, at=NOW, reason=5, event=event())
    inventory.revoke(superseded.certificate.id, at=NOW, reason=4, event=event())

    counted = {one.name for one in rotations.consumers(reported_since=NOW - 60)}

    assert counted == {kept.certificate.id, superseded.certificate.id, "elsewhere"}


def test_replicas_that_are_silent_are_forgotten(rotations: Rotations) -> None:
    rotations.beat(Replica(id="one", view="x", seen_at=NOW), forget_before=0)
    rotations.beat(Replica(id="two", view="x", seen_at=NOW + 50), forget_before=NOW)
    rotations.beat(Replica(id="two", view="y", seen_at=NOW + 99), forget_before=NOW + 1)

    assert rotations.replicas(seen_since=0) == (Replica(id="two", view="y", seen_at=NOW + 99),)


def test_certificates_in_use_are_valid_ones_of_these_issuers_that_were_not_renewed(inventory: Inventory) -> None:
    renewed, revoked, expired, other, responder, serving, used, longer = (
        issuance(issuer_id=issuer, profile=profile, not_after=NOW + ends, requester=requester)
        for issuer, profile, ends, requester in (
            ("old", "server", DAY, ALICE),
            ("old", "server", DAY, ALICE),
            ("old", "server", -1, ALICE),
            ("new", "server", DAY, ALICE),
            ("old", "ocsp", DAY, "local"),
            ("old", "server", DAY, "local"),
            ("old", "client", DAY, "local"),
            ("older", "client", 2 * DAY, ALICE),
        )
    )
    inventory.record([renewed, revoked, expired, other, responder, serving, used, longer])
    inventory.record([issuance(issuer_id="new", renewed_from=renewed.certificate.id)])
    inventory.revoke(revoked.certificate.id, at=NOW, reason=1, event=event())

    found = inventory.in_use(["old", "older"], now=NOW, limit=10)

    assert [one.id for one in found] == [longer.certificate.id, used.certificate.id]
    assert inventory.in_use(["old"], now=NOW + DAY + 1) == ()


def test_certificate_is_in_use_until_what_follows_it_has_settled(inventory: Inventory) -> None:
    held = issuance(issuer_id="old", not_after=NOW + DAY)
    inventory.record([held])
    inventory.record([issuance(issuer_id="new", renewed_from=held.certificate.id)])

    found = [bool(inventory.in_use(["old"], now=now, settle=15)) for now in (NOW - 60, NOW, NOW + 14, NOW + 15)]

    assert found == [True, True, True, False]
