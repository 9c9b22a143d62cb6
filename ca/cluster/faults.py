"""What stands between a pod and its certificate. Texts are for log and audit trail; `ca.cluster.enrollment` lets none out."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """What a refusal is counted as, before the authority itself had anything against it."""

    TOKEN_MALFORMED = "TOKEN_MALFORMED"  # noqa: S105 - a reason
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105 - a reason
    TOKEN_OF_ANOTHER_AUDIENCE = "TOKEN_OF_ANOTHER_AUDIENCE"  # noqa: S105 - a reason
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a reason
    TOKEN_NOT_OF_A_POD = "TOKEN_NOT_OF_A_POD"  # noqa: S105 - a reason
    POD_GONE = "POD_GONE"
    POD_IS_ANOTHER = "POD_IS_ANOTHER"


class Refusal(Exception):
    """Why somebody is not let in. The text holds no token."""

    def __init__(self, reason: RefusalReason, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


class NoAnswer(Exception):
    """The API server gives no answer that could be believed. `again`: it may, in a moment."""

    def __init__(self, problem: str, *, again: bool) -> None:
        super().__init__(problem)
        self.again = again


class Occupied(NoAnswer):
    """The object exists already, or is no longer as it was read: somebody was quicker. Read it again."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, again=False)


class NotThere(Exception):
    """The API server answers, and has no such object."""
