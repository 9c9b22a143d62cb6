"""Who may see, revoke and fetch what: the requester, the holder, whoever policy says; to others it is not there."""

import pytest

from ca.callers import Caller
from ca.errors import AlreadyRevoked, CertificateNotFound, Internal, KeyNotFound, NotTheOwner, PolicyDenied
from ca.office import Office
from certs.keys import KeyType, generate_private_key, load_private_key
from certs.pem import load_certificate
from store.records import AuditEvent, CertificateFilter, CertificateRecord
from tests.ca.offices import (
    NOW,
    Premises,
    administrator,
    call_of,
    order_for,
    registry_of,
    request_for,
    workload,
)

READER = Caller.hypothetical(common_name="reader")
READERS_RULE = """
  - name: readers
    callers: [{certificate: {common_names: [reader]}}]
    operations: [read]
    profiles: ["*"]
    names: any
    subject: any
"""


def workloads_own(office: Office, name: str = "web", **fields: object) -> CertificateRecord:
    key = generate_private_key(KeyType.EC_P256)
    request = request_for(uris=(f"spiffe://cluster.local/ns/shop/sa/{name}",), key=key)
    order = order_for(request=request, profile="workload", caller=workload(name), server_key=key, **fields)
    return office.authority.issue(order)


def allow_readers(office: Office) -> None:
    policy = office.settings.policy_file
    policy.write_text(policy.read_text() + READERS_RULE)
    assert office.policy.refresh()


def events_about(office: Office, subject_id: str) -> list[AuditEvent]:
    return list(office.audit.page(subject_id=subject_id).items)


def test_requester_finds_its_certificate_by_id_and_by_serial(office: Office) -> None:
    record = workloads_own(office)

    registry = registry_of(office)

    assert registry.find(call_of(workload()), record.id) == record
    assert registry.find(call_of(workload()), record.serial.hex()) == record


def test_holder_finds_a_certificate_that_another_asked_for(office: Office) -> None:
    record = office.authority.issue(order_for("web.example", profile="peer"))
    holder = Caller.from_certificate(load_certificate(record.der))

    assert registry_of(office).find(call_of(holder), record.id) == record


def test_certificate_of_another_looks_like_one_that_is_not_there(office: Office) -> None:
    record = workloads_own(office)
    registry = registry_of(office)

    with pytest.raises(CertificateNotFound) as hidden:
        registry.find(call_of(workload("other")), record.id)
    with pytest.raises(CertificateNotFound) as absent:
        registry.find(call_of(workload("other")), "0" * 32)

    assert str(hidden.value).replace(record.id, "") == str(absent.value).replace("0" * 32, "")


@pytest.mark.parametrize("text", ["", "x", "0" * 31, "0" * 33, "g" * 32, "\x00", "é" * 16, "' or 1=1 --", "0x" * 16])
def test_what_is_no_id_is_not_found(office: Office, text: str) -> None:
    with pytest.raises(CertificateNotFound):
        registry_of(office).find(call_of(administrator()), text)


def test_listing_needs_a_rule(office: Office) -> None:
    registry = registry_of(office)
    workloads_own(office)

    with pytest.raises(PolicyDenied):
        registry.search(call_of(workload()), CertificateFilter(), page_size=10, page_token="")
    assert registry.search(call_of(administrator()), CertificateFilter(), page_size=10, page_token="").items


def test_revocation_counts_at_once_and_is_audited(office: Office) -> None:
    record = workloads_own(office)

    revoked = registry_of(office).revoke(call_of(workload()), record.id, reason=4)

    assert (revoked.revoked_at, revoked.revocation_reason) == (int(NOW.timestamp()), 4)
    assert office.revocations.has_serial(record.serial)
    assert [event.action for event in events_about(office, record.id)] == ["certificate.revoke", "certificate.issue"]


def test_second_revocation_is_refused_and_changes_nothing(office: Office) -> None:
    record = workloads_own(office)
    registry = registry_of(office)
    registry.revoke(call_of(workload()), record.id, reason=4)

    with pytest.raises(AlreadyRevoked):
        registry.revoke(call_of(administrator()), record.id, reason=1)
    assert office.inventory.find(record.id).revocation_reason == 4
    assert len(events_about(office, record.id)) == 2


def test_stranger_cannot_revoke_and_a_reader_learns_why(premises: Premises) -> None:
    with premises.open() as office:
        allow_readers(office)
        record = workloads_own(office)
        registry = registry_of(office)

        with pytest.raises(CertificateNotFound):
            registry.revoke(call_of(workload("other")), record.id, reason=1)
        with pytest.raises(NotTheOwner, match="administrator"):
            registry.revoke(call_of(READER), record.id, reason=1)
        assert office.inventory.find(record.id).revoked_at is None


def test_key_is_fetched_once(office: Office) -> None:
    record = workloads_own(office)
    registry = registry_of(office)

    key = load_private_key(registry.take_private_key(call_of(workload()), record.id))

    assert key.public_key() == load_certificate(record.der).public_key()
    assert not office.inventory.find(record.id).has_private_key
    assert events_about(office, record.id)[0].action == "key.fetch"
    with pytest.raises(KeyNotFound, match="fetched before"):
        registry.take_private_key(call_of(workload()), record.id)


def test_key_of_another_is_refused_and_stays(office: Office) -> None:
    record = workloads_own(office)
    registry = registry_of(office)

    with pytest.raises(NotTheOwner, match="another identity"):
        registry.take_private_key(call_of(workload("other")), record.id)
    assert registry.take_private_key(call_of(administrator()), record.id)


def test_holder_cannot_fetch_a_key_that_another_asked_for(office: Office) -> None:
    """A stolen certificate whose key was never fetched must not fetch it."""
    key = generate_private_key(KeyType.EC_P256)
    order = order_for(request=request_for("web.example", key=key), profile="peer", server_key=key)
    record = office.authority.issue(order)
    holder = Caller.from_certificate(load_certificate(record.der))

    with pytest.raises(NotTheOwner):
        registry_of(office).take_private_key(call_of(holder), record.id)


def test_key_made_by_its_holder_is_not_here(office: Office) -> None:
    record = office.authority.issue(order_for("web.example"))

    with pytest.raises(KeyNotFound, match="made by its holder"):
        registry_of(office).take_private_key(call_of(administrator()), record.id)


def test_key_is_not_kept_beyond_its_retention(premises: Premises) -> None:
    with premises.open(key_retention="10m") as office:
        record = workloads_own(office)
        premises.clock.instant += office.settings.issuance.key_retention

        with pytest.raises(KeyNotFound, match="kept too long"):
            registry_of(office).take_private_key(call_of(workload()), record.id)


def test_sealed_key_does_not_open_for_another_certificate(office: Office) -> None:
    box = office.sealing_key.seal(b"secret", subject_id="a" * 32)

    assert office.sealing_key.open(box, subject_id="a" * 32) == b"secret"
    with pytest.raises(Internal):
        office.sealing_key.open(box, subject_id="b" * 32)
    with pytest.raises(Internal):
        office.sealing_key.open(box[:-1] + bytes([box[-1] ^ 1]), subject_id="a" * 32)
