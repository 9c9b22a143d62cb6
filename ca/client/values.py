"""What the authority answers, as values.

- Instants are aware and in UTC; fingerprints and serial numbers are lower-case hexadecimal.
- Requests use `SubjectName` and `SubjectAlternativeNames` of `certs`; answers keep names as the server wrote them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class CertificateState(StrEnum):
    """By the server's clock, at the moment of its answer."""

    UNKNOWN = "unknown"
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class RevocationReason(StrEnum):
    """CRLReason of RFC 5280 section 5.3.1, as far as people give one."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    CA_COMPROMISE = "ca-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Alternative names, as text."""

    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        return self.dns + self.ips + self.uris + self.emails


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate as the inventory holds it; in lists the PEM fields are empty unless asked for."""

    id: str
    serial_number: str
    issuer_id: str
    profile: str
    subject: str
    names: Names
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    renew_at: datetime
    sha256_fingerprint: str
    requester: str
    state: CertificateState
    revoked_at: datetime | None
    revocation_reason: RevocationReason | None
    certificate_pem: bytes
    chain_pem: bytes
    renewed_from_id: str
    has_private_key: bool

    @property
    def full_chain_pem(self) -> bytes:
        """The certificate and its issuers without the root: what a TLS server presents."""
        return self.certificate_pem + self.chain_pem


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePage:
    certificates: tuple[IssuedCertificate, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEvent:
    """One certificate of a watch, and the cursor from which to go on after it."""

    certificate: IssuedCertificate
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilter:
    """Conditions that must all hold; an empty one does not count."""

    name: str = ""
    profile: str = ""
    issuer_id: str = ""
    requester: str = ""
    state: CertificateState | None = None
    expires_before: datetime | None = None
    expires_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """One request of many. `csr` is PEM or DER; `request_id` is unique among the caller's, for ever."""

    request_id: str
    csr: bytes
    profile: str = ""
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrTemplate:
    """What a request of the caller may look like. `subject` maps attribute names to values."""

    subject: dict[str, tuple[str, ...]]
    names: Names
    profiles: tuple[str, ...]
    key_types: tuple[str, ...]
    trust_domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The roots to trust. `generation` grows by one with every change."""

    generation: int
    roots_pem: bytes
    sha256_fingerprints: tuple[str, ...]
    trust_domain: str
    retiring_key_ids: tuple[str, ...] = ()
    """Key identifiers, hexadecimal, of issuing CAs that are being replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """What a token was spent on."""

    certificate: IssuedCertificate
    trust_bundle_pem: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as the cluster knows it; `node` is empty where it is not scheduled yet."""

    namespace: str
    name: str
    uid: str
    service_account: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A CRL, DER."""

    der: bytes
    number: int
    next_update: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerStatus:
    """A root, issuing CA or cross-certificate. `state` is `pending`, `active` (signs), `passive` or `retired`."""

    id: str
    profile: str
    subject: str
    key_type: str
    state: str
    not_before: datetime
    not_after: datetime
    sha256_fingerprint: str
    certificate_pem: bytes
    profiles: tuple[str, ...] = ()
    """Leaf profiles that it alone serves; empty: all that no other does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerCsr:
    """A request for an issuing CA, PKCS #10, to be signed where the root's key is."""

    csr_pem: bytes
    subject: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """How the authority stands, by its own clock."""

    version: str
    trust_domain: str
    started_at: datetime
    current_time: datetime
    store: str
    issuers: tuple[IssuerStatus, ...]
    serving_not_after: datetime | None
    certificates_total: int
    certificates_valid: int
    certificates_revoked: int
    next_expiry: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """`kind` is `issuer` or `root`; `phase` is `publishing`, `signing`, `retiring` or `stable`; `haste` is `due`, `now` or
    `emergency`."""

    id: str
    kind: str
    phase: str
    haste: str
    aborted: bool
    started_at: datetime
    entered_at: datetime
    finished_at: datetime | None
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustConsumer:
    """Somebody who verifies with the trust bundle, and what it last said it holds."""

    name: str
    held_generation: int
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingCertificate:
    """Of the old issuing CA, valid, and not renewed."""

    id: str
    subject: str
    requester: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStatus:
    """`rotation` is the one under way or the last one, None where there was none; `waits` are sentences."""

    rotation: Rotation | None
    waits: tuple[str, ...]
    consumers: tuple[TrustConsumer, ...]
    consumers_total: int
    consumers_behind: int
    remaining: tuple[RemainingCertificate, ...]
    generation: int
    issuer_due: datetime
    root_due: datetime

    @property
    def is_under_way(self) -> bool:
        return self.rotation is not None and self.rotation.finished_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatus:
    """A one-time token without its secret."""

    id: str
    profile: str
    subject: dict[str, tuple[str, ...]]
    names: Names
    created_at: datetime
    expires_at: datetime
    spent_at: datetime | None
    certificate_id: str
    creator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """`secret` is shown once, by this value alone."""

    token: TokenStatus
    secret: str

    def __repr__(self) -> str:
        return f"NewToken(token={self.token!r}, secret=…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPage:
    tokens: tuple[TokenStatus, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOutcome:
    rule: str
    matched: bool
    mismatches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyExplanation:
    """`rule` is the rule that decided; empty where none matched."""

    allowed: bool
    rule: str
    explanation: str
    evaluations: tuple[RuleOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyQuestion:
    """A hypothetical request; the caller is the calling identity where its three names are empty."""

    caller_common_name: str = ""
    caller_organizations: tuple[str, ...] = ()
    caller_spiffe_id: str = ""
    caller_is_pod: bool = False
    """Whether it shows a service-account token, no certificate."""
    operation: str = "issue"
    profile: str = ""
    key_type: str = ""
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """`details_json` is a JSON object; `chain_hash` ties the event to the one before."""

    sequence: int
    at: datetime
    action: str
    actor: str
    subject_id: str
    request_id: str
    details_json: str
    chain_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    events: tuple[AuditRecord, ...]
    next_page_token: str
