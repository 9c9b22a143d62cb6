"""Lifetimes as policy writes them: `45m`, `24h`, `90d`.

- One number and one unit; what is read is written back in the largest unit that divides it.
"""

import re
from datetime import timedelta

_LIFETIME = re.compile(r"([1-9][0-9]{0,6})([smhd])", re.ASCII)
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def parse_lifetime(text: str) -> timedelta:
    """Raises ValueError for anything but a positive number of up to seven digits, followed by s, m, h or d."""
    found = _LIFETIME.fullmatch(text)
    if found is None:
        raise ValueError("write a number and one of s, m, h, d, as in 24h")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def format_lifetime(lifetime: timedelta) -> str:
    """Whole seconds; a fraction is cut off."""
    seconds = int(lifetime.total_seconds())
    unit = next(
        unit for unit, length in _SECONDS.items() if (seconds % length == 0 and seconds >= length) or unit == "s"
    )
    return f"{seconds // _SECONDS[unit]}{unit}"
