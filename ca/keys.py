"""Keys at rest: CA keys as encrypted PKCS#8 files, and the sealing of keys that the server made for others.

- A CA key never touches a disk unencrypted: PBES2 with scrypt and AES-256 under the operator's passphrase.
- Keys made for others are sealed with AES-256-GCM under one sealing key, which itself is kept wrapped under the passphrase.
  The certificate's identifier is authenticated with the box: a box moved to another row does not open.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca.ambient import Entropy
from ca.data_directory import read_private_file, write_private_file
from ca.errors import Internal
from certs.errors import PassphraseRequired, WrongPassphrase
from certs.keys import PrivateKey, encrypt_private_key, load_private_key

_NONCE_OCTETS = 12
_SALT_OCTETS = 16
_SCRYPT_COST = 2**15  # 32 MiB and about 0.1 s: once per start


class KeyFiles:
    """CA keys in a directory, one file for each authority, all under one passphrase."""

    def __init__(self, directory: Path, passphrase: bytes, entropy: Entropy) -> None:
        if not passphrase:
            raise PassphraseRequired("the passphrase of the CA keys is empty; put one into the passphrase file")
        self._directory = directory
        self._passphrase = passphrase
        self._entropy = entropy

    def put(self, authority_id: str, key: PrivateKey) -> None:
        """Durable once it returns."""
        write_private_file(self._path(authority_id), encrypt_private_key(key, self._passphrase, entropy=self._entropy))

    def get(self, authority_id: str) -> PrivateKey:
        """Raises KeyFileMissing, LooseFileMode, WrongPassphrase."""
        return load_private_key(read_private_file(self._path(authority_id)), self._passphrase)

    def has(self, authority_id: str) -> bool:
        return self._path(authority_id).exists()

    def _path(self, authority_id: str) -> Path:
        return self._directory / f"{authority_id}.pem"


def has_key_files(directory: Path) -> bool:
    """Whether anything lies where `KeyFiles` puts keys."""
    return directory.is_dir() and any(directory.iterdir())


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
