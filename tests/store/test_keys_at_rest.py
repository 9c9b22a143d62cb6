"""Encrypted keys of authorities, and the change of the passphrase that all are kept under."""

import hashlib

import pytest

from store.audit import AuditTrail
from store.authorities import Authorities
from store.database import Database
from store.errors import NotFound
from store.keys_at_rest import KeysAtRest
from tests.store.samples import event


@pytest.fixture
def kept(database: Database) -> KeysAtRest:
    return KeysAtRest(database)


def digest_of(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def test_key_is_found_again_and_replaced(kept: KeysAtRest) -> None:
    kept.put("a", b"one")
    kept.put("b", b"two")
    kept.put("a", b"three")

    assert (kept.get("a"), kept.get("b"), kept.ids()) == (b"three", b"two", ("a", "b"))
    with pytest.raises(NotFound, match="key of authority c"):
        kept.get("c")


def test_all_is_replaced_together_once(kept: KeysAtRest, authorities: Authorities, audit_trail: AuditTrail) -> None:
    assert kept.sealing_key() is None
    authorities.sealing_key(b"old")
    kept.put("a", b"old key")

    for _ in range(2):
        assert kept.replace(digest=digest_of(b"old"), sealing_key=b"new", encrypted={"a": b"new key"}, event=event())

    assert (kept.sealing_key(), kept.get("a")) == (b"new", b"new key")
    assert audit_trail.verify_chain() == 1


def test_what_was_prepared_for_another_state_changes_nothing(
    kept: KeysAtRest, authorities: Authorities, audit_trail: AuditTrail
) -> None:
    authorities.sealing_key(b"other")
    kept.put("a", b"key")

    assert not kept.replace(digest=digest_of(b"old"), sealing_key=b"new", encrypted={"a": b"no"}, event=event())
    assert (kept.sealing_key(), kept.get("a")) == (b"other", b"key")
    assert audit_trail.verify_chain() == 0
