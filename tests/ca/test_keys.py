"""Keys at rest: encrypted, under one passphrase, and of no use to whoever has another."""

from pathlib import Path

import pytest

from ca.errors import KeyFileMissing, LooseFileMode
from ca.keys import KeyFiles, SealingKey
from certs.errors import PassphraseRequired, WrongPassphrase
from certs.keys import KeyType, generate_private_key
from tests.ca.offices import CountedEntropy

ID = "a" * 32


@pytest.fixture
def keys(tmp_path: Path) -> KeyFiles:
    return KeyFiles(tmp_path / "keys", b"correct horse", CountedEntropy())


def test_key_is_encrypted_on_disk_and_private(keys: KeyFiles, tmp_path: Path) -> None:
    key = generate_private_key(KeyType.EC_P256)

    keys.put(ID, key)

    path = tmp_path / "keys" / f"{ID}.pem"
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert keys.get(ID).public_key() == key.public_key()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_wrong_passphrase_is_told(keys: KeyFiles, tmp_path: Path) -> None:
    keys.put(ID, generate_private_key(KeyType.EC_P256))

    with pytest.raises(WrongPassphrase):
        KeyFiles(tmp_path / "keys", b"wrong", CountedEntropy()).get(ID)


def test_missing_and_loose_key_files_are_refused(keys: KeyFiles, tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing, match="backup"):
        keys.get(ID)
    keys.put(ID, generate_private_key(KeyType.EC_P256))
    path = tmp_path / "keys" / f"{ID}.pem"
    path.chmod(0o640)

    with pytest.raises(LooseFileMode, match=f"chmod 0600 {path}"):
        keys.get(ID)


def test_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PassphraseRequired):
        KeyFiles(tmp_path, b"", CountedEntropy())


def test_first_sealing_key_counts_for_all() -> None:
    kept: list[bytes] = []

    def keep(proposed: bytes) -> bytes:
        kept.append(proposed)
        return kept[0]

    entropy = CountedEntropy()
    first = SealingKey.adopt(keep, b"passphrase", entropy)
    second = SealingKey.adopt(keep, b"passphrase", entropy)

    assert second.open(first.seal(b"secret", subject_id=ID), subject_id=ID) == b"secret"
    with pytest.raises(WrongPassphrase, match="does not open the sealing key"):
        SealingKey.adopt(keep, b"another", entropy)


def test_same_secret_is_never_sealed_alike() -> None:
    sealing_key = SealingKey(b"k" * 32, CountedEntropy())

    boxes = {sealing_key.seal(b"secret", subject_id=ID) for _ in range(10)}

    assert len(boxes) == 10
    assert not any(b"secret" in box for box in boxes)
