"""Instants as documents have them (metav1.Time, metav1.MicroTime): RFC 3339 in UTC."""

from datetime import UTC, datetime


def timestamp(instant: datetime) -> str:
    """metav1.Time: whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(instant: datetime) -> str:
    """metav1.MicroTime."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant_of(text: str) -> datetime | None:
    """None for what is none, or says no offset."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else None
