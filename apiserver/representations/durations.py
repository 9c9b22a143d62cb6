"""Spans of time as `kubectl get` shows an age (k8s.io/apimachinery/pkg/util/duration: HumanDuration)."""

import math
from collections.abc import Callable, Sequence

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def human_duration(seconds: int) -> str:
    """Two units at most, the smaller the shorter: 119s, 9m5s, 59m, 7h58m, 47h, 7d22h, 729d, 2y5d, 8y."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    return next(show(seconds) for bound, show in _STEPS if seconds < bound)


def _two(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    whole, rest = divmod(seconds, large)
    return f"{whole}{large_name}{rest // small}{small_name}" if rest // small else f"{whole}{large_name}"


_STEPS: Sequence[tuple[float, Callable[[int], str]]] = (
    (2 * _MINUTE, lambda seconds: f"{seconds}s"),
    (10 * _MINUTE, lambda seconds: _two(seconds, _MINUTE, "m", 1, "s")),
    (3 * _HOUR, lambda seconds: f"{seconds // _MINUTE}m"),
    (8 * _HOUR, lambda seconds: _two(seconds, _HOUR, "h", _MINUTE, "m")),
    (2 * _DAY, lambda seconds: f"{seconds // _HOUR}h"),
    (8 * _DAY, lambda seconds: _two(seconds, _DAY, "d", _HOUR, "h")),
    (2 * _YEAR, lambda seconds: f"{seconds // _DAY}d"),
    (8 * _YEAR, lambda seconds: _two(seconds, _YEAR, "y", _DAY, "d")),
    (math.inf, lambda seconds: f"{seconds // _YEAR}y"),
)
