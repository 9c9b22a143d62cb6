"""What somebody who reads a published bundle trusts by it.

- The same few bundles are read again and again, from many objects: what was read is remembered by its text.
- What is too long to be a bundle is garbage without a look, and is not kept: anybody may write a mebibyte, and another one.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeGuard

from certs.errors import CertsError
from certs.fingerprints import certificate_fingerprint
from certs.pem import split_certificates
from kube.documents import JsonValue

LONGEST = 1 << 18
"""Characters; three dozen roots of ML-DSA have as many."""

_REMEMBERED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """`fingerprints` are empty where there is nothing, or `is_garbage`; `not_after` is when the first of the certificates ends."""

    fingerprints: frozenset[str] = frozenset()
    not_after: datetime | None = None
    is_garbage: bool = False

    @staticmethod
    def from_text(pem: JsonValue) -> "Contents":
        """A ConfigMap's value, or a ClusterTrustBundle's."""
        return _read(pem) if _may_be_read(pem) else Contents(is_garbage=pem is not None)

    @staticmethod
    def from_base64(octets: JsonValue) -> "Contents":
        """A `caBundle`: octets in JSON."""
        return _decode(octets) if _may_be_read(octets) else Contents(is_garbage=octets is not None)


def kept(value: JsonValue) -> JsonValue:
    """What is to be kept of it, to be read later."""
    return value if value is None or _may_be_read(value) else "too long, or no text"


def _may_be_read(value: JsonValue) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= LONGEST


@lru_cache(_REMEMBERED)
def _decode(text: str) -> Contents:
    try:
        return _read(base64.b64decode(text, validate=True).decode())
    except ValueError:  # of base64, or of UTF-8
        return Contents(is_garbage=True)


@lru_cache(_REMEMBERED)
def _read(pem: str) -> Contents:
    if not pem.strip():
        return Contents()
    try:
        certificates = split_certificates(pem.encode())
        return Contents(
            fingerprints=frozenset(certificate_fingerprint(one).hex() for one in certificates),
            not_after=min(one.not_valid_after_utc for one in certificates),
        )
    except (CertsError, ValueError):
        return Contents(is_garbage=True)
