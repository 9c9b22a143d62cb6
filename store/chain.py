"""The audit trail's hash chain: each event's hash covers the event and the hash before it.

- Nobody changes, removes or reorders an event without every later hash giving it away. Removing the newest events
  shows only to one who remembers a later hash: keep them elsewhere as well.
- The encoding has one reading: every field has its length before it.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator

from store.errors import AuditChainBroken
from store.records import AuditEvent

GENESIS = bytes(32)
"""Stands before the first event."""

_DOMAIN = b"chancery audit event v1\n"
_NUMBERS = struct.Struct(">qq")
_LENGTH = struct.Struct(">I")
_ABSENT = b"\xff\xff\xff\xff"


def chain_hash(previous: bytes, sequence: int, event: AuditEvent) -> bytes:
    """SHA-256 of the event at `sequence` after the hash `previous`."""
    parts = [_DOMAIN, previous, _NUMBERS.pack(sequence, event.at)]
    for text in (event.action, event.actor, event.subject_id, event.request_id, event.details):
        if text is None:
            parts.append(_ABSENT)
        else:
            octets = text.encode()
            parts += (_LENGTH.pack(len(octets)), octets)
    return hashlib.sha256(b"".join(parts)).digest()


def chained(events: Iterable[AuditEvent], *, sequence: int, previous: bytes) -> Iterator[tuple[int, AuditEvent, bytes]]:
    """Numbers events from `sequence` on and hashes them: yields (sequence, event, hash)."""
    for number, event in enumerate(events, sequence):
        previous = chain_hash(previous, number, event)
        yield number, event, previous


def verify_links(events: Iterable[AuditEvent], *, sequence: int, previous: bytes) -> bytes:
    """Returns the last hash of `events`, whose first must be number `sequence`. Raises AuditChainBroken."""
    for expected, event in enumerate(events, sequence):
        link = chain_hash(previous, expected, event)
        if event.sequence != expected or event.chain_hash != link:
            raise AuditChainBroken(expected)
        previous = link
    return previous
