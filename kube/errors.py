"""What can go wrong between a controller and the cluster, split by what is to be done about it.

KubeError
├── Retryable                  the same may succeed later, with backoff
│   ├── ClusterUnreachable     nobody answers, or says that it cannot now (429, 5xx)
│   │   └── AnswerTooLong      an answer does not end, in octets or in time: ask for less
│   ├── NotAuthenticated       the credentials are not taken; they are read anew before the next try
│   └── Conflict               somebody was faster: read again, then decide again
├── CallerFault                the same again comes to the same
│   ├── NotThere               the API server answers, and has no such object or no such kind
│   ├── AlreadyThere           there is an object of that name
│   ├── Forbidden              RBAC does not let us
│   └── Refused                validation or an admission controller said no; the Status' own message
├── TooOld                     the version or the page that was asked for is gone: list again
├── NotLeading                 the lease is not surely held: nothing was written
└── KubeSettingsInvalid        the operator's: settings, with every fault
"""

from collections.abc import Sequence
from typing import ClassVar


class KubeError(Exception):
    """The root. `reason` is stable (AIP-193)."""

    reason: ClassVar[str] = "KUBE_ERROR"


class Retryable(KubeError):
    reason = "RETRYABLE"

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        """`retry_after` is in seconds; 0: no advice."""
        super().__init__(message)
        self.retry_after = retry_after


class ClusterUnreachable(Retryable):
    reason = "CLUSTER_UNREACHABLE"


class AnswerTooLong(ClusterUnreachable):
    reason = "ANSWER_TOO_LONG"


class NotAuthenticated(Retryable):
    reason = "NOT_AUTHENTICATED"


class Conflict(Retryable):
    reason = "CONFLICT"


class CallerFault(KubeError):
    reason = "CALLER_FAULT"


class NotThere(CallerFault):
    reason = "NOT_THERE"


class AlreadyThere(CallerFault):
    reason = "ALREADY_THERE"


class Forbidden(CallerFault):
    reason = "FORBIDDEN"


class Refused(CallerFault):
    reason = "REFUSED"


class TooOld(KubeError):
    reason = "TOO_OLD"


class NotLeading(KubeError):
    reason = "NOT_LEADING"


class KubeSettingsInvalid(KubeError):
    reason = "KUBE_SETTINGS_INVALID"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)
