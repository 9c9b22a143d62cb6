"""What can go wrong beside a service, split by what its owner can do about it.

    AgentError
    ├── CredentialsInvalid      files that are missing, unreadable, or a key that is not the certificate's
    ├── ScheduleInvalid         a renewal period or validity that leaves no time to renew
    ├── ThresholdInvalid        a threshold that is neither a percentage nor a length of time
    ├── PublishFailed           nothing was published; the files of before stand
    │   ├── UnsafePath          a name or symlink that leads out of the directory
    │   └── StorageFull         no space, quota or file size left
    ├── RenewalFailed           the authority could not be asked, or said no
    └── ReloadFailed            the certificate is in place, its user has not been told
        ├── SignalNotSent
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


class ReloadFailed(AgentError):
    reason = "RELOAD_FAILED"


class SignalNotSent(ReloadFailed):
    reason = "SIGNAL_NOT_SENT"


class CommandFailed(ReloadFailed):
    """The command could not be started or ended with another code than 0; `output` is the end of what it wrote."""

    reason = "COMMAND_FAILED"

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class CommandTimedOut(CommandFailed):
    reason = "COMMAND_TIMED_OUT"
