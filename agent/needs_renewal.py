"""Whether a certificate is due, for scripts and cron: by the share of life that has passed, or by what is left of it.

- `66%` is due once 66 % of the life has passed; `8h`, `30d` is due once no more than that is left.
- A certificate that has expired is due whatever the threshold says.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509

from agent.errors import ThresholdInvalid
from certs.errors import MalformedInput
from certs.lifetimes import parse_lifetime

_PERCENTAGE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Exactly one of the two: a share of life in (0, 1], or a remaining time greater than zero."""

    share_of_life: float | None = None
    remaining: timedelta | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Reads `66%`, `8h`, `30d`, `1h30m`. Raises ThresholdInvalid."""
        percentage = _PERCENTAGE.fullmatch(text.strip())
        if percentage is not None:
            share = float(percentage[1]) / 100
            if not 0 < share <= 1:
                raise ThresholdInvalid(
                    f"{text!r} is not a share of a life; choose a percentage above 0% and up to 100%"
                )
            return cls(share_of_life=share)
        try:
            remaining = parse_lifetime(text)
        except MalformedInput as err:
            raise ThresholdInvalid(
                f"{text!r} is no threshold; write a percentage like 66% or a time like 8h or 30d"
            ) from err
        if not remaining:
            raise ThresholdInvalid("a threshold of no time at all is never met; write a time like 8h or 30d")
        return cls(remaining=remaining)

    def due_at(self, *, not_before: datetime, not_after: datetime) -> datetime:
        """The instant from which a certificate of this validity is due; never after `not_after`."""
        if self.remaining is not None:
            return not_after - self.remaining
        return not_before + (not_after - not_before) * (self.share_of_life or 1.0)


DEFAULT_THRESHOLD = Threshold(share_of_life=0.66)


def needs_renewal(certificate: x509.Certificate, now: datetime, threshold: Threshold = DEFAULT_THRESHOLD) -> bool:
    """Whether `certificate` is due at `now` (aware). The share of life counts from its own `not_before`."""
    not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now > not_after or now >= threshold.due_at(not_before=not_before, not_after=not_after)


def any_needs_renewal(
    certificates: Iterable[x509.Certificate], now: datetime, threshold: Threshold = DEFAULT_THRESHOLD
) -> bool:
    """Whether any link of a chain is due: a chain ends when its first certificate does."""
    return any(needs_renewal(certificate, now, threshold) for certificate in certificates)
