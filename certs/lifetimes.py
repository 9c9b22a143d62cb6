"""Spans of time as people write them: `90s`, `15m`, `24h`, `90d`, `1h30m`."""

import re
from datetime import timedelta

from certs.errors import MalformedInput

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TEXT = re.compile(r"(?:(\d{1,7})d)?(?:(\d{1,7})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)


def parse_lifetime(text: str) -> timedelta:
    """Reads days, hours, minutes and seconds, largest first, each at most once. Raises MalformedInput."""
    match = _TEXT.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise MalformedInput(f"{text!r} is not a length of time; write it like 90s, 15m, 24h, 90d or 1h30m")
    return timedelta(
        seconds=sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True))
    )


def format_lifetime(span: timedelta) -> str:
    """Writes whole seconds, so that `parse_lifetime` reads the same span back."""
    rest, parts = int(span.total_seconds()), []
    for letter, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"
