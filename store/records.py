"""The records kept in the store, as plain values.

- Times are whole seconds since 1970-01-01T00:00:00Z.
- An id is 32 lower-case hexadecimal digits; a serial is 16 octets.
- `sequence` is given by the store, in the order of commits, without gaps; None until then.
"""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")

CertificateState = Literal["valid", "expired", "revoked"]
"""Exclusive: a revoked certificate stays `revoked` after it has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """One issued certificate."""

    sequence: int | None
    id: str
    serial: bytes
    issuer_id: str
    profile: str
    subject: str
    """RFC 4514 string."""
    names: tuple[tuple[str, str], ...]
    """(kind, value) pairs; kind is dns, ip, uri, email or cn."""
    not_before: int
    not_after: int
    key_fingerprint: bytes
    """SHA-256 of the SubjectPublicKeyInfo."""
    fingerprint: bytes
    """SHA-256 of the certificate."""
    der: bytes
    requester: str
    request_id: str | None
    token_id: str | None
    issued_at: int
    crl_shard: int
    renewed_from: str | None
    """Id of the certificate that this one follows."""
    revoked_at: int | None = None
    revocation_reason: int | None = None
    """CRLReason of RFC 5280 section 5.3.1."""
    has_private_key: bool = False
    """Whether the store holds the sealed private key now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A private key that the CA made, encrypted by the caller of the store. Gone once taken, or after `expires_at`."""

    certificate_id: str
    sealed: bytes
    owner: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What somebody did. `chain_hash` is given by the store and covers this event and all before it."""

    sequence: int | None
    at: int
    action: str
    actor: str
    subject_id: str
    """Id of what was acted on; empty where there is none."""
    request_id: str | None
    details: str
    """JSON text."""
    chain_hash: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRecord:
    """A pod that somebody has vouched for. All its texts but the uid are empty where it was released before it was known."""

    uid: str
    namespace: str
    name: str
    service_account: str
    node_name: str
    dns_names: tuple[str, ...] = ()
    """What its certificates may hold beside a URI, sorted."""
    released_at: int | None = None
    """Since when it can have no certificate any more."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What never changes of a pod."""
        return self.namespace, self.name, self.service_account


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCertificate:
    """Which pod a certificate is issued to. Kept until `expires_at`: of the certificate or of the token, whichever is later."""

    certificate_id: str
    pod: PodRecord
    """`dns_names` are those of the certificate that must be registered for it."""
    credential_id: str | None
    """Of the service-account token that it was exchanged for; None where a registrar asked for it."""
    key_fingerprint: bytes
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCertificate:
    """By which its holder asks for another one of its own names: both are of one pod, or of none."""

    serial: bytes
    names: tuple[tuple[str, str], ...]
    """Those of its names that are asked for, as (kind, value) pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """What is recorded together when a certificate is issued."""

    certificate: CertificateRecord
    event: AuditEvent
    sealed_key: SealedKey | None
    pod: PodCertificate | None = None
    asked_with: HeldCertificate | None = None
    is_registrars_word: bool = False
    """A registrar vouched for it, and not for a pod: its holder can have no other by means of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A one-time token, known only by the hash of its secret."""

    id: str
    secret_hash: bytes
    profile: str
    bindings: str
    """JSON text."""
    created_at: int
    expires_at: int
    """The first second in which the token is not accepted."""
    creator: str
    spent_at: int | None = None
    certificate_id: str | None = None
    """What it was spent on."""
    deleted_at: int | None = None


AuthorityProfile = Literal["root", "cross", "intermediate"]
AuthorityState = Literal["pending", "active", "passive", "retired"]
"""A root or cross-certificate is `active` while it is handed out. An issuing CA is `pending` until it signs certificates, `active`
while it does, `passive` while it signs CRLs for those it has signed. `retired`: kept for the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRecord:
    """A root, an issuing CA, or a root's cross-certificate by the root before it. Private keys are kept elsewhere."""

    id: str
    profile: AuthorityProfile
    subject: str
    certificate: bytes
    """DER."""
    state: AuthorityState
    created_at: int
    generation: int = 0
    """Of the trust bundle, when this root last joined or left it; 0 for the others."""
    serves: str = ""
    """Of an issuing CA: the leaf profiles that it alone serves, sorted, with a space between; empty: all that no other serves."""


RotationKind = Literal["issuer", "root"]
RotationPhase = Literal["publishing", "signing", "retiring", "stable"]
Haste = Literal["due", "now", "emergency"]
"""Why a rotation began: it was due; somebody did not want to wait for that; somebody cannot wait for anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRecord:
    """One rotation, from its beginning to its end. `step` counts its changes: whoever changes it names the step that it saw."""

    id: str
    kind: RotationKind
    phase: RotationPhase
    haste: Haste
    step: int
    generation: int
    """Of the trust bundle, that consumers must hold before the phase can end."""
    incoming: tuple[str, ...]
    """Ids of the authorities that come."""
    outgoing: tuple[str, ...]
    """Ids of those that go."""
    aborted: bool
    started_at: int
    entered_at: int
    """When this phase began."""
    finished_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRequest:
    """A request for an issuing CA whose key is kept here and whose certificate somebody signs elsewhere."""

    authority_id: str
    """What the issuing CA will have as its id; its key is kept under it already."""
    request: bytes
    """PKCS #10, DER."""
    created_at: int
    serves: str = ""
    """As the issuing CA's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustConsumer:
    """Somebody who verifies with our roots, and the generation of the bundle that it last said it holds."""

    name: str
    generation: int
    reported_at: int
    serial: bytes | None = None
    """Of the certificate that it showed when it said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A running server. `view` identifies the authorities that it has loaded; equal views mean the same ones."""

    id: str
    view: str
    seen_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilter:
    """What to search for; every condition given must hold."""

    name: str | None = None
    """A whole name of any kind, in any letter case."""
    profile: str | None = None
    issuer_id: str | None = None
    requester: str | None = None
    state: CertificateState | None = None
    expires_before: int | None = None
    """not_after < this."""
    expires_after: int | None = None
    """not_after >= this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """A part of a listing, newest first. `next_token` is None on the last page."""

    items: tuple[Item, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryCounts:
    """How many certificates there are. `next_expiry` is the earliest not_after among the valid ones."""

    total: int
    valid: int
    revoked: int
    next_expiry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One revocation. `sequence` counts revocations in the order of their commits, from 1."""

    sequence: int
    certificate_id: str
    issuer_id: str
    crl_shard: int
    serial: bytes
    key_fingerprint: bytes
    not_after: int
    revoked_at: int
    reason: int
