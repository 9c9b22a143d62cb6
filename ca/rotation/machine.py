"""When a rotation may go on: a pure function of where it stands, what was observed, and the clock.

    stable → publishing → signing → retiring → stable

- publishing: the new authority is known to every replica, a new root to every consumer. Nothing is signed by it.
- signing: the new issuing CA signs; what the old one signed stays valid, and is renewed.
- retiring: nobody relies on a certificate of the old one any more. It is out of trust.

No phase ends by time alone while somebody who is heard of would be cut off; none waits for ever for somebody who is not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from store.records import CertificateRecord, Replica, RotationRecord, TrustConsumer


class Phase(StrEnum):
    STABLE = "stable"
    PUBLISHING = "publishing"
    SIGNING = "signing"
    RETIRING = "retiring"


NEXT = {
    Phase.PUBLISHING: Phase.SIGNING,
    Phase.SIGNING: Phase.RETIRING,
    Phase.RETIRING: Phase.STABLE,
}

_NAMED = 5
"""Replicas of one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """`overlap`: how long what is new is published at least, for those who look for it and never report. `settle`: how long each
    later phase lasts at least, so that what was handed out a moment ago is in place. `patience`: how long a consumer that reports
    and does not follow is waited for where a cross-certificate serves it, too."""

    overlap: timedelta
    settle: timedelta
    patience: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """`now` in seconds since the epoch. Replicas and consumers are those heard of lately that do not hold what the phase is about;
    `in_use` are certificates of what goes on which somebody may still rely."""

    now: int
    replicas_behind: Sequence[Replica] = ()
    consumers_behind: Sequence[TrustConsumer] = ()
    in_use: Sequence[CertificateRecord] = ()
    bridged: bool = False
    """Whether a cross-certificate leads those who hold the old root to the new one."""
    away: bool = False
    """Whether this server could not have heard of anybody until a moment ago: after a start, a suspend, a jump of the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Go on to `phase`, or, where there are `waits`, not yet: each is a sentence."""

    phase: Phase
    waits: tuple[str, ...] = ()

    @property
    def goes_on(self) -> bool:
        return not self.waits


def decide(rotation: RotationRecord, observed: Observations, timing: Timing) -> Decision:
    """What becomes of a rotation that has not finished."""
    phase = Phase(rotation.phase)
    if rotation.haste == "emergency":
        return Decision(phase=NEXT[phase])
    waits = (
        *_time_left(phase, rotation, observed, timing),
        *_replicas(observed),
        *_certificates(phase, observed),
        *_consumers(phase, rotation, observed, timing),
    )
    return Decision(phase=NEXT[phase], waits=waits)


def _time_left(phase: Phase, rotation: RotationRecord, observed: Observations, timing: Timing) -> Iterator[str]:
    publishes = phase is Phase.PUBLISHING and rotation.haste == "due"
    least = max(timing.overlap, timing.settle) if publishes else timing.settle
    left = rotation.entered_at + int(least.total_seconds()) + 1 - observed.now  # both instants are of whole seconds
    if left > 0:
        yield f"{left} s of the least time of this phase"
    if observed.away:
        yield "consumers that could not report while this server was away"


def _replicas(observed: Observations) -> Iterator[str]:
    behind = observed.replicas_behind
    if behind:
        names = [one.id for one in behind[:_NAMED]] + ["…"] * (len(behind) > _NAMED)
        what = "the hierarchy, its keys, or a serving certificate of what signs"
        yield f"{_count(behind, 'replica')} without {what}: {', '.join(names)}"


def _certificates(phase: Phase, observed: Observations) -> Iterator[str]:
    """A certificate that may be in use is waited for to its end, however long: its holder would be cut off."""
    if phase is Phase.SIGNING and observed.in_use:
        yield "certificates of the old issuing CA that are valid and were not renewed, or only just"


def _consumers(phase: Phase, rotation: RotationRecord, observed: Observations, timing: Timing) -> Iterator[str]:
    """Who reports an old bundle for longer than patience does not follow: the bridge serves it, or the old is gone already."""
    behind = observed.consumers_behind
    is_patient = observed.now - rotation.entered_at <= timing.patience.total_seconds()
    if behind and (is_patient or not (observed.bridged or phase is Phase.RETIRING)):
        yield f"{_count(behind, 'consumer')} without generation {rotation.generation} of the trust bundle"


def _count(things: Sequence[object], name: str) -> str:
    return f"1 {name}" if len(things) == 1 else f"{len(things)} {name}s"
