"""The hash chain has one reading: no two different events, or orders of events, share a hash."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.chain import GENESIS, chain_hash, chained, verify_links
from store.errors import AuditChainBroken
from store.records import AuditEvent
from tests.store.samples import event

texts = st.text(max_size=12)
events = st.builds(
    AuditEvent,
    sequence=st.none(),
    at=st.integers(0, 2**40),
    action=texts,
    actor=texts,
    subject_id=texts,
    request_id=st.none() | texts,
    details=texts,
    chain_hash=st.none(),
)


@given(events, events)
def test_different_events_have_different_hashes(one: AuditEvent, other: AuditEvent) -> None:
    assert (chain_hash(GENESIS, 1, one) == chain_hash(GENESIS, 1, other)) == (one == other)


@given(st.lists(events, max_size=6))
def test_what_was_chained_verifies(trail: list[AuditEvent]) -> None:
    links = [
        replace(one, sequence=number, chain_hash=link)
        for number, one, link in chained(trail, sequence=1, previous=GENESIS)
    ]

    assert verify_links(links, sequence=1, previous=GENESIS) == (links[-1].chain_hash if links else GENESIS)


@given(st.lists(events, min_size=2, max_size=6, unique=True), st.data())
def test_events_in_another_order_do_not_verify(trail: list[AuditEvent], data: st.DataObject) -> None:
    links = [
        replace(one, sequence=number, chain_hash=link)
        for number, one, link in chained(trail, sequence=1, previous=GENESIS)
    ]
    shuffled = data.draw(st.permutations(links).filter(lambda order: list(order) != links))

    with pytest.raises(AuditChainBroken):
        verify_links(shuffled, sequence=1, previous=GENESIS)


def test_letters_do_not_move_between_fields() -> None:
    assert chain_hash(GENESIS, 1, event(actor="ab", subject_id="c")) != chain_hash(
        GENESIS, 1, event(actor="a", subject_id="bc")
    )


def test_hash_of_a_known_event_keeps_its_value() -> None:
    """Chains written by earlier releases must verify for good."""
    known = AuditEvent(
        sequence=None, at=1, action="a", actor="b", subject_id="c", request_id=None, details="{}", chain_hash=None
    )

    assert chain_hash(GENESIS, 1, known).hex() == "de2ae4a9028c311640914485d9c83b734977a5b4b6c6e0360d8031cdf4ef28c0"
