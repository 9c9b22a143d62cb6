"""PKCS #12 files (RFC 7292): a private key and its certificate chain under one passphrase, for curl and Java.

- Keys and certificates are encrypted with AES-256-CBC under PBES2 and authenticated with HMAC-SHA-256.
- The library fixes the MAC at 2,048 rounds, so a guess at the passphrase stays cheap: make it long and random.
- OpenSSL 3, curl and Java 8u301 or later read them without legacy algorithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import KeySerializationEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PBES,
    PKCS12Certificate,
    load_pkcs12,
    serialize_java_truststore,
    serialize_key_and_certificates,
)

from certs.errors import MalformedPkcs12, PassphraseRequired, UnsupportedKeyType, WrongPassphrase
from certs.key_types import PrivateKey, key_type_of, verify_key_pair
from certs.tlv import read_element

MAX_PKCS12_OCTETS = 1024 * 1024
KDF_ROUNDS = 100_000
"""Rounds of PBKDF2-HMAC-SHA-256 for each of the two encryptions."""

_WRITABLE = (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs12:
    """What a file holds: a key, the certificate that it belongs to, and the certificates above it."""

    friendly_name: str
    private_key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


def encode_pkcs12(
    friendly_name: str,
    private_key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    passphrase: bytes,
    *,
    kdf_rounds: int = KDF_ROUNDS,
) -> bytes:
    """A DER file with the key and the certificate under `friendly_name`, and the chain beside them.

    Raises PassphraseRequired for an empty passphrase, KeyMismatch when the key is not the certificate's, and
    UnsupportedKeyType for ML-DSA, which no reader of the format knows yet.
    """
    if not passphrase:
        raise PassphraseRequired("the passphrase is empty, give one: Java and browsers open no file without")
    verify_key_pair(private_key, certificate)
    if not isinstance(private_key, _WRITABLE):
        raise UnsupportedKeyType("PKCS #12 cannot hold an ML-DSA key yet, write it as PEM")
    encryption = _encryption(passphrase, kdf_rounds)
    return serialize_key_and_certificates(friendly_name.encode(), private_key, certificate, list(chain), encryption)


def encode_trust_store(
    certificates: Sequence[x509.Certificate], passphrase: bytes, *, kdf_rounds: int = KDF_ROUNDS
) -> bytes:
    """A DER file of roots, `root-0`, `root-1` and so on, marked as Java marks what it trusts. Raises PassphraseRequired."""
    if not passphrase:
        raise PassphraseRequired("the passphrase is empty, give one: Java opens no file without")
    entries = [PKCS12Certificate(one, f"root-{number}".encode()) for number, one in enumerate(certificates)]
    return serialize_java_truststore(entries, _encryption(passphrase, kdf_rounds))


def decode_pkcs12(data: bytes, passphrase: bytes) -> Pkcs12:
    """Read what `encode_pkcs12`, OpenSSL or keytool wrote.

    Raises MalformedPkcs12 when the file is none or lacks key or certificate, WrongPassphrase when it does not open,
    UnsupportedKeyType for another kind of key and KeyMismatch when the certificate is not the key's.
    """
    _verify_container(data)
    try:
        contents = load_pkcs12(data, passphrase or None)
    except UnsupportedAlgorithm as err:
        raise MalformedPkcs12("the file uses an unknown encryption, export it again with AES-256") from err
    except ValueError as err:
        raise WrongPassphrase("the passphrase does not open the PKCS #12 file, or the file is damaged") from err
    if contents.key is None or contents.cert is None:
        raise MalformedPkcs12("the file lacks a private key or its certificate, export both together")
    key_type_of(contents.key.public_key())
    private_key, certificate = cast("PrivateKey", contents.key), contents.cert
    verify_key_pair(private_key, certificate.certificate)
    return Pkcs12(
        friendly_name=(certificate.friendly_name or b"").decode("utf-8", "replace"),
        private_key=private_key,
        certificate=certificate.certificate,
        chain=tuple(additional.certificate for additional in contents.additional_certs),
    )


def _encryption(passphrase: bytes, kdf_rounds: int) -> KeySerializationEncryption:
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(kdf_rounds)
        .key_cert_algorithm(PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase)
    )


def _verify_container(data: bytes) -> None:
    if len(data) > MAX_PKCS12_OCTETS:
        raise MalformedPkcs12(f"the file has {len(data)} octets, give one of at most {MAX_PKCS12_OCTETS}")
    try:
        tag, _, end = read_element(data, 0)
    except ValueError as err:
        raise MalformedPkcs12("this is not a PKCS #12 file, export it again") from err
    if tag != 0x30 or end != len(data):
        raise MalformedPkcs12("this is not a PKCS #12 file, or octets follow it, export it again")
