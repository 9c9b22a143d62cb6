"""What stands between a pod and its certificate. Texts are for log and audit trail; `ca.cluster.enrollment` lets none out."""


class Refusal(Exception):
    """Why somebody is not let in. The text holds no token."""


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
