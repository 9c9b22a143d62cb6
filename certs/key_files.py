"""Private keys as PKCS #8 files (RFC 5958), plain and encrypted.

- Encryption is PBES2 with scrypt and AES-256-CBC (RFC 8018 §6.2, RFC 7914 §7), which OpenSSL 1.1 and later read.
- The default cost stays within the 32 MiB that OpenSSL grants scrypt: more rounds side by side, not more memory.
- `cryptography` reads this envelope but writes only PBKDF2 with 2,048 rounds, so the envelope is written here.
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import ObjectIdentifier

from certs.errors import MalformedKey, PassphraseRequired, WrongPassphrase
from certs.key_types import PrivateKey, key_type_of
from certs.serials import Entropy

MAX_KEY_OCTETS = 65536
MAX_SCRYPT_BLOCKS = 8 * 1024 * 1024
"""The largest n·r of an encrypted key that is opened: 1 GiB."""
MAX_SCRYPT_PARALLELIZATION = 64

_ENCRYPTED_BLOCK = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END")
_SALT_OCTETS = 16
_AES_256_KEY_OCTETS = 32
_BLOCK_OCTETS = 16
_PBES2 = ObjectIdentifier("1.2.840.113549.1.5.13")
_SCRYPT = ObjectIdentifier("1.3.6.1.4.1.11591.4.11")
_AES_256_CBC = ObjectIdentifier("2.16.840.1.101.3.4.1.42")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScryptCost:
    """Parameters of scrypt (RFC 7914 §2): time grows with n·r·p, memory is 128·n·r octets."""

    n: int = 16384
    r: int = 8
    p: int = 5


DEFAULT_COST = ScryptCost()
"""16 MiB and about a quarter of a second, in OWASP's list of equivalents of n = 2^17, p = 1."""


@asn1.sequence
class _ScryptParameters:
    salt: bytes
    cost: int
    block_size: int
    parallelization: int
    key_length: int | None


@asn1.sequence
class _KeyDerivation:
    algorithm: ObjectIdentifier
    parameters: _ScryptParameters


@asn1.sequence
class _Cipher:
    algorithm: ObjectIdentifier
    initialization_vector: bytes


@asn1.sequence
class _Pbes2Parameters:
    key_derivation: _KeyDerivation
    encryption: _Cipher


@asn1.sequence
class _EncryptionAlgorithm:
    algorithm: ObjectIdentifier
    parameters: _Pbes2Parameters


@asn1.sequence
class _EncryptedPrivateKeyInfo:
    encryption_algorithm: _EncryptionAlgorithm
    encrypted_data: bytes


def encode_private_key(private_key: PrivateKey) -> bytes:
    """The key in the clear, as PEM ``PRIVATE KEY`` (RFC 7468 §10)."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encrypt_private_key(
    private_key: PrivateKey, passphrase: bytes, *, entropy: Entropy, cost: ScryptCost = DEFAULT_COST
) -> bytes:
    """The key as PEM ``ENCRYPTED PRIVATE KEY`` (RFC 7468 §11). Raises PassphraseRequired for an empty passphrase."""
    if not passphrase:
        raise PassphraseRequired("the passphrase is empty, give one to encrypt the key with")
    salt, initialization_vector = entropy(_SALT_OCTETS), entropy(_BLOCK_OCTETS)
    key = Scrypt(salt=salt, length=_AES_256_KEY_OCTETS, n=cost.n, r=cost.r, p=cost.p).derive(passphrase)
    padder = PKCS7(8 * _BLOCK_OCTETS).padder()
    plain = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(initialization_vector)).encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    return _to_pem(asn1.encode_der(_envelope(salt, initialization_vector, cost, sealed)))


def load_private_key(pem: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """Read one PEM private key: PKCS #8, plain or encrypted, or the older ``EC`` and ``RSA PRIVATE KEY``.

    Raises PassphraseRequired when the key is encrypted and none is given, WrongPassphrase when it does not open,
    MalformedKey when there is no key, or a passphrase for a key in the clear, UnsupportedKeyType for other algorithms.
    """
    encrypted = _verify_single_key(pem)
    _verify_cost(pem)
    if encrypted and not passphrase:
        raise PassphraseRequired("the private key is encrypted, give its passphrase")
    if passphrase and not encrypted:
        raise MalformedKey("the private key is not encrypted but a passphrase is given, encrypt the key or give none")
    try:
        private_key = load_pem_private_key(pem, passphrase or None)
        key_type_of(private_key.public_key())
    except UnsupportedAlgorithm as err:
        raise MalformedKey("the key's algorithm, curve or encryption is unknown, convert it to PKCS #8") from err
    except (ValueError, TypeError, InternalError) as err:
        if encrypted:
            raise WrongPassphrase("the passphrase does not open the private key, check both") from err
        raise MalformedKey("the private key is damaged, restore it from its source") from err
    return cast("PrivateKey", private_key)


def _verify_single_key(pem: bytes) -> bool:
    """Whether the one key in the text is encrypted. Raises MalformedKey when there is none or several."""
    if len(pem) > MAX_KEY_OCTETS:
        raise MalformedKey(f"a private key of {len(pem)} octets is too large, give at most {MAX_KEY_OCTETS}")
    if pem.count(b"PRIVATE KEY-----") != 2 or b"-----BEGIN " not in pem:
        raise MalformedKey("there is not exactly one private key in PEM, give a file with one PRIVATE KEY block")
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem or b"Proc-Type: 4,ENCRYPTED" in pem


def _verify_cost(pem: bytes) -> None:
    """Refuse an scrypt envelope that would take the machine's memory or an hour to open."""
    match = _ENCRYPTED_BLOCK.search(pem)
    if match is None:
        return
    try:
        envelope = asn1.decode_der(_EncryptedPrivateKeyInfo, b64decode(match[1]))
    except ValueError:
        return
    cost = envelope.encryption_algorithm.parameters.key_derivation.parameters
    if cost.cost * cost.block_size > MAX_SCRYPT_BLOCKS or cost.parallelization > MAX_SCRYPT_PARALLELIZATION:
        raise MalformedKey("the private key's scrypt parameters are beyond reason, encrypt it again with smaller ones")


def _envelope(salt: bytes, initialization_vector: bytes, cost: ScryptCost, sealed: bytes) -> _EncryptedPrivateKeyInfo:
    parameters = _ScryptParameters(
        salt=salt, cost=cost.n, block_size=cost.r, parallelization=cost.p, key_length=_AES_256_KEY_OCTETS
    )
    pbes2 = _Pbes2Parameters(
        key_derivation=_KeyDerivation(algorithm=_SCRYPT, parameters=parameters),
        encryption=_Cipher(algorithm=_AES_256_CBC, initialization_vector=initialization_vector),
    )
    return _EncryptedPrivateKeyInfo(
        encryption_algorithm=_EncryptionAlgorithm(algorithm=_PBES2, parameters=pbes2), encrypted_data=sealed
    )


def _to_pem(der: bytes) -> bytes:
    text = b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""])
