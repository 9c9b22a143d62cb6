"""Hints that another process has committed something: they come soon, and may be lost. Whoever must know looks for itself."""

from typing import Protocol


class Notifications(Protocol):
    """One listener; for one thread."""

    def wait(self, seconds: float) -> bool:
        """Whether a notification came in that time; several are one. Raises StoreUnavailable, then make another listener."""

    def close(self) -> None:
        """Ends listening."""
