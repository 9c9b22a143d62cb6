"""Instants and spans in findings."""

from datetime import datetime, timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def instant(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


def span(value: timedelta) -> str:
    """The largest unit that fits at least twice."""
    seconds = int(abs(value.total_seconds()))
    return next((f"{seconds // size}{letter}" for letter, size in _UNITS if seconds >= 2 * size), f"{seconds}s")
