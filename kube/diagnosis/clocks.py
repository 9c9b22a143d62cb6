"""Clocks that differ: a certificate that is fresh here is not valid yet there."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from kube.diagnosis.findings import Cause, Finding, fine, problem
from kube.diagnosis.text import span

LARGEST_SKEW = timedelta(seconds=30)


def instant_of_header(date: str) -> datetime | None:
    """Date of HTTP (RFC 9110 §6.6.1), in whole seconds; None for what is none."""
    try:
        parsed = parsedate_to_datetime(date)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def judge_clock(whose: str, said: datetime, *, before: datetime, after: datetime) -> Finding:
    """`said` was read between two instants of our own clock, and cut to a whole second."""
    label = f"clock of {whose}"
    skew = max(before - said - timedelta(seconds=1), said - after, timedelta(0))
    if skew <= LARGEST_SKEW:
        return fine(label, "agrees with this machine's")
    way = "ahead of" if said > after else "behind"
    return problem(
        label,
        Cause.CLOCK_SKEW,
        f"{span(skew)} {way} this machine's",
        "have nodes, control plane and this machine follow a time server; certificates are back-dated by a minute, no more",
    )
