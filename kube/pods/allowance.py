"""How often a pod may come to have further names: each time is a durable record of the authority's, so that whoever turns a Service
to and fro must not fill its disk, nor keep it from the others.

- Names that a pod loses are no matter of how often: they are taken at once.
"""

from dataclasses import dataclass

AT_ONCE = 10
"""As many times: Services that come up one after the other."""
SECONDS_FOR_ONE = 60.0


@dataclass(slots=True)
class Allowance:
    """A token bucket. Seconds are those of a clock that only goes forward."""

    _left: float = AT_ONCE
    _at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until there is one; 0 where there is."""
        if self._at is not None:
            self._left = min(AT_ONCE, self._left + (now - self._at) / SECONDS_FOR_ONE)
        self._at = now
        return max(0.0, (1 - self._left) * SECONDS_FOR_ONE)

    def take(self) -> None:
        self._left -= 1
