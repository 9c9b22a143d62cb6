"""Authorities, trust bundle generations, CRL numbers and the sealing key."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from store.audit import AuditTrail
from store.authorities import Authorities
from store.errors import AlreadyExists, NotFound
from store.inventory import Inventory
from tests.store.samples import NOW, authority, event, issuance, octets


def test_authorities_are_listed_in_the_order_they_came(authorities: Authorities) -> None:
    root = authorities.add(authority(), event())
    issuing = authorities.add(authority(profile="intermediate"), event())

    assert authorities.list() == (root, issuing)
    assert (root.generation, issuing.generation) == (1, 0)


def test_same_authority_is_not_added_twice(authorities: Authorities, audit_trail: AuditTrail) -> None:
    root = authorities.add(authority(), event())

    with pytest.raises(AlreadyExists):
        authorities.add(authority(id=root.id), event())

    assert authorities.list() == (root,)
    assert audit_trail.verify_chain() == 1


def test_generation_grows_with_every_change_of_the_roots_only(authorities: Authorities) -> None:
    generations = [authorities.generation()]
    first = authorities.add(authority(), event())
    generations.append(authorities.generation())
    issuing = authorities.add(authority(profile="intermediate"), event())
    authorities.set_state(issuing.id, "passive", event())
    generations.append(authorities.generation())
    authorities.add(authority(), event())
    generations.append(authorities.generation())
    authorities.set_state(first.id, "passive", event())
    authorities.set_state(first.id, "passive", event())
    generations.append(authorities.generation())

    assert generations == [0, 1, 1, 2, 3]
    assert authorities.list()[0].state == "passive"


def test_unknown_authority_changes_no_state(authorities: Authorities) -> None:
    with pytest.raises(NotFound):
        authorities.set_state("unknown", "passive", event())


def test_first_of_many_establishes_and_the_others_learn_what_it_made(
    authorities: Authorities, audit_trail: AuditTrail
) -> None:
    def establish(_number: int) -> object:
        return authorities.establish([authority(), authority(profile="intermediate")], [event(), event()])

    with ThreadPoolExecutor(4) as pool:
        results = set(pool.map(establish, range(8)))

    assert results == {authorities.list()}
    assert len(authorities.list()) == audit_trail.verify_chain() == 2


def test_crl_numbers_grow_for_each_shard_and_are_never_given_twice(authorities: Authorities) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: authorities.next_crl_number("issuer", 0), range(20)))

    assert sorted(numbers) == list(range(1, 21))
    assert authorities.next_crl_number("issuer", 1) == 1
    assert authorities.next_crl_number("other", 0) == 1


def test_a_crl_with_a_larger_number_lists_all_that_one_with_a_smaller_number_does(
    authorities: Authorities, inventory: Inventory
) -> None:
    records = [inventory.record([issuance(crl_shard=0)])[0] for _ in range(12)]

    def revoke_and_list(number: int) -> tuple[int, set[bytes]]:
        inventory.revoke(records[number].id, at=NOW, reason=1, event=event())
        number, entries = authorities.next_crl("a" * 32, 0, inventory.listing("a" * 32, 0, not_after_from=NOW))
        return number, {entry.serial for entry in entries}

    with ThreadPoolExecutor(4) as pool:
        lists = [entries for _number, entries in sorted(pool.map(revoke_and_list, range(len(records))))]

    assert all(earlier <= later for earlier, later in pairwise(lists))
    assert len(lists[-1]) == len(records)


def test_first_sealing_key_wins(authorities: Authorities) -> None:
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(authorities.sealing_key, [octets(60) for _ in range(8)]))

    assert len(keys) == 1
    assert authorities.sealing_key(b"too late") in keys
