"""When to renew a certificate: a timetable that says what to do next and does nothing itself.

- Renewal is due at 2/3 of the certificate's life, less up to 1/20 of the period at random, so that a fleet does not
  come at once.
- Only the wall clock counts, and no sleep is longer than `LONGEST_SLEEP`: a suspended laptop catches up on waking,
  and a clock that jumps, forward or back, is obeyed at the next look. A failure that lies in the future is one that
  the clock has taken back.
- After a failure the wait doubles, within bounds, less up to half of it at random; in the last minute before expiry
  it is short.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeAlias

from agent.errors import ScheduleInvalid
from certs.serials import Entropy

Clock: TypeAlias = Callable[[], datetime]
"""Answers the present instant, aware, in UTC."""

LONGEST_SLEEP = timedelta(seconds=60)
SHORTEST_SLEEP = timedelta(seconds=1)
LAST_MINUTE = timedelta(minutes=1)
FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=5)
LONGEST_URGENT_RETRY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Nothing to do for so many seconds; then look again, at the clock and at the files."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Renew now. `urgent`: less than a minute is left, no back-off of before counts."""

    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The certificate is worthless since `since`; whoever can enroll without it should."""

    since: datetime


Decision: TypeAlias = Sleep | Renew | Expired


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """How long to hold still after `failures` failures in a row, the last of which was seen at `failed_at`."""

    failures: int
    failed_at: datetime
    delay: timedelta

    @classmethod
    def after(cls, previous: Self | None, *, now: datetime, entropy: Entropy) -> Self:
        """The back-off that follows one more failure, between half of the doubled delay and all of it."""
        failures = 1 if previous is None else previous.failures + 1
        ceiling = min(FIRST_RETRY * 2 ** min(failures - 1, 16), LONGEST_RETRY)
        return cls(failures=failures, failed_at=now, delay=ceiling * (1 - draw_fraction(entropy) / 2))

    def remaining(self, now: datetime, *, longest: timedelta = LONGEST_RETRY) -> timedelta:
        """What is left of the wait, never negative; zero when the clock has gone back behind the failure."""
        if now < self.failed_at:
            return timedelta(0)
        return max(self.failed_at + min(self.delay, longest) - now, timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalSchedule:
    """One certificate's timetable; `not_before <= renew_at < not_after`, all aware."""

    not_before: datetime
    not_after: datetime
    renew_at: datetime

    @classmethod
    def from_validity(
        cls, *, not_before: datetime, not_after: datetime, jitter_fraction: float, period: timedelta | None = None
    ) -> Self:
        """The timetable of a certificate; see `when_to_renew` for the arguments and the errors."""
        renew_at = when_to_renew(
            not_before=not_before, not_after=not_after, jitter_fraction=jitter_fraction, period=period
        )
        return cls(not_before=not_before, not_after=not_after, renew_at=renew_at)

    @property
    def urgent_at(self) -> datetime:
        """A minute before expiry, or the last quarter of a life so short that a minute would be most of it."""
        return self.not_after - min(LAST_MINUTE, (self.not_after - self.not_before) / 4)

    def decide(self, now: datetime, back_off: BackOff | None = None) -> Decision:
        """What to do at `now`, given how the attempts of before went."""
        urgent = now >= self.urgent_at
        if back_off is not None and (now >= self.renew_at or urgent):
            expired = now > self.not_after
            held = back_off.remaining(now, longest=LONGEST_URGENT_RETRY if urgent and not expired else LONGEST_RETRY)
            if held:
                return Sleep(seconds=next_check(now, now + held).total_seconds())
        if now > self.not_after:
            return Expired(since=self.not_after)
        if urgent or now >= self.renew_at:
            return Renew(urgent=urgent)
        return Sleep(seconds=next_check(now, self.renew_at).total_seconds())


def when_to_renew(
    *, not_before: datetime, not_after: datetime, jitter_fraction: float, period: timedelta | None = None
) -> datetime:
    """The instant from which renewal is due: 2/3 of life, or `period` after `not_before`, less the jitter.

    `jitter_fraction` in [0, 1) is drawn once for each certificate and scales the jitter of at most 1/20 of the time
    until then. Raises ScheduleInvalid when the validity is empty or `period` leaves less than a minute of life for
    the renewal.
    """
    if not_after <= not_before:
        raise ScheduleInvalid("the certificate is never valid; ask the authority for another one")
    life = not_after - not_before
    if period is not None and not timedelta(0) < period <= life - LAST_MINUTE:
        raise ScheduleInvalid(
            f"a renewal period of {period} does not fit a life of {life}; choose one at least a minute shorter"
        )
    until_due = life * 2 / 3 if period is None else period
    return not_before + until_due * (1 - jitter_fraction / 20)


def next_check(now: datetime, due: datetime) -> timedelta:
    """How long to sleep on the way to `due`: never beyond `LONGEST_SLEEP`, never a busy loop."""
    return min(max(due - now, SHORTEST_SLEEP), LONGEST_SLEEP)


def draw_fraction(entropy: Entropy) -> float:
    """A number in [0, 1), uniform in steps of 2^-53."""
    return (int.from_bytes(entropy(7)) >> 3) / 2**53
