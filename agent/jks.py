"""Java key stores in Sun's own format, version 2, for Java programs that take no PKCS#12.

- The private key is enciphered by the format's key protector, which is SHA-1 in a stream mode: it keeps nobody out. What
  protects the key is the mode of the file.
- Written as sun.security.provider.JavaKeyStore and KeyProtector of OpenJDK read it.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certs.serials import Entropy

_MAGIC, _VERSION = 0xFEEDFEED, 2
_KEY_ENTRY, _TRUST_ENTRY = 1, 2
_DIGEST_WHITENER = b"Mighty Aphrodite"
_KEY_PROTECTOR = bytes.fromhex("300e060a2b060104012a021101010500")  # AlgorithmIdentifier 1.3.6.1.4.1.42.2.17.1.1, NULL
_SALT_OCTETS = 20
_SEQUENCE, _OCTET_STRING = 0x30, 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A private key, DER of PKCS#8, and its chain, DER, leaf first."""

    alias: str
    private_key: bytes
    chain: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustEntry:
    """A certificate to trust, DER."""

    alias: str
    certificate: bytes


def encode_jks(entries: Sequence[KeyEntry | TrustEntry], password: str, *, now: datetime, entropy: Entropy) -> bytes:
    """The file; `password`, ASCII, is both the store's and the key's. Aliases are lower case, as Java looks them up."""
    secret = password.encode("utf-16-be")
    milliseconds = int(now.timestamp() * 1000)
    body = struct.pack(">III", _MAGIC, _VERSION, len(entries))
    for entry in entries:
        if isinstance(entry, KeyEntry):
            sealed = _sealed(entry.private_key, secret, entropy(_SALT_OCTETS))
            body += struct.pack(">I", _KEY_ENTRY) + _text(entry.alias) + struct.pack(">Q", milliseconds)
            body += _counted(sealed) + struct.pack(">I", len(entry.chain)) + b"".join(map(_certificate, entry.chain))
        else:
            body += struct.pack(">I", _TRUST_ENTRY) + _text(entry.alias) + struct.pack(">Q", milliseconds)
            body += _certificate(entry.certificate)
    return body + _sha1(secret, _DIGEST_WHITENER, body)


def _sealed(key: bytes, secret: bytes, salt: bytes) -> bytes:
    """EncryptedPrivateKeyInfo (RFC 5958 §3) of the key protector: salt, key under the stream, digest."""
    stream, block = b"", salt
    while len(stream) < len(key):
        block = _sha1(secret, block)
        stream += block
    hidden = bytes(one ^ other for one, other in zip(key, stream, strict=False))
    protected = salt + hidden + _sha1(secret, key)
    return _element(_SEQUENCE, _KEY_PROTECTOR + _element(_OCTET_STRING, protected))


def _element(tag: int, content: bytes) -> bytes:
    """DER (X.690 §10.1). `certs.der` is made for speed, and its tables take more memory than all of this."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _certificate(der: bytes) -> bytes:
    return _text("X.509") + _counted(der)


def _text(text: str) -> bytes:
    encoded = text.encode("ascii")
    return struct.pack(">H", len(encoded)) + encoded


def _counted(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _sha1(*parts: bytes) -> bytes:
    return hashlib.sha1(b"".join(parts)).digest()  # noqa: S324  the format has no other
