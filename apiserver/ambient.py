"""The seams for the ambient world; whoever composes the process makes the real ones, tests hand in others."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present instant: aware, UTC."""

Entropy = Callable[[int], bytes]
"""Returns that many octets nobody can guess."""


def format_time(instant: datetime) -> str:
    """metav1.Time: RFC 3339 in UTC, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
