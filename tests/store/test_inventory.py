"""What the inventory promises, on every engine."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from store.audit import AuditTrail
from store.authorities import Authorities
from store.database import Database
from store.errors import (
    AlreadyRevoked,
    DuplicateSerial,
    InvalidPageToken,
    IssuerRetired,
    NotFound,
    TokenExpired,
    TokenSpent,
)
from store.inventory import Inventory
from store.records import CertificateFilter, CertificateRecord, InventoryCounts
from store.tokens import Tokens
from tests.store.samples import ALICE, BOB, DAY, NOW, authority, certificate, event, issuance, octets, token
from tests.threads import join


def recorded(inventory: Inventory, *issuances) -> list[CertificateRecord]:
    outcomes = inventory.record(issuances)
    assert all(isinstance(outcome, CertificateRecord) for outcome in outcomes)
    return list(outcomes)


def test_recorded_certificate_is_found_by_id_and_by_serial(inventory: Inventory) -> None:
    asked = issuance(request_id="r-1", renewed_from="b" * 32, sealed=b"sealed")

    (record,) = inventory.record([asked])

    assert record == replace(asked.certificate, sequence=1, has_private_key=True)
    assert inventory.find(record.id) == record
    assert inventory.find(record.serial.hex()) == record
    assert inventory.find_by_request(ALICE, "r-1") == record


@pytest.mark.parametrize("key", ["", "no hexadecimal", "ab", "0" * 32, "ü" * 32, "a" * 1000])
def test_what_was_never_issued_is_not_found(inventory: Inventory, key: str) -> None:
    recorded(inventory, issuance())

    with pytest.raises(NotFound):
        inventory.find(key)


def test_request_id_is_the_requesters_own(inventory: Inventory) -> None:
    alice, bob = recorded(inventory, issuance(requester=ALICE, request_id="r"), issuance(requester=BOB, request_id="r"))

    assert inventory.find_by_request(BOB, "r") == bob != alice
    with pytest.raises(NotFound):
        inventory.find_by_request(BOB, "other")


def test_empty_batch_records_nothing(inventory: Inventory, audit_trail: AuditTrail) -> None:
    assert inventory.record([]) == ()
    assert audit_trail.verify_chain() == 0


def test_retry_returns_the_earlier_record_and_leaves_no_trace(inventory: Inventory, audit_trail: AuditTrail) -> None:
    (first,) = recorded(inventory, issuance(request_id="r-1"))

    (again,) = inventory.record([issuance(request_id="r-1")])

    assert again == first
    assert inventory.counts(now=NOW).total == audit_trail.verify_chain() == 1


def test_retry_within_one_batch_returns_the_record_of_the_first(inventory: Inventory) -> None:
    first, other, again = recorded(inventory, issuance(request_id="r"), issuance(), issuance(request_id="r"))

    assert again == first
    assert [first.sequence, other.sequence] == [1, 2]


def test_taken_serial_or_id_is_refused_alone(inventory: Inventory) -> None:
    (first,) = recorded(inventory, issuance())

    same_serial, fresh, same_id = inventory.record([issuance(serial=first.serial), issuance(), issuance(id=first.id)])

    assert isinstance(same_serial, DuplicateSerial)
    assert isinstance(same_id, DuplicateSerial)
    assert inventory.find(fresh.id) == fresh
    assert fresh.sequence == 2


def test_serial_used_twice_in_one_batch_is_refused_the_second_time(inventory: Inventory) -> None:
    serial = octets(16)

    first, second = inventory.record([issuance(serial=serial), issuance(serial=serial)])

    assert inventory.find(serial.hex()) == first
    assert isinstance(second, DuplicateSerial)


def test_token_is_spent_with_the_certificate(inventory: Inventory, tokens: Tokens) -> None:
    bearer = tokens.add(token(), event())

    (record,) = recorded(inventory, issuance(token_id=bearer.id))

    spent = tokens.find(bearer.id)
    assert (spent.spent_at, spent.certificate_id) == (NOW, record.id)


def test_token_works_once_and_the_rest_of_the_batch_is_recorded(inventory: Inventory, tokens: Tokens) -> None:
    bearer = tokens.add(token(), event())

    first, second, other = inventory.record([issuance(token_id=bearer.id), issuance(token_id=bearer.id), issuance()])
    (third,) = inventory.record([issuance(token_id=bearer.id)])

    assert isinstance(first, CertificateRecord)
    assert isinstance(second, TokenSpent)
    assert isinstance(other, CertificateRecord)
    assert isinstance(third, TokenSpent)
    assert inventory.counts(now=NOW).total == 2


def test_retry_with_a_spent_token_returns_what_it_was_spent_on(inventory: Inventory, tokens: Tokens) -> None:
    bearer = tokens.add(token(), event())
    (first,) = recorded(inventory, issuance(token_id=bearer.id, request_id="r"))

    (again,) = inventory.record([issuance(token_id=bearer.id, request_id="r")])

    assert again == first


def test_expired_withdrawn_and_unknown_tokens_are_refused(inventory: Inventory, tokens: Tokens) -> None:
    expired = tokens.add(token(expires_at=NOW), event())
    withdrawn = tokens.add(token(), event())
    tokens.delete(withdrawn.id, at=NOW, event=event())

    outcomes = inventory.record([issuance(token_id=id_) for id_ in (expired.id, withdrawn.id, "unknown")])

    assert [type(outcome) for outcome in outcomes] == [TokenExpired, TokenSpent, TokenSpent]
    assert inventory.counts(now=NOW).total == 0
    assert tokens.find(expired.id).spent_at is None


def test_token_raced_by_many_threads_is_spent_once(inventory: Inventory, tokens: Tokens) -> None:
    bearer = tokens.add(token(), event())

    with ThreadPoolExecutor(8) as pool:
        outcomes = [one for (one,) in pool.map(inventory.record, [[issuance(token_id=bearer.id)] for _ in range(16)])]

    assert sum(isinstance(outcome, CertificateRecord) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, TokenSpent) for outcome in outcomes) == 15


def test_request_raced_by_many_threads_is_recorded_once(inventory: Inventory) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = [one for (one,) in pool.map(inventory.record, [[issuance(request_id="r")] for _ in range(16)])]

    assert len({outcome.id for outcome in outcomes}) == 1
    assert inventory.counts(now=NOW).total == 1


def test_concurrent_writers_leave_no_gap_and_one_chain(inventory: Inventory, audit_trail: AuditTrail) -> None:
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(inventory.record, [[issuance() for _ in range(size % 5 + 1)] for size in range(40)]))

    sequences = sorted(record.sequence for batch in batches for record in batch)
    assert sequences == list(range(1, len(sequences) + 1))
    assert audit_trail.verify_chain() == len(sequences)


def test_follower_misses_nothing_while_writers_race(inventory: Inventory) -> None:
    done = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        last_round = False
        while not last_round:
            last_round = done.is_set()
            seen.extend(record.sequence for record in inventory.after(seen[-1] if seen else 0, limit=7))
            last_round = last_round and not inventory.after(seen[-1] if seen else 0, limit=1)

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(inventory.record, [[issuance(), issuance()] for _ in range(30)]))
    done.set()
    join(follower)

    assert seen == list(range(1, 61))


def test_search_finds_by_name_of_any_kind_in_any_case(inventory: Inventory) -> None:
    names = (
        ("dns", "a.example.org"),
        ("uri", "spiffe://td/x"),
        ("email", "A@example.org"),
        ("cn", "Café"),
        ("ip", "::1"),
    )
    (record,) = recorded(inventory, issuance(names=names))
    recorded(inventory, issuance(names=(("dns", "b.example.org"),)), issuance(names=()))

    for _kind, value in names:
        page = inventory.search(CertificateFilter(name=value.upper()), now=NOW)
        assert page.items == (record,)
    assert inventory.search(CertificateFilter(name="example.org"), now=NOW).items == ()


def test_search_filters_hold_together(inventory: Inventory) -> None:
    wanted, *_ = recorded(
        inventory,
        issuance(profile="client", issuer_id="i", requester=BOB, not_after=NOW + 5),
        issuance(profile="client", issuer_id="i", requester=BOB, not_after=NOW + 50),
        issuance(profile="client", issuer_id="i", requester=ALICE, not_after=NOW + 5),
        issuance(profile="client", issuer_id="j", requester=BOB, not_after=NOW + 5),
        issuance(profile="server", issuer_id="i", requester=BOB, not_after=NOW + 5),
    )
    conditions = CertificateFilter(
        profile="client", issuer_id="i", requester=BOB, expires_after=NOW + 5, expires_before=NOW + 6, state="valid"
    )

    assert inventory.search(conditions, now=NOW).items == (wanted,)
    assert inventory.search(replace(conditions, expires_before=NOW + 5), now=NOW).items == ()


def test_states_are_exclusive_and_validity_includes_its_last_second(inventory: Inventory) -> None:
    ends_now, over, revoked, revoked_and_over = recorded(
        inventory,
        issuance(not_after=NOW),
        issuance(not_after=NOW - 1),
        issuance(not_after=NOW + 1),
        issuance(not_after=NOW - 1),
    )
    for record in (revoked, revoked_and_over):
        inventory.revoke(record.id, at=NOW - 10, reason=1, event=event())

    found = {
        state: {record.id for record in inventory.search(CertificateFilter(state=state), now=NOW).items}
        for state in ("valid", "expired", "revoked")
    }

    assert found == {"valid": {ends_now.id}, "expired": {over.id}, "revoked": {revoked.id, revoked_and_over.id}}
    assert inventory.counts(now=NOW) == InventoryCounts(total=4, valid=1, revoked=2, next_expiry=NOW)


def test_counts_of_an_empty_inventory(inventory: Inventory) -> None:
    assert inventory.counts(now=NOW) == InventoryCounts(total=0, valid=0, revoked=0, next_expiry=None)


def test_pages_are_newest_first_and_complete_while_more_is_recorded(inventory: Inventory) -> None:
    records = recorded(inventory, *(issuance() for _ in range(10)))

    page = inventory.search(now=NOW, page_size=4)
    seen = list(page.items)
    while page.next_token:
        recorded(inventory, issuance())
        page = inventory.search(now=NOW, page_size=4, page_token=page.next_token)
        seen += page.items

    assert seen == records[::-1]


def test_page_that_ends_exactly_is_the_last(inventory: Inventory) -> None:
    recorded(inventory, issuance(), issuance())

    assert inventory.search(now=NOW, page_size=2).next_token is None


@pytest.mark.parametrize("page_token", ["x", "AAAA", "ü", "=" * 500, "AAAAAAAAAAAAAAAAAAAAAA=="])
def test_invented_page_token_is_refused(inventory: Inventory, page_token: str) -> None:
    with pytest.raises(InvalidPageToken):
        inventory.search(now=NOW, page_token=page_token)


def test_page_token_of_another_search_is_refused(inventory: Inventory) -> None:
    recorded(inventory, issuance(), issuance())
    page_token = inventory.search(now=NOW, page_size=1).next_token

    with pytest.raises(InvalidPageToken):
        inventory.search(CertificateFilter(profile="server"), now=NOW, page_token=page_token)


def test_page_size_is_kept_within_bounds(inventory: Inventory) -> None:
    recorded(inventory, *(issuance() for _ in range(3)))

    assert len(inventory.search(now=NOW, page_size=0).items) == 1
    assert len(inventory.search(now=NOW, page_size=10**9).items) == 3


def test_revocation_is_recorded_with_its_event(inventory: Inventory, audit_trail: AuditTrail) -> None:
    (record,) = recorded(inventory, issuance())

    revoked = inventory.revoke(record.serial.hex(), at=NOW + 1, reason=4, event=event("certificate.revoke", record.id))

    assert revoked == replace(record, revoked_at=NOW + 1, revocation_reason=4)
    assert inventory.find(record.id) == revoked
    assert audit_trail.page(subject_id=record.id).items[0].action == "certificate.revoke"


def test_second_revocation_says_when_the_first_was_and_leaves_no_event(
    inventory: Inventory, audit_trail: AuditTrail
) -> None:
    (record,) = recorded(inventory, issuance())
    first = inventory.revoke(record.id, at=NOW, reason=1, event=event())

    with pytest.raises(AlreadyRevoked) as refusal:
        inventory.revoke(record.id, at=NOW + 5, reason=4, event=event())

    assert refusal.value.record == first
    assert audit_trail.verify_chain() == 2


def test_unknown_certificate_is_not_revoked(inventory: Inventory, audit_trail: AuditTrail) -> None:
    with pytest.raises(NotFound):
        inventory.revoke("0" * 32, at=NOW, reason=0, event=event())

    assert audit_trail.verify_chain() == 0


def test_revocation_raced_by_many_threads_happens_once(inventory: Inventory) -> None:
    (record,) = recorded(inventory, issuance())

    def revoke(reason: int) -> bool:
        try:
            return bool(inventory.revoke(record.id, at=NOW, reason=reason, event=event()))
        except AlreadyRevoked:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(revoke, range(8))) == 1


def test_crl_shard_lists_what_is_revoked_and_not_long_expired(inventory: Inventory) -> None:
    kept, expired, other_shard, other_issuer, _good = recorded(
        inventory,
        issuance(crl_shard=1, not_after=NOW),
        issuance(crl_shard=1, not_after=NOW - 1),
        issuance(crl_shard=2),
        issuance(crl_shard=1, issuer_id="b" * 32),
        issuance(crl_shard=1),
    )
    for record in (kept, expired, other_shard, other_issuer):
        inventory.revoke(record.id, at=NOW - 5, reason=1, event=event())

    (entry,) = inventory.revoked("a" * 32, 1, not_after_from=NOW)

    assert (entry.serial, entry.revoked_at, entry.reason) == (kept.serial, NOW - 5, 1)
    assert (entry.certificate_id, entry.key_fingerprint) == (kept.id, kept.key_fingerprint)
    everywhere = inventory.revoked("a" * 32, None, not_after_from=NOW)
    assert [one.serial for one in everywhere] == [kept.serial, other_shard.serial]


def test_revocations_are_followed_in_order(inventory: Inventory) -> None:
    records = recorded(inventory, *(issuance() for _ in range(5)))
    for record in (records[3], records[0], records[4]):
        inventory.revoke(record.id, at=NOW, reason=1, event=event())

    first = inventory.revocations_after(0, limit=2)
    rest = inventory.revocations_after(first[-1].sequence)

    assert [change.serial for change in (*first, *rest)] == [records[index].serial for index in (3, 0, 4)]
    assert [change.sequence for change in (*first, *rest)] == [1, 2, 3]


def test_text_with_quotes_and_foreign_letters_comes_back_unchanged(inventory: Inventory) -> None:
    text = 'CN=O\'Brien "x"; DROP TABLE certificates;-- ж漢\\%_{}'
    (record,) = recorded(inventory, issuance(subject=text, requester=text, names=(("cn", text),), request_id=text))

    assert inventory.find(record.id) == record
    assert inventory.search(CertificateFilter(name=text), now=NOW).items == (record,)
    assert inventory.find_by_request(text, text) == record


def test_what_a_retired_issuing_ca_signed_is_not_recorded(database: Database, inventory: Inventory) -> None:
    authorities = Authorities(database)
    old = authorities.add(authority(profile="intermediate"), event())
    recorded(inventory, issuance(issuer_id=old.id, request_id="r-1"))
    authorities.set_state(old.id, "retired", event())

    late, other, retried = inventory.record(
        [issuance(issuer_id=old.id), issuance(), issuance(issuer_id=old.id, request_id="r-1")]
    )

    assert isinstance(late, IssuerRetired)
    assert isinstance(other, CertificateRecord)
    assert isinstance(retried, CertificateRecord)
    assert (inventory.counts(now=NOW).total, retried.sequence) == (2, 1)


def test_record_that_is_no_record_is_refused_whole(inventory: Inventory) -> None:
    good, bad = issuance(), issuance()
    bad = replace(bad, certificate=certificate(id="not hexadecimal"))

    with pytest.raises(ValueError, match="hexadecimal"):
        inventory.record([good, bad])

    assert inventory.counts(now=NOW + DAY).total == 0
