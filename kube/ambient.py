"""The seams for the ambient world; `cli` makes the real ones, tests hand in others."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Returns the present instant: aware, UTC."""

Monotonic = Callable[[], float]
"""Returns seconds that only go forward, from an instant that means nothing."""

Entropy = Callable[[int], bytes]
"""Returns that many octets nobody can guess."""
