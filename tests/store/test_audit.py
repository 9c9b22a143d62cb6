"""The audit trail: whoever changes it gives himself away."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, update

from store.audit import AuditTrail
from store.database import Database
from store.errors import AuditChainBroken, InvalidPageToken
from store.inventory import Inventory
from store.schema import audit_events
from tests.store.samples import event, issuance


@pytest.fixture
def five(audit_trail: AuditTrail) -> AuditTrail:
    for number in range(5):
        audit_trail.append(event(subject_id=f"subject-{number % 2}", request_id=None if number % 2 else "r"))
    return audit_trail


def test_event_gets_its_number_and_hash(audit_trail: AuditTrail) -> None:
    asked = event("request.deny", details='{"name":"ü"}')

    first, second = audit_trail.append(asked), audit_trail.append(asked)

    assert replace(first, sequence=None, chain_hash=None) == asked
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.chain_hash != second.chain_hash
    assert audit_trail.page().items == (second, first)


def test_pages_are_newest_first_and_of_one_subject(five: AuditTrail) -> None:
    first = five.page(page_size=2)
    second = five.page(page_size=2, page_token=first.next_token)
    of_subject = five.page(subject_id="subject-1")

    assert [one.sequence for one in (*first.items, *second.items)] == [5, 4, 3, 2]
    assert [one.sequence for one in of_subject.items] == [4, 2]
    with pytest.raises(InvalidPageToken):
        five.page(subject_id="subject-1", page_token=first.next_token)


def test_untouched_chain_verifies(five: AuditTrail) -> None:
    assert five.verify_chain() == 5


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1},
        {"action": "other"},
        {"actor": "mallory"},
        {"subject_id": ""},
        {"request_id": ""},
        {"details": "{}"},
        {"chain_hash": bytes(32)},
        {"sequence": 9},
    ],
)
def test_altered_event_is_found(database: Database, five: AuditTrail, change: dict[str, object]) -> None:
    def tamper(connection: Connection) -> None:
        connection.execute(update(audit_events).where(audit_events.c.sequence == 2).values(**change))

    database.write(tamper)

    with pytest.raises(AuditChainBroken) as broken:
        five.verify_chain()
    assert broken.value.sequence == 2


@pytest.mark.parametrize("missing", [1, 3])
def test_removed_event_is_found(database: Database, five: AuditTrail, missing: int) -> None:
    database.write(
        lambda connection: connection.execute(delete(audit_events).where(audit_events.c.sequence == missing)).rowcount
    )

    with pytest.raises(AuditChainBroken) as broken:
        five.verify_chain()
    assert broken.value.sequence == missing


def test_long_chain_is_verified_in_parts(audit_trail: AuditTrail, database: Database) -> None:
    from store.audit import append_events

    database.write(lambda connection: append_events(connection, [event() for _ in range(2500)]))

    assert audit_trail.verify_chain() == 2500


def test_newest_events_that_were_removed_are_missed_where_their_certificates_are_still_there(
    audit_trail: AuditTrail, inventory: Inventory, database: Database
) -> None:
    for _ in range(2):
        inventory.record([issuance()])
    assert audit_trail.verify_complete() == 2

    database.write(
        lambda connection: connection.execute(delete(audit_events).where(audit_events.c.sequence > 1)).rowcount
    )

    assert audit_trail.verify_chain() == 1
    with pytest.raises(AuditChainBroken, match="audit event 2 is missing"):
        audit_trail.verify_complete()
