"""Roots and issuing CAs as they are at the present moment."""

from datetime import UTC, datetime, timedelta

from tests.ca.hierarchies import Outsider, authority

YEAR = timedelta(days=365)
HOUR = timedelta(hours=1)


def present_authority(
    name: str,
    *,
    issuer: Outsider | None = None,
    path_length: int | None = None,
    left: timedelta = YEAR,
    is_ca: bool = True,
) -> Outsider:
    """Begun an hour ago, and valid for as long as is `left`."""
    begun = datetime.now(UTC).replace(microsecond=0) - HOUR
    return authority(name, issuer=issuer, path_length=path_length, not_before=begun, lifetime=HOUR + left, is_ca=is_ca)
