"""Keys, as one import: their types, their strength and their files.

- `key_types` says what keys exist, `key_strength` refuses the weak ones, `key_files` reads and writes PKCS#8.
"""

from certs.key_files import DEFAULT_COST, ScryptCost, encode_private_key, encrypt_private_key, load_private_key
from certs.key_strength import verify_key_strength
from certs.key_types import (
    KeyFactory,
    KeyType,
    PrivateKey,
    PublicKey,
    generate_private_key,
    key_identifier,
    key_type_of,
    public_key_fingerprint,
    sign,
    signature_hash,
    subject_key_identifier,
    subject_public_key_info,
    verify_key_pair,
    verify_signature,
)

__all__ = [
    "DEFAULT_COST",
    "KeyFactory",
    "KeyType",
    "PrivateKey",
    "PublicKey",
    "ScryptCost",
    "encode_private_key",
    "encrypt_private_key",
    "generate_private_key",
    "key_identifier",
    "key_type_of",
    "load_private_key",
    "public_key_fingerprint",
    "sign",
    "signature_hash",
    "subject_key_identifier",
    "subject_public_key_info",
    "verify_key_pair",
    "verify_key_strength",
    "verify_signature",
]
