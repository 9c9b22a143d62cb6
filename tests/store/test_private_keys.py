"""Private keys in the store: taken once, by whoever comes first, and never twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from store.audit import AuditTrail
from store.errors import NotFound
from store.inventory import Inventory
from store.private_keys import PrivateKeys
from tests.store.samples import ALICE, NOW, event, issuance


def test_key_is_taken_once(inventory: Inventory, private_keys: PrivateKeys, audit_trail: AuditTrail) -> None:
    (record,) = inventory.record([issuance(sealed=b"\x00sealed\xff")])
    assert record.has_private_key

    key = private_keys.take(record.id, at=NOW, event=event("key.fetch", record.id))

    assert (key.certificate_id, key.sealed, key.owner) == (record.id, b"\x00sealed\xff", ALICE)
    assert not inventory.find(record.id).has_private_key
    with pytest.raises(NotFound):
        private_keys.take(record.id, at=NOW, event=event())
    assert audit_trail.verify_chain() == 2


def test_owner_is_told_without_taking(inventory: Inventory, private_keys: PrivateKeys) -> None:
    (record,) = inventory.record([issuance(sealed=b"sealed")])

    assert private_keys.owner(record.id) == ALICE
    assert private_keys.owner(record.id) == ALICE


@pytest.mark.parametrize("key", ["0" * 32, "", "no hexadecimal"])
def test_key_that_was_never_there_is_not_found(private_keys: PrivateKeys, key: str) -> None:
    with pytest.raises(NotFound):
        private_keys.owner(key)
    with pytest.raises(NotFound):
        private_keys.take(key, at=NOW, event=event())


def test_expired_key_is_not_given_out(inventory: Inventory, private_keys: PrivateKeys) -> None:
    (record,) = inventory.record([issuance(sealed=b"sealed", key_expires_at=NOW)])

    with pytest.raises(NotFound):
        private_keys.take(record.id, at=NOW, event=event())


def test_purge_removes_what_has_expired(inventory: Inventory, private_keys: PrivateKeys) -> None:
    old, young = inventory.record(
        [issuance(sealed=b"sealed", key_expires_at=NOW - 1), issuance(sealed=b"sealed", key_expires_at=NOW)]
    )

    assert private_keys.purge(NOW) == 1
    assert not inventory.find(old.id).has_private_key
    assert inventory.find(young.id).has_private_key


def test_key_raced_by_many_threads_is_given_to_one(inventory: Inventory, private_keys: PrivateKeys) -> None:
    (record,) = inventory.record([issuance(sealed=b"sealed")])

    def take(_number: int) -> bool:
        try:
            return bool(private_keys.take(record.id, at=NOW, event=event()))
        except NotFound:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1
