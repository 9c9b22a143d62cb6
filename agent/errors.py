"""What can go wrong beside a service, split by what its owner can do about it.

    AgentError
    ├── CredentialsInvalid      files that are missing, unreadable, or a key that is not the certificate's
    ├── IdentityNotReady        files that are in order, of a certificate that is not valid now
    ├── HeartbeatMissing        an agent that does not run, or hangs
    ├── ScheduleInvalid         a renewal period or validity that leaves no time to renew
    ├── ThresholdInvalid        a threshold that is neither a percentage nor a length of time
    ├── PublishFailed           nothing was published; the files of before stand
    │   ├── UnsafePath          a name or symlink that leads out of the directory
    │   └── StorageFull         no space, quota or file size left
    ├── RenewalFailed           the authority could not be asked, or said no
    │   ├── AuthorityUnreachable    no connection, no answer in time, or none that can be read
    │   │   └── AuthorityUntrusted  TLS does not believe that it is the authority
    │   ├── CertificateRefused      TLS: the authority does not take the certificate that was shown
    │   ├── RequestRefused          the authority says no, and why
    │   └── TokenUnreadable
    └── ReloadFailed            the certificate is in place, its user has not been told
        ├── SignalNotSent
        ├── RequestNotTaken
        ├── CommandFailed
        └── CommandTimedOut

- Nothing here is fatal to the loop of `agent.renewer`: it reports, backs off and tries again.
"""

from typing import ClassVar


class AgentError(Exception):
    """The root. `reason` is stable (AIP-193)."""

    reason: ClassVar[str] = "AGENT_FAILED"


class CredentialsInvalid(AgentError):
    reason = "CREDENTIALS_INVALID"


class IdentityNotReady(AgentError):
    reason = "IDENTITY_NOT_READY"


class HeartbeatMissing(AgentError):
    reason = "HEARTBEAT_MISSING"


class ScheduleInvalid(AgentError):
    reason = "SCHEDULE_INVALID"


class ThresholdInvalid(AgentError):
    reason = "THRESHOLD_INVALID"


class PublishFailed(AgentError):
    reason = "PUBLISH_FAILED"


class UnsafePath(PublishFailed):
    reason = "UNSAFE_PATH"


class StorageFull(PublishFailed):
    reason = "STORAGE_FULL"


class RenewalFailed(AgentError):
    reason = "RENEWAL_FAILED"


class AuthorityUnreachable(RenewalFailed):
    reason = "AUTHORITY_UNREACHABLE"


class AuthorityUntrusted(AuthorityUnreachable):
    reason = "AUTHORITY_UNTRUSTED"


class CertificateRefused(RenewalFailed):
    reason = "CERTIFICATE_REFUSED"


class RequestRefused(RenewalFailed):
    """`status` is that of HTTP, `refusal` the authority's own reason, such as TOKEN_REFUSED."""

    reason = "REQUEST_REFUSED"

    def __init__(self, message: str, *, status: int, refusal: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.refusal = refusal

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be granted in a moment: the authority is busy, stopping or broken."""
        return self.status in {408, 429} or self.status >= 500


class TokenUnreadable(RenewalFailed):
    reason = "TOKEN_UNREADABLE"


class ReloadFailed(AgentError):
    reason = "RELOAD_FAILED"


class SignalNotSent(ReloadFailed):
    reason = "SIGNAL_NOT_SENT"


class RequestNotTaken(ReloadFailed):
    reason = "REQUEST_NOT_TAKEN"


class CommandFailed(ReloadFailed):
    """The command could not be started or ended with another code than 0; `output` is the end of what it wrote."""

    reason = "COMMAND_FAILED"

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class CommandTimedOut(CommandFailed):
    reason = "COMMAND_TIMED_OUT"
