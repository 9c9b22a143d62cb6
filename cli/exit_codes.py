"""What the exit status says, and which error earns which: the command line's edge table.

- Looked up along an error's class and its ancestors; a test walks every error class of the program and fails on one
  that only the roots would catch.
- What is not in the table is ours: 70.
- `needs-renewal` has its own statuses, which scripts written for step-ca expect.
"""

from collections.abc import Mapping
from enum import IntEnum

import agent.errors as beside_services
import apiserver.errors as storage_api
import ca.client.errors as client
import ca.errors as authority
import certs.errors as certificates
import kube.errors as cluster
import kube.signers.errors as signers
import kube.trust.errors as distribution
import store.errors as storage
from cli import errors as command_line


class ExitCode(IntEnum):
    """Part of the interface: a status keeps its meaning."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    UNAVAILABLE = 5
    REFUSED = 6
    NOT_READY = 7
    INTERNAL = 70
    INTERRUPTED = 130


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "a check did not hold: verify, doctor, policy explain, a part of many",
    ExitCode.USAGE: "the command line itself is wrong",
    ExitCode.NOT_FOUND: "no such certificate, token, issuer, file or directory",
    ExitCode.DENIED: "not authenticated, or policy says no",
    ExitCode.UNAVAILABLE: "the server or its storage cannot be reached; try again",
    ExitCode.REFUSED: "malformed, weak, oversized or forbidden input",
    ExitCode.NOT_READY: "right command, wrong moment: already revoked, not initialised, in use, misconfigured",
    ExitCode.INTERNAL: "a defect",
    ExitCode.INTERRUPTED: "stopped from the keyboard",
}

_TABLE: Mapping[type[BaseException], ExitCode] = {
    certificates.MalformedInput: ExitCode.REFUSED,
    certificates.RequestRefused: ExitCode.REFUSED,
    certificates.ProfileViolation: ExitCode.REFUSED,
    certificates.UnknownProfile: ExitCode.REFUSED,
    certificates.PassphraseError: ExitCode.DENIED,
    certificates.VerificationFailed: ExitCode.FAILED,
    certificates.IssuerUnusable: ExitCode.NOT_READY,
    certificates.Defect: ExitCode.INTERNAL,
    storage.StorageFault: ExitCode.NOT_READY,
    storage.StoreUnavailable: ExitCode.UNAVAILABLE,
    storage.StoreFull: ExitCode.UNAVAILABLE,
    storage.NotFound: ExitCode.NOT_FOUND,
    storage.AlreadyExists: ExitCode.NOT_READY,
    storage.DuplicateSerial: ExitCode.INTERNAL,
    storage.IssuerRetired: ExitCode.UNAVAILABLE,
    storage.AlreadyRevoked: ExitCode.NOT_READY,
    storage.TokenSpent: ExitCode.DENIED,
    storage.TokenExpired: ExitCode.DENIED,
    storage.CredentialReused: ExitCode.DENIED,
    storage.PodReleased: ExitCode.NOT_READY,
    storage.PodMismatch: ExitCode.REFUSED,
    storage.NotByItsHolder: ExitCode.NOT_READY,
    storage.NamesNotRegistered: ExitCode.UNAVAILABLE,
    storage.InvalidPageToken: ExitCode.REFUSED,
    storage.AuditChainBroken: ExitCode.FAILED,
    authority.Unauthenticated: ExitCode.DENIED,
    authority.PermissionDenied: ExitCode.DENIED,
    authority.InvalidArgument: ExitCode.REFUSED,
    authority.NotFound: ExitCode.NOT_FOUND,
    authority.FailedPrecondition: ExitCode.NOT_READY,
    authority.Unavailable: ExitCode.UNAVAILABLE,
    authority.Misconfigured: ExitCode.NOT_READY,
    authority.Internal: ExitCode.INTERNAL,
    client.IdentityInvalid: ExitCode.DENIED,
    client.AddressInvalid: ExitCode.REFUSED,
    client.ServerUntrusted: ExitCode.DENIED,
    client.ServerUnreachable: ExitCode.UNAVAILABLE,
    client.CallFailed: ExitCode.INTERNAL,
    client.CallUnauthenticated: ExitCode.DENIED,
    client.CallDenied: ExitCode.DENIED,
    client.CallInvalid: ExitCode.REFUSED,
    client.CallNotFound: ExitCode.NOT_FOUND,
    client.CallOutOfTurn: ExitCode.NOT_READY,
    client.CallUnavailable: ExitCode.UNAVAILABLE,
    storage_api.CallerFault: ExitCode.REFUSED,
    storage_api.Retryable: ExitCode.UNAVAILABLE,
    storage_api.ServerFault: ExitCode.INTERNAL,
    storage_api.KindsInvalid: ExitCode.REFUSED,
    storage_api.ApiSettingsInvalid: ExitCode.NOT_READY,
    storage_api.BackupRefused: ExitCode.NOT_READY,
    storage_api.ClusterUnreachable: ExitCode.UNAVAILABLE,
    cluster.Retryable: ExitCode.UNAVAILABLE,
    cluster.CallerFault: ExitCode.REFUSED,
    cluster.NotThere: ExitCode.NOT_FOUND,
    cluster.Forbidden: ExitCode.DENIED,
    cluster.NotAuthenticated: ExitCode.DENIED,
    cluster.TooOld: ExitCode.UNAVAILABLE,
    cluster.NotLeading: ExitCode.NOT_READY,
    cluster.KubeSettingsInvalid: ExitCode.NOT_READY,
    distribution.BundleInvalid: ExitCode.FAILED,
    signers.SignerError: ExitCode.FAILED,
    beside_services.CredentialsInvalid: ExitCode.DENIED,
    beside_services.IdentityNotReady: ExitCode.FAILED,
    beside_services.HeartbeatMissing: ExitCode.FAILED,
    beside_services.ScheduleInvalid: ExitCode.REFUSED,
    beside_services.ThresholdInvalid: ExitCode.REFUSED,
    beside_services.PublishFailed: ExitCode.NOT_READY,
    beside_services.StorageFull: ExitCode.UNAVAILABLE,
    beside_services.RenewalFailed: ExitCode.UNAVAILABLE,
    beside_services.CertificateRefused: ExitCode.DENIED,
    beside_services.RequestRefused: ExitCode.DENIED,
    beside_services.TokenUnreadable: ExitCode.DENIED,
    beside_services.ReloadFailed: ExitCode.FAILED,
    command_line.InputMissing: ExitCode.NOT_FOUND,
    command_line.IdentityMissing: ExitCode.DENIED,
    command_line.SecretMissing: ExitCode.DENIED,
    command_line.InputInvalid: ExitCode.REFUSED,
    command_line.OutputExists: ExitCode.NOT_READY,
    command_line.Unconfirmed: ExitCode.NOT_READY,
    command_line.BulkIncomplete: ExitCode.FAILED,
    FileNotFoundError: ExitCode.NOT_FOUND,
    NotADirectoryError: ExitCode.NOT_FOUND,
    PermissionError: ExitCode.DENIED,
    ConnectionError: ExitCode.UNAVAILABLE,
    TimeoutError: ExitCode.UNAVAILABLE,
    OSError: ExitCode.NOT_READY,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
}


def exit_code_of(error: BaseException) -> ExitCode:
    """The status that the nearest class of the table gives; INTERNAL where there is none."""
    mapped = mapped_class(type(error))
    return _TABLE[mapped] if mapped is not None else ExitCode.INTERNAL


def mapped_class(kind: type[BaseException]) -> type[BaseException] | None:
    """The class of the table that decides for `kind`."""
    return next((ancestor for ancestor in kind.__mro__ if ancestor in _TABLE), None)
