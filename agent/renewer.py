"""Keeps one identity fresh: asks the timetable what to do, does it, and tells what happened.

- A thin shell around `agent.schedule`: clock, entropy, pause, renewal, files and hooks are handed in; it ends when
  `pause` says so.
- The files are read again before each decision, so that a certificate renewed by other hands counts.
- Other roots are as much of a change as another certificate: hooks run for them, too.
- A renewed certificate is never thrown away: if it cannot be published it is kept and published later, without asking
  the authority again. A hook that failed is run again at each look until it succeeds or the next certificate comes.
- A failure is reported and waited out; only exceptions that nobody announced leave the loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from agent.credentials import Credentials
from agent.errors import AgentError, PublishFailed, ReloadFailed, ScheduleInvalid
from agent.reload import ReloadHook
from agent.schedule import (
    LONGEST_SLEEP,
    BackOff,
    Clock,
    Expired,
    RenewalSchedule,
    Sleep,
    draw_fraction,
    next_check,
)
from certs.serials import Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A certificate was seen for the first time."""

    not_after: datetime
    renew_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A new certificate is in place."""

    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """One step failed and is tried again after `retry_in`; `expired`: the service is without a valid certificate."""

    step: str
    error: Exception
    retry_in: timedelta
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """A user of the files was told."""

    hook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustChanged:
    """The certificate is the one of before; the roots beside it are others."""


RenewalEvent: TypeAlias = Scheduled | Renewed | TrustChanged | StepFailed | Reloaded


class Renewer:
    """The loop of `ca-cli renew --daemon` and of the agent; one instance for one identity, used by one thread."""

    def __init__(
        self,
        *,
        load: Callable[[], Credentials],
        renew: Callable[[Credentials], Credentials],
        publish: Callable[[Credentials], None],
        hooks: Sequence[ReloadHook] = (),
        clock: Clock,
        entropy: Entropy,
        pause: Callable[[float], bool],
        report: Callable[[RenewalEvent], None],
        failures: tuple[type[Exception], ...] = (),
        period: timedelta | None = None,
        hurried: Callable[[Credentials], bool] = lambda _held: False,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`pause(seconds)` waits and returns True once the loop shall end (`threading.Event.wait` does just that).

        `renew` turns the credentials held into new ones; it fails by AgentError, OSError or one of `failures`.
        `publish` makes them durable by AgentError or not at all. `period` renews that long after `not_before` instead
        of at 2/3 of life. `hurried` is asked at each look whether to renew ahead of time, as the authority may be replacing
        what signed the certificate; it raises nothing. `beat` is called after each hook, as one may take its time.
        """
        self._load = load
        self._renew = renew
        self._publish = publish
        self._hooks = tuple(hooks)
        self._clock = clock
        self._entropy = entropy
        self._pause = pause
        self._report = report
        self._failures: tuple[type[Exception], ...] = (AgentError, OSError, *failures)
        self._period = period
        self._hurried = hurried
        self._beat = beat
        self._held: Credentials | None = None
        self._schedule: RenewalSchedule | None = None
        self._unpublished: Credentials | None = None
        self._waiting_hooks: list[ReloadHook] = []
        self._back_off: BackOff | None = None

    def run(self) -> None:
        """Returns when `pause` says so. Raises CredentialsInvalid or ScheduleInvalid with nothing to start from."""
        self._observe(self._load())
        while not self._pause(self.step()):
            pass

    @property
    def is_told(self) -> bool:
        """Whether every user of the files knows what is in place: no hook waits to be run again."""
        return not self._waiting_hooks

    def step(self) -> float:
        """Does what is due now and returns the seconds to wait before the next look, at most `LONGEST_SLEEP`."""
        self._read_again()
        self._run_waiting_hooks()
        credentials, schedule = self._current()
        now = self._clock()
        decision = schedule.decide(now, self._back_off)
        if isinstance(decision, Sleep) and not self._is_hurried(credentials, now):
            return decision.seconds
        try:
            fresh = self._unpublished or self._renew(credentials)
        except self._failures as err:
            return self._failed("renew", err, expired=isinstance(decision, Expired))
        try:
            self._publish(fresh)
        except (PublishFailed, OSError) as err:
            self._unpublished = fresh
            return self._failed("publish", err, expired=isinstance(decision, Expired))
        return self._renewed(fresh)

    def _is_hurried(self, credentials: Credentials, now: datetime) -> bool:
        if self._back_off is not None and self._back_off.remaining(now):
            return False
        return self._unpublished is not None or self._hurried(credentials)

    def _current(self) -> tuple[Credentials, RenewalSchedule]:
        if self._held is None or self._schedule is None:
            self._observe(self._load())
        assert self._held is not None  # noqa: S101  _observe sets both or raises; this tells mypy
        assert self._schedule is not None  # noqa: S101  likewise
        return self._held, self._schedule

    def _read_again(self) -> None:
        """Files that cannot be read now do not matter: what is held in memory will replace them."""
        try:
            self._observe(self._load())
        except (AgentError, OSError) as err:
            if self._held is None:
                raise
            self._report(
                StepFailed(step="load", error=err, retry_in=LONGEST_SLEEP, expired=self._clock() > self._held.not_after)
            )

    def _observe(self, credentials: Credentials) -> None:
        if self._held is not None and credentials.fingerprint == self._held.fingerprint:
            self._observe_trust(self._held, credentials)
            return
        self._schedule = RenewalSchedule.from_validity(
            not_before=credentials.not_before,
            not_after=credentials.not_after,
            jitter_fraction=draw_fraction(self._entropy),
            period=self._period,
        )
        self._held = credentials
        self._report(Scheduled(not_after=credentials.not_after, renew_at=self._schedule.renew_at))

    def _observe_trust(self, before: Credentials, now: Credentials) -> None:
        if now.trust_bundle == before.trust_bundle:
            return
        self._held = now
        self._waiting_hooks = list(self._hooks)
        self._report(TrustChanged())

    def _renewed(self, fresh: Credentials) -> float:
        """A certificate that is due again at once (wrong clock, authority at its end), or is no better than the one before (other
        names than were asked for), is waited out like a failure."""
        self._unpublished = None
        self._report(Renewed(not_after=fresh.not_after))
        try:
            self._observe(fresh)
        except ScheduleInvalid as err:
            return self._failed("schedule", err, expired=False)
        self._waiting_hooks = list(self._hooks)
        self._run_waiting_hooks()
        _, schedule = self._current()
        now = self._clock()
        due_again = not isinstance(schedule.decide(now), Sleep) or self._hurried(fresh)
        self._back_off = BackOff.after(self._back_off, now=now, entropy=self._entropy) if due_again else None
        return next_check(now, schedule.renew_at).total_seconds()

    def _failed(self, step: str, error: Exception, *, expired: bool) -> float:
        now = self._clock()
        self._back_off = BackOff.after(self._back_off, now=now, entropy=self._entropy)
        self._report(StepFailed(step=step, error=error, retry_in=self._back_off.delay, expired=expired))
        return next_check(now, now + self._back_off.delay).total_seconds()

    def _run_waiting_hooks(self) -> None:
        failed = []
        for hook in self._waiting_hooks:
            try:
                hook.run()
            except (ReloadFailed, OSError) as err:
                failed.append(hook)
                self._report(StepFailed(step=hook.description, error=err, retry_in=LONGEST_SLEEP, expired=False))
            else:
                self._report(Reloaded(hook=hook.description))
            self._beat()
        self._waiting_hooks = failed
