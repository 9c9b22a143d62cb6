"""What can go wrong in the store, split by whose fault it is.

    StoreError
    ├── StorageFault                 the machine's or the operator's; nothing was kept, unless it says so
    │   ├── StoreUnavailable         try again; `outcome_unknown` where a commit was cut off
    │   ├── StoreFull                no room; goes on as soon as there is
    │   ├── StoreCorrupt             stop and restore
    │   ├── StoreExposed             others may read or write the files
    │   ├── SchemaTooNew             a newer release has been here
    │   └── UnsupportedDatabase      the address names no database of ours
    ├── NotFound                     the caller's: no such record
    ├── AlreadyExists    DuplicateSerial    AlreadyRevoked
    ├── IssuerRetired                try again: another issuing CA signs by now
    ├── TokenSpent    TokenExpired    CredentialReused
    ├── PodReleased    PodMismatch    NotByItsHolder
    ├── NamesNotRegistered           try again: they may be in a moment
    ├── InvalidPageToken
    └── AuditChainBroken             somebody has changed the audit trail

- Messages never hold a password, a key, a token or the content of a row.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from store.records import CertificateRecord


class StoreError(Exception):
    """The root. `reason` is stable (AIP-193); `retryable` says that the same call may succeed later, unchanged."""

    reason: ClassVar[str] = "STORE_ERROR"
    retryable: ClassVar[bool] = False


class StorageFault(StoreError):
    reason = "STORAGE_FAULT"


class StoreUnavailable(StorageFault):
    """With `outcome_unknown` the operation may be durable all the same: repeat it under the same request_id."""

    reason = "STORE_UNAVAILABLE"
    retryable = True

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class StoreFull(StorageFault):
    reason = "STORE_FULL"
    retryable = True


class StoreCorrupt(StorageFault):
    reason = "STORE_CORRUPT"


class StoreExposed(StorageFault):
    reason = "STORE_EXPOSED"


class SchemaTooNew(StorageFault):
    """`found` is the schema revision in the database, `newest` the newest that this program knows."""

    reason = "SCHEMA_TOO_NEW"

    def __init__(self, *, found: str, newest: str) -> None:
        super().__init__(
            f"the database has schema {found}, this release knows none after {newest}; run the release that wrote it"
        )
        self.found = found
        self.newest = newest


class UnsupportedDatabase(StorageFault):
    reason = "UNSUPPORTED_DATABASE"


class NotFound(StoreError):
    """`kind` is what was looked for (certificate, token, …), `key` what it was looked for by."""

    reason = "NOT_FOUND"

    def __init__(self, *, kind: str, key: str) -> None:
        super().__init__(f"there is no {kind} {key}")
        self.kind = kind
        self.key = key


class AlreadyExists(StoreError):
    reason = "ALREADY_EXISTS"

    def __init__(self, *, kind: str, key: str) -> None:
        super().__init__(f"there is already a {kind} {key}")
        self.kind = kind
        self.key = key


class DuplicateSerial(StoreError):
    """The serial (or id) belongs to another certificate; mint a new one and sign again."""

    reason = "DUPLICATE_SERIAL"

    def __init__(self, *, serial: bytes) -> None:
        super().__init__(f"serial {serial.hex()} is taken; sign again with a fresh one")
        self.serial = serial


class IssuerRetired(StoreError):
    """Its issuing CA was retired before it was recorded, by this process or another: sign again, by the one that is active."""

    reason = "ISSUER_RETIRED"
    retryable = True

    def __init__(self, issuer_id: str) -> None:
        super().__init__(f"issuing CA {issuer_id} was retired while this was signed; try again in a moment")
        self.issuer_id = issuer_id


class AlreadyRevoked(StoreError):
    """`record` says since when and why."""

    reason = "ALREADY_REVOKED"

    def __init__(self, record: "CertificateRecord") -> None:
        super().__init__(f"certificate {record.id} is revoked already; there is nothing left to do")
        self.record = record


class TokenSpent(StoreError):
    """The token is spent, withdrawn, or was never there: one answer, so that it cannot be used to find tokens."""

    reason = "TOKEN_SPENT"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"token {token_id} is not there to be used; ask for a new one")
        self.token_id = token_id


class TokenExpired(StoreError):
    reason = "TOKEN_EXPIRED"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"token {token_id} has expired; ask for a new one")
        self.token_id = token_id


class CredentialReused(StoreError):
    """A service-account token was exchanged before, for a certificate of another key."""

    reason = "CREDENTIAL_REUSED"

    def __init__(self, credential_id: str) -> None:
        super().__init__(f"credential {credential_id} was used with another key before; take a fresh token")
        self.credential_id = credential_id


class PodReleased(StoreError):
    """The pod is gone: it has no certificate, and will have none."""

    reason = "POD_RELEASED"

    def __init__(self, pod_uid: str) -> None:
        super().__init__(f"pod {pod_uid} was released; it can have no certificate any more")
        self.pod_uid = pod_uid


class PodMismatch(StoreError):
    """A UID belongs to one pod for ever, and is known as that of another."""

    reason = "POD_MISMATCH"

    def __init__(self, pod_uid: str) -> None:
        super().__init__(f"UID {pod_uid} is known as that of a pod with another namespace, name or service account")
        self.pod_uid = pod_uid


class NamesNotRegistered(StoreError):
    """`names` are not, or no longer, among those that the pod may have."""

    reason = "NAMES_NOT_REGISTERED"
    retryable = True

    def __init__(self, pod_uid: str, names: tuple[str, ...]) -> None:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        super().__init__(
            f"not registered for pod {pod_uid}: {shown}; see whether a Service with this name selects the pod"
        )
        self.pod_uid = pod_uid
        self.names = names


class NotByItsHolder(StoreError):
    """The certificate by which this was asked for stands for what a registrar knew when it was signed, and for no more."""

    reason = "NOT_BY_ITS_HOLDER"

    def __init__(self) -> None:
        super().__init__("it was signed for a request in the cluster, and not for a pod: make another request there")


class InvalidPageToken(StoreError):
    reason = "INVALID_PAGE_TOKEN"

    def __init__(self) -> None:
        super().__init__("the page token is not one of this listing; start again from the first page")


class AuditChainBroken(StoreError):
    """`sequence` is the first audit event whose hash does not follow from what stands before it."""

    reason = "AUDIT_CHAIN_BROKEN"

    def __init__(self, sequence: int) -> None:
        super().__init__(f"audit event {sequence} is missing or altered; compare with a backup")
        self.sequence = sequence
