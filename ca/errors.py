"""What can go wrong in the authority, split by whose fault it is.

    CaError
    ├── Unauthenticated            the caller has not shown who it is
    │   ├── CertificateRequired    CallerRevoked    CallerExpired    CallerUnknown
    │   └── TokenRefused    EnrollmentRefused
    ├── PermissionDenied           policy, or the lack of it, says no
    │   ├── PolicyDenied
    │   └── NotTheOwner
    ├── InvalidArgument            the caller asked for something that cannot be
    │   └── RequestInvalid    RequestIdReused    IssuerCertificateRefused    PodMismatch
    ├── NotFound
    │   └── CertificateNotFound    KeyNotFound    IssuerNotFound    TokenNotFound    CrlNotFound
    ├── FailedPrecondition         right request, wrong moment
    │   ├── AlreadyRevoked    RenewalRefused    NoActiveIssuer
    │   ├── RotationUnderWay    NoRotation    RootKeyElsewhere    NoIssuerRequest
    │   └── ProfilesServed    KubernetesEnrollmentOff    PodReleased
    ├── Unavailable                try again
    │   └── Overloaded    ShuttingDown    Pkcs11Unavailable    ClusterUnavailable    NamesNotRegistered
    ├── Misconfigured              the operator's: the process does not start
    │   ├── SettingsInvalid    PolicyInvalid    NotInitialised    AlreadyInitialised
    │   ├── DataDirectoryInUse    LooseFileMode    KeyFileMissing    AuthorityMismatch
    │   ├── PassphraseLost    BackupRefused    BackupDamaged    Pkcs11Refused
    │   └── AuthorityLost    SecretMalformed    ClusterRefused
    └── Internal                   ours; the text is withheld at the edges

- Nothing here knows gRPC, HTTP or exit codes; `ca.rpc.statuses` and `ca.web.problems` map classes to them.
- Errors of `certs` and `store` pass through unwrapped: the same tables map them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar


class CaError(Exception):
    """The root. `reason` is stable (AIP-193); `metadata` holds what a program may want to read, never a secret."""

    reason: ClassVar[str] = "INTERNAL"

    @property
    def metadata(self) -> Mapping[str, str]:
        return {}


class Unauthenticated(CaError):
    reason = "UNAUTHENTICATED"


class CertificateRequired(Unauthenticated):
    reason = "CERTIFICATE_REQUIRED"


class CallerRevoked(Unauthenticated):
    reason = "CALLER_REVOKED"


class CallerExpired(Unauthenticated):
    reason = "CALLER_EXPIRED"


class CallerUnknown(Unauthenticated):
    reason = "CALLER_UNKNOWN"


class TokenRefused(Unauthenticated):
    """One error for unknown, wrong, spent, withdrawn and expired: whoever tries tokens learns nothing from the answer."""

    reason = "TOKEN_REFUSED"


class EnrollmentRefused(Unauthenticated):
    """One error for whatever speaks against a pod: what did is the cluster's and the operator's to know, not the caller's."""

    reason = "ENROLLMENT_REFUSED"


class PermissionDenied(CaError):
    reason = "PERMISSION_DENIED"


class PolicyDenied(PermissionDenied):
    reason = "POLICY_DENIED"

    def __init__(self, message: str, *, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"rule": self.rule} if self.rule else {}


class NotTheOwner(PermissionDenied):
    reason = "NOT_THE_OWNER"


class InvalidArgument(CaError):
    reason = "INVALID_ARGUMENT"


class RequestInvalid(InvalidArgument):
    reason = "REQUEST_INVALID"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"field": self.field}


class RequestIdReused(InvalidArgument):
    """The request_id was used before, for something else."""

    reason = "REQUEST_ID_REUSED"


class IssuerCertificateRefused(InvalidArgument):
    """It is no answer to the request for an issuing CA that waits."""

    reason = "ISSUER_CERTIFICATE_REFUSED"


class PodMismatch(InvalidArgument):
    """The UID is that of another pod."""

    reason = "POD_MISMATCH"


class NotFound(CaError):
    reason = "NOT_FOUND"


class CertificateNotFound(NotFound):
    reason = "CERTIFICATE_NOT_FOUND"


class KeyNotFound(NotFound):
    reason = "KEY_NOT_FOUND"


class IssuerNotFound(NotFound):
    reason = "ISSUER_NOT_FOUND"


class TokenNotFound(NotFound):
    reason = "TOKEN_NOT_FOUND"


class CrlNotFound(NotFound):
    reason = "CRL_NOT_FOUND"


class FailedPrecondition(CaError):
    reason = "FAILED_PRECONDITION"


class AlreadyRevoked(FailedPrecondition):
    reason = "ALREADY_REVOKED"


class RenewalRefused(FailedPrecondition):
    reason = "RENEWAL_REFUSED"


class RotationUnderWay(FailedPrecondition):
    """One at a time."""

    reason = "ROTATION_UNDER_WAY"


class NoRotation(FailedPrecondition):
    """There is none to abort."""

    reason = "NO_ROTATION"


class RootKeyElsewhere(FailedPrecondition):
    """The root that would have to sign is kept offline."""

    reason = "ROOT_KEY_ELSEWHERE"


class NoIssuerRequest(FailedPrecondition):
    """No issuing CA waits for a certificate."""

    reason = "NO_ISSUER_REQUEST"


class ProfilesServed(FailedPrecondition):
    """Another issuing CA serves one of these profiles already, or none does so alone."""

    reason = "PROFILES_SERVED"


class KubernetesEnrollmentOff(FailedPrecondition):
    """No cluster was named whose service accounts could enroll."""

    reason = "KUBERNETES_ENROLLMENT_OFF"


class PodReleased(FailedPrecondition):
    """The pod is gone, and what it held is revoked."""

    reason = "POD_RELEASED"


class NoActiveIssuer(FailedPrecondition):
    reason = "NO_ACTIVE_ISSUER"


class Unavailable(CaError):
    reason = "UNAVAILABLE"


class Overloaded(Unavailable):
    reason = "OVERLOADED"


class ShuttingDown(Unavailable):
    reason = "SHUTTING_DOWN"


class Pkcs11Unavailable(Unavailable):
    reason = "PKCS11_UNAVAILABLE"


class ClusterUnavailable(Unavailable):
    """The Kubernetes API server gives no answer that could be believed."""

    reason = "CLUSTER_UNAVAILABLE"


class NamesNotRegistered(Unavailable):
    """The cluster's registrar has not said, or not yet, that the pod may have these names."""

    reason = "NAMES_NOT_REGISTERED"


class Misconfigured(CaError):
    reason = "MISCONFIGURED"


class SettingsInvalid(Misconfigured):
    """Holds every fault found, not only the first."""

    reason = "SETTINGS_INVALID"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class PolicyInvalid(Misconfigured):
    """Holds every fault found, not only the first."""

    reason = "POLICY_INVALID"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class NotInitialised(Misconfigured):
    reason = "NOT_INITIALISED"


class AlreadyInitialised(Misconfigured):
    reason = "ALREADY_INITIALISED"


class DataDirectoryInUse(Misconfigured):
    reason = "DATA_DIRECTORY_IN_USE"


class LooseFileMode(Misconfigured):
    reason = "LOOSE_FILE_MODE"

    def __init__(self, path: Path, mode: int, expected: int) -> None:
        super().__init__(f"{path} has mode {mode:04o}, which lets others in; run: chmod {expected:04o} {path}")
        self.path = path


class KeyFileMissing(Misconfigured):
    reason = "KEY_FILE_MISSING"


class PassphraseLost(KeyFileMissing):
    """There are keys, and nothing to open them with where it should be."""

    reason = "PASSPHRASE_LOST"


class Pkcs11Refused(Misconfigured):
    """The token is not there, lets nobody in, or does not do what it is asked."""

    reason = "PKCS11_REFUSED"


class BackupRefused(Misconfigured):
    """It cannot be made now, or not there."""

    reason = "BACKUP_REFUSED"


class BackupDamaged(Misconfigured):
    """It is not a backup, or not all of one."""

    reason = "BACKUP_DAMAGED"


class AuthorityMismatch(Misconfigured):
    """What stands in the store and what stands in the data directory do not belong together."""

    reason = "AUTHORITY_MISMATCH"


class AuthorityLost(Misconfigured):
    """There has been an authority here, its roots are out there, and its database is gone. Nothing takes its place by itself."""

    reason = "AUTHORITY_LOST"


class SecretMalformed(Misconfigured):
    """A Kubernetes Secret is there and does not hold what it should."""

    reason = "SECRET_MALFORMED"


class ClusterRefused(Misconfigured):
    """The Kubernetes API server answers, and does not let this process do what its settings need."""

    reason = "CLUSTER_REFUSED"


class Internal(CaError):
    reason = "INTERNAL"
