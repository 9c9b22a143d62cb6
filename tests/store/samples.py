"""Records to put into a store: plausible, and each different from the last in whatever must be unique."""

import hashlib
import itertools
from dataclasses import replace
from typing import Any

from store.records import AuditEvent, AuthorityRecord, CertificateRecord, Issuance, SealedKey, TokenRecord

NOW = 1_900_000_000
DAY = 86_400
ALICE = "spiffe://cluster.local/ns/default/sa/alice"
BOB = "spiffe://cluster.local/ns/default/sa/bob"

_numbers = itertools.count(1)


def octets(count: int, label: str = "") -> bytes:
    """`count` octets that have not been returned before."""
    return hashlib.shake_128(f"{label}{next(_numbers)}".encode()).digest(count)


def event(action: str = "certificate.issue", subject_id: str = "", **changes: Any) -> AuditEvent:
    sample = AuditEvent(
        sequence=None,
        at=NOW,
        action=action,
        actor=ALICE,
        subject_id=subject_id,
        request_id="call-1",
        details='{"reason":"test"}',
        chain_hash=None,
    )
    return replace(sample, **changes)


def certificate(**changes: Any) -> CertificateRecord:
    number = next(_numbers)
    sample = CertificateRecord(
        sequence=None,
        id=octets(16).hex(),
        serial=b"\x01" + octets(15),
        issuer_id="a" * 32,
        profile="server",
        subject="CN=Web",
        names=(("dns", f"web-{number}.example.org"), ("ip", "192.0.2.1"), ("cn", "Web")),
        not_before=NOW - 60,
        not_after=NOW + DAY,
        key_fingerprint=octets(32),
        fingerprint=octets(32),
        der=octets(700),
        requester=ALICE,
        request_id=None,
        token_id=None,
        issued_at=NOW,
        crl_shard=number % 4,
        renewed_from=None,
    )
    return replace(sample, **changes)


def issuance(*, sealed: bytes | None = None, key_expires_at: int = NOW + DAY, **changes: Any) -> Issuance:
    record = certificate(**changes)
    key = None
    if sealed is not None:
        key = SealedKey(certificate_id=record.id, sealed=sealed, owner=record.requester, expires_at=key_expires_at)
    return Issuance(certificate=record, event=event(subject_id=record.id), sealed_key=key)


def token(**changes: Any) -> TokenRecord:
    sample = TokenRecord(
        id=octets(16).hex(),
        secret_hash=octets(32),
        profile="server",
        bindings='{"dns":["web.example.org"]}',
        created_at=NOW,
        expires_at=NOW + 600,
        creator=ALICE,
    )
    return replace(sample, **changes)


def authority(**changes: Any) -> AuthorityRecord:
    sample = AuthorityRecord(
        id=octets(16).hex(),
        profile="root",
        subject="CN=Root",
        certificate=octets(500),
        state="active",
        created_at=NOW,
    )
    return replace(sample, **changes)
