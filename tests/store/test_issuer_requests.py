"""Requests for issuing CAs: one waits, whoever asks first, until an authority of its id is there."""

from concurrent.futures import ThreadPoolExecutor

from store.audit import AuditTrail
from store.records import IssuerRequest
from store.rotations import Rotations
from tests.store.samples import NOW, authority, event, octets
from tests.store.test_rotations import move, rotation


def request() -> IssuerRequest:
    return IssuerRequest(authority_id=octets(16).hex(), request=octets(300), created_at=NOW)


def test_of_many_that_ask_at_once_one_is_kept_and_all_are_told(rotations: Rotations, audit_trail: AuditTrail) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: rotations.keep_request(request(), event()), range(8)))

    assert answers == set(rotations.waiting_requests())
    assert audit_trail.verify_chain() == 1


def test_one_replaces_the_one_that_it_names_and_no_other(rotations: Rotations) -> None:
    first = rotations.keep_request(request(), event())
    second = rotations.keep_request(request(), event(), instead_of=first.authority_id)

    assert rotations.waiting_requests() == (second,)
    assert rotations.keep_request(request(), event(), instead_of=first.authority_id) == second


def test_it_is_done_with_once_its_authority_is_there(rotations: Rotations) -> None:
    waiting = rotations.keep_request(request(), event())
    rotations.begin(move(rotation(), added=[(authority(id=waiting.authority_id, profile="intermediate"), event())]))

    assert rotations.waiting_requests() == ()
