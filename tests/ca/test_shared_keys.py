"""Replicas that share PostgreSQL but no disk: the encrypted keys are in the database, and each of them signs."""

import hashlib
from pathlib import Path

import pytest

from ca.ambient import Secrets
from ca.errors import KeyFileMissing, PassphraseLost
from ca.keys import KeyFiles, KeyRows, rewrap_sealing_key
from certs.errors import WrongPassphrase
from certs.keys import KeyType, generate_private_key
from store.database import open_database
from store.keys_at_rest import KeysAtRest
from tests.ca.offices import CountedEntropy, Premises, administrator, call_of, order_for
from tests.store.samples import event

pytestmark = pytest.mark.postgresql

SECRETS = Secrets(passphrase=b"correct horse")


def test_second_replica_signs_with_the_keys_of_the_first(tmp_path: Path, postgresql_url: str) -> None:
    first = Premises(directory=tmp_path / "first")
    second = Premises(directory=tmp_path / "second", entropy=CountedEntropy(start=1_000_000))

    with first.open(database=postgresql_url, secrets=SECRETS) as office:
        issuer = office.issuers.active().id
        with second.open(database=postgresql_url, secrets=SECRETS) as other:
            assert (other.founded, other.issuers.active().id) == (False, issuer)
            assert other.authority.issue(order_for("web.example"))
        assert office.authority.issue(order_for("web.example"))

    assert not (tmp_path / "first" / "keys").exists()


def test_keys_in_the_database_are_encrypted(tmp_path: Path, postgresql_url: str) -> None:
    with Premises(directory=tmp_path / "data").open(database=postgresql_url, secrets=SECRETS) as office:
        rows = KeysAtRest(office.database)
        kept = [rows.get(authority) for authority in rows.ids()]

    assert len(kept) == 2
    assert all(one.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") for one in kept)


def test_replica_without_the_passphrase_makes_none(tmp_path: Path, postgresql_url: str) -> None:
    with Premises(directory=tmp_path / "first").open(database=postgresql_url, secrets=SECRETS):
        pass

    with pytest.raises(PassphraseLost), Premises(directory=tmp_path / "second").open(database=postgresql_url):
        pass
    assert not (tmp_path / "second" / "passphrase").exists()


def test_replica_with_the_passphrase_of_before_a_change_keeps_no_key_that_nobody_could_open(
    tmp_path: Path, postgresql_url: str
) -> None:
    with Premises(directory=tmp_path / "first").open(database=postgresql_url, secrets=SECRETS) as office:
        rows = KeysAtRest(office.database)
        known, wrapped = rows.ids(), rows.sealing_key()
        assert wrapped is not None
        changed = rewrap_sealing_key(wrapped, b"correct horse", b"battery staple", CountedEntropy())
        digest = hashlib.sha256(wrapped).digest()
        assert rows.replace(digest=digest, sealing_key=changed, encrypted={}, event=event())

        with pytest.raises(WrongPassphrase):
            office.rotations.start("issuer", "now", call_of(administrator()))

        assert rows.ids() == known
        assert not rows.put("a" * 32, b"encrypted", sealing_key=wrapped)
        assert rows.put("a" * 32, b"encrypted", sealing_key=changed)


def test_key_files_of_an_earlier_release_are_taken_over(tmp_path: Path, postgresql_url: str) -> None:
    files = KeyFiles(tmp_path, b"correct horse", CountedEntropy())
    key = generate_private_key(KeyType.EC_P256)
    files.put("a" * 32, key)
    database = open_database(postgresql_url)
    try:
        rows = KeyRows(KeysAtRest(database), b"correct horse", CountedEntropy())
        rows.adopt(tmp_path)
        assert rows.get("a" * 32).public_key() == key.public_key()
        assert (rows.has("a" * 32), rows.has("b" * 32)) == (True, False)
        with pytest.raises(KeyFileMissing, match="backup"):
            rows.get("b" * 32)
    finally:
        database.close()
