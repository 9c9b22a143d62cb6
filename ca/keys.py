"""Keys at rest: CA keys as encrypted PKCS#8, and the sealing of keys that the server made for others.

- A CA key never touches a disk unencrypted: PBES2 with scrypt and AES-256 under the operator's passphrase.
- They lie in files beside SQLite, and in the database where that is PostgreSQL: replicas share it, but no disk.
- Keys made for others are sealed with AES-256-GCM under one sealing key, which itself is kept wrapped under the passphrase.
  The certificate's identifier is authenticated with the box: a box moved to another row does not open.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca.ambient import Entropy
from ca.data_directory import read_private_file, write_private_file
from ca.errors import Internal, KeyFileMissing
from certs.errors import PassphraseRequired, WrongPassphrase
from certs.keys import PrivateKey, encrypt_private_key, load_private_key
from store.database import Database
from store.errors import NotFound
from store.keys_at_rest import KeysAtRest

_NONCE_OCTETS = 12
_SALT_OCTETS = 16
_SCRYPT_COST = 2**15  # 32 MiB and about 0.1 s: once per start


class AuthorityKeys(Protocol):
    """The keys of root and issuing CAs, by the id of their authority."""

    def put(self, authority_id: str, key: PrivateKey) -> None:
        """Durable once it returns; replaces what is there."""

    def get(self, authority_id: str) -> PrivateKey:
        """Raises KeyFileMissing, LooseFileMode, WrongPassphrase."""

    def has(self, authority_id: str) -> bool:
        """Whether `get` would find one."""

    def ids(self) -> Sequence[str]:
        """All there are."""


class KeyFiles:
    """CA keys in a directory, one file for each authority, all under one passphrase."""

    def __init__(self, directory: Path, passphrase: bytes, entropy: Entropy) -> None:
        self._directory = directory
        self._passphrase = _verified(passphrase)
        self._entropy = entropy

    def put(self, authority_id: str, key: PrivateKey) -> None:
        """Durable once it returns."""
        write_private_file(
            self.path(self._directory, authority_id), encrypt_private_key(key, self._passphrase, entropy=self._entropy)
        )

    def get(self, authority_id: str) -> PrivateKey:
        """Raises KeyFileMissing, LooseFileMode, WrongPassphrase."""
        return load_private_key(read_private_file(self.path(self._directory, authority_id)), self._passphrase)

    def has(self, authority_id: str) -> bool:
        return self.path(self._directory, authority_id).exists()

    def ids(self) -> Sequence[str]:
        return sorted(path.stem for path in self._directory.glob("*.pem"))

    @staticmethod
    def path(directory: Path, authority_id: str) -> Path:
        """Where in `directory` the key of an authority lies."""
        return directory / f"{authority_id}.pem"


class KeyRows:
    """CA keys in the database, all under one passphrase."""

    def __init__(self, rows: KeysAtRest, passphrase: bytes, entropy: Entropy) -> None:
        self._rows = rows
        self._passphrase = _verified(passphrase)
        self._entropy = entropy

    def put(self, authority_id: str, key: PrivateKey) -> None:
        """Durable once it returns. Raises WrongPassphrase where another replica has changed the passphrase meanwhile: nobody who
        starts with the new one could open the key."""
        wrapped = self._rows.sealing_key()
        if wrapped is not None:
            _unwrap(wrapped, self._passphrase)
        encrypted = encrypt_private_key(key, self._passphrase, entropy=self._entropy)
        if not self._rows.put(authority_id, encrypted, sealing_key=wrapped):
            raise WrongPassphrase("the passphrase was changed at this moment; start again with the new one")

    def get(self, authority_id: str) -> PrivateKey:
        """Raises KeyFileMissing, WrongPassphrase."""
        try:
            return load_private_key(self._rows.get(authority_id), self._passphrase)
        except NotFound as err:
            raise KeyFileMissing(
                f"the key of authority {authority_id} is not in the database; restore it from your backup"
            ) from err

    def has(self, authority_id: str) -> bool:
        return authority_id in self._rows.ids()

    def ids(self) -> Sequence[str]:
        return self._rows.ids()

    def adopt(self, directory: Path) -> None:
        """Takes over key files that an earlier release left there; they stay where they are."""
        known = self.ids()
        for path in sorted(directory.glob("*.pem")):
            if path.stem not in known:
                self._rows.put(path.stem, read_private_file(path))


def is_anything_kept(directory: Path, rows: KeysAtRest) -> bool:
    """Whether a passphrase is in use: there are key files in `directory`, or something is wrapped in the database."""
    return any(directory.glob("*.pem")) or rows.sealing_key() is not None


def open_keys(directory: Path, database: Database, passphrase: bytes, entropy: Entropy) -> AuthorityKeys:
    """Where this database's authorities have their keys."""
    if database.dialect == "sqlite":
        return KeyFiles(directory, passphrase, entropy)
    rows = KeyRows(KeysAtRest(database), passphrase, entropy)
    rows.adopt(directory)
    return rows


class SealingKey:
    """Seals and opens the private keys that wait to be fetched."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        self._cipher = AESGCM(key)
        self._entropy = entropy

    @classmethod
    def adopt(cls, keep: Callable[[bytes], bytes], passphrase: bytes, entropy: Entropy) -> "SealingKey":
        """Proposes a new wrapped key to `keep`, which answers with the one that counts: its first. Raises WrongPassphrase."""
        fresh = entropy(32)
        proposed = _wrap(fresh, passphrase, entropy)
        kept = keep(proposed)
        return cls(fresh if kept == proposed else _unwrap(kept, passphrase), entropy)

    def seal(self, secret: bytes, *, subject_id: str) -> bytes:
        nonce = self._entropy(_NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, secret, subject_id.encode())

    def open(self, box: bytes, *, subject_id: str) -> bytes:
        """Raises Internal where the box was altered or belongs to another subject."""
        try:
            return self._cipher.decrypt(box[:_NONCE_OCTETS], box[_NONCE_OCTETS:], subject_id.encode())
        except InvalidTag as err:
            raise Internal(f"the sealed key of {subject_id} does not open") from err


def rewrap_sealing_key(wrapped: bytes, old: bytes, new: bytes, entropy: Entropy) -> bytes:
    """The same key, wrapped under another passphrase. Raises WrongPassphrase."""
    return _wrap(_unwrap(wrapped, old), new, entropy)


def _verified(passphrase: bytes) -> bytes:
    if not passphrase:
        raise PassphraseRequired("the passphrase of the CA keys is empty; put one into the passphrase file")
    return passphrase


def _wrapping_cipher(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(hashlib.scrypt(passphrase, salt=salt, n=_SCRYPT_COST, r=8, p=1, maxmem=2**26, dklen=32))


def _wrap(key: bytes, passphrase: bytes, entropy: Entropy) -> bytes:
    salt, nonce = entropy(_SALT_OCTETS), entropy(_NONCE_OCTETS)
    return salt + nonce + _wrapping_cipher(passphrase, salt).encrypt(nonce, key, b"sealing key")


def _unwrap(wrapped: bytes, passphrase: bytes) -> bytes:
    salt, nonce = wrapped[:_SALT_OCTETS], wrapped[_SALT_OCTETS : _SALT_OCTETS + _NONCE_OCTETS]
    try:
        return _wrapping_cipher(passphrase, salt).decrypt(
            nonce, wrapped[_SALT_OCTETS + _NONCE_OCTETS :], b"sealing key"
        )
    except InvalidTag as err:
        raise WrongPassphrase(
            "the passphrase does not open the sealing key; give the one that it was wrapped under"
        ) from err
