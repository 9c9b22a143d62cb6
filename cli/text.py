"""Text for people: instants, spans, and foreign text that cannot move the cursor."""

from collections.abc import Iterable
from datetime import datetime, timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def printable(text: str) -> str:
    """The text with control characters, bidirectional marks and the like written as escapes; line breaks too."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def instant(value: datetime | None) -> str:
    """RFC 3339 with whole seconds; empty for none."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if value else ""


def span(value: timedelta) -> str:
    """The largest unit that fits at least twice, as kubectl shows ages: `47h`, `3d`, `90s`."""
    seconds = int(abs(value.total_seconds()))
    for letter, size in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def relative(value: datetime, now: datetime) -> str:
    """`in 23h` or `3d ago`."""
    return f"in {span(value - now)}" if value >= now else f"{span(now - value)} ago"


def joined(values: Iterable[str], *, limit: int = 0) -> str:
    """Comma-separated; above `limit` values, the first ones and how many more."""
    texts = list(values)
    if limit and len(texts) > limit:
        return ",".join(texts[:limit]) + f",+{len(texts) - limit}"
    return ",".join(texts)
