"""Keeps the hierarchy young: begins what is due, moves on what may go on, and follows what other replicas did.

- Every replica runs one, and any of them may make the next step: the store lets one of those who try make it.
- All that it knows lies in the store. A keeper that is killed anywhere leaves a rotation in one phase, and whoever looks next goes
  on from there.
- Who is not heard of for `silence` is not waited for; but after a time in which nobody could be heard, everybody is, for a while.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from ca.ambient import Clock, epoch_seconds
from ca.audit import Action, audit_event
from ca.authority_making import announce
from ca.callers import Caller
from ca.calls import Call
from ca.errors import CaError, NoRotation, RotationUnderWay
from ca.issuers import Issuers
from ca.revocations import Revocations
from ca.rotation.machine import Decision, Observations, Phase, Timing, decide
from ca.rotation.moves import Moves
from ca.settings import Rotation as RotationSettings
from certs.crl import RevocationReason
from certs.errors import CertsError
from certs.profiles import LEAF_PROFILES
from store.errors import AlreadyExists, AlreadyRevoked
from store.inventory import Inventory
from store.records import (
    CertificateRecord,
    Haste,
    IssuerRequest,
    Replica,
    RotationKind,
    RotationRecord,
    TrustConsumer,
)
from store.rotations import Move, Rotations

_REPLICA_SILENCE_SECONDS = 60
_AWAY_AFTER_SECONDS = 60
_AWAY_SECONDS = 180  # three looks of a consumer that asks once a minute
_REPORT_AGAIN_SECONDS = 300  # a report that says nothing new is not written more often
_MOST_REMEMBERED = 100_000
_FORGOTTEN_AFTER = 7  # silences, after which a consumer is not even remembered
_SHOWN = 20
_BATCH = 500
_ATTEMPTS = 5
_CALL = Call(caller=Caller.local(), id="rotation")
_DUE_AT = 2 / 3
_NOT_SHOWN = "not shown"
_SHORTEST = min(profile.minimum_lifetime for profile in LEAF_PROFILES.values())

_log = structlog.get_logger("chancery.rotation")


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStatus:
    """The rotation under way, or else the last one; `decision` is None where none is under way. The due dates are of the present
    issuing CA and its root; `consumers` are those heard of lately, the furthest behind first."""

    rotation: RotationRecord | None
    decision: Decision | None
    observed: Observations
    consumers: Sequence[TrustConsumer]
    issuer_due: datetime
    root_due: datetime
    generation: int


@dataclass(slots=True, kw_only=True)
class RotationKeeper:
    """Synchronous; `look` is for one thread. `replica_id` is of this process."""

    rotations: Rotations
    inventory: Inventory
    issuers: Issuers
    revocations: Revocations
    moves: Moves
    settings: RotationSettings
    clock: Clock
    replica_id: str
    _looked_at: int = 0
    _away_until: int = 0
    _refused: str = ""
    _reported: dict[str, TrustConsumer] = field(default_factory=dict)
    _is_shown: Callable[[], bool] = lambda: True
    _timing: Timing = field(init=False)

    def __post_init__(self) -> None:
        self._timing = Timing(
            overlap=self.settings.rotation_overlap,
            settle=self.settings.rotation_settle,
            patience=self.settings.rotation_patience,
        )

    def attend(self, is_shown: Callable[[], bool]) -> None:
        """`is_shown` says whether this process's own listeners show certificates of what signs now: what goes is not out of trust
        before they do, at every replica."""
        self._is_shown = is_shown

    def look(self) -> bool:
        """Does what can be done now; whether anything was. Raises store errors; call it again."""
        now = epoch_seconds(self.clock())
        self._notice_absence(now)
        rotation = self.rotations.current()
        # After the rotation was read: whoever moves it meanwhile makes this step come to nothing. And who cannot load the hierarchy
        # runs all the same: it is heard, and holds up those who would go on without it.
        try:
            self.issuers.refresh()
        finally:
            self._beat(now)
        if rotation is None:
            return self._begin_what_is_due()
        decision = decide(rotation, self._observe(rotation, now), self._timing)
        return decision.goes_on and self._advance(rotation, decision.phase)

    def start(self, kind: RotationKind, haste: Haste, call: Call, profile: str = "") -> RotationRecord:
        """Begins to replace the root, or the issuing CA that serves `profile`; or makes haste with the rotation under way, and
        turns one forward again that is being turned back: who asks has the old one go, in an emergency above all.

        Raises RotationUnderWay, RootKeyElsewhere, NoActiveIssuer.
        """
        current = self.rotations.current()
        if current is not None:
            if kind == "issuer" and not self._concerns(current, profile):
                raise RotationUnderWay(
                    f"a rotation of another issuing CA is under way; {self._way_out(current, haste)}"
                )
            if current.aborted and current.kind == kind:
                return self._turn_forward(current, haste, call)
            return self._hasten(current, kind, haste, call)
        self.issuers.refresh()
        return self._begin(self.moves.begin(kind, haste, call, profile))

    def add(self, profiles: Sequence[str], haste: Haste, call: Call) -> RotationRecord:
        """Begins to have these leaf profiles served by an issuing CA of their own.

        Raises InvalidArgument, ProfilesServed, RotationUnderWay, RootKeyElsewhere.
        """
        self._verify_none_under_way()
        return self._begin(self.moves.add(profiles, haste, call))

    def remove(self, profile: str, haste: Haste, call: Call) -> RotationRecord:
        """Begins to have what an issuing CA served alone served by the one for all others.

        Raises ProfilesServed, RotationUnderWay.
        """
        self._verify_none_under_way()
        return self._begin(self.moves.remove(profile, haste, call))

    def start_with(self, certificate: bytes, haste: Haste, call: Call) -> RotationRecord:
        """Begins to replace the issuing CA by one that was signed elsewhere, at the request that waits.

        Raises RotationUnderWay, NoIssuerRequest, IssuerCertificateRefused.
        """
        self._verify_none_under_way()
        return self._begin(self.moves.begin_with(certificate, self.rotations.waiting_requests(), haste, call))

    def request(self, call: Call, profiles: Sequence[str] = ()) -> IssuerRequest:
        """The request for an issuing CA that waits for its certificate; made where none does, or where its key is lost.

        `profiles` are those that an issuing CA serves alone, or is to serve alone; without any it is the one for all others.
        Raises InvalidArgument, ProfilesServed.
        """
        serves = self._served(profiles)
        waiting = next((one for one in self.rotations.waiting_requests() if one.serves == serves), None)
        if waiting is not None and self.moves.keys.has(waiting.authority_id):
            return waiting
        request, event = self.moves.request(serves, call)
        lost = None if waiting is None else waiting.authority_id
        kept = self.rotations.keep_request(request, event, instead_of=lost)
        if kept.authority_id == request.authority_id:
            announce(event)
        return kept

    def abort(self, call: Call, kind: RotationKind | None = None) -> RotationRecord:
        """Turns the rotation under way back, though a keeper moves it on meanwhile; never one of another kind than `kind`, nor
        forward again one that was aborted: who repeats the order means the same.

        Raises NoRotation; RotationUnderWay for those, and where it will not hold still.
        """
        asked_of = None
        for _ in range(_ATTEMPTS):
            current = self.rotations.current()
            if current is None:
                raise NoRotation("no rotation is under way")
            if asked_of not in {None, (current.id, current.aborted)}:
                break
            asked_of = (current.id, current.aborted)
            _verify_turnable(current, kind)
            self.issuers.refresh()
            rotation = self.rotations.advance(self.moves.abort(current, call))
            if rotation is not None:
                return self._told(rotation)
        raise RotationUnderWay("the rotation has just moved on; look at it with --status, then abort again")

    def report(self, consumer: str, generation: int, serial: bytes | None = None) -> None:
        """A consumer says which generation of the trust bundle it holds; it cannot hold one that there has not been.

        `serial` is of the certificate that it shows: once that is revoked nobody waits for it, as for a pod that was deleted.
        """
        if generation > self.issuers.bundle.generation:
            self.issuers.refresh()  # another replica has handed out a later one: nobody is led back to an older one here
        held = max(0, min(generation, self.issuers.bundle.generation))
        now = epoch_seconds(self.clock())
        report = TrustConsumer(name=consumer, generation=held, reported_at=now, serial=serial)
        known = self._reported.get(consumer)
        is_news = known is None or replace(known, reported_at=now) != report
        if known is not None and not is_news and 0 <= now - known.reported_at < _REPORT_AGAIN_SECONDS:
            return
        self.rotations.report(report, forget_before=now - _FORGOTTEN_AFTER * self._silence)
        if len(self._reported) >= _MOST_REMEMBERED:
            self._reported.clear()
        self._reported[consumer] = report

    def status(self) -> RotationStatus:
        now = epoch_seconds(self.clock())
        rotation = self.rotations.latest()
        under_way = rotation is not None and rotation.finished_at is None
        observed = self._observe(rotation, now) if rotation is not None and under_way else Observations(now=now)
        issuer, root = self._next_due()
        return RotationStatus(
            rotation=rotation,
            decision=decide(rotation, observed, self._timing) if rotation is not None and under_way else None,
            observed=observed,
            consumers=self.rotations.consumers(reported_since=now - self._silence),
            issuer_due=self._due(issuer),
            root_due=self._due(root),
            generation=self.issuers.bundle.generation,
        )

    def leave(self) -> None:
        """Says that this replica stops, so that nobody waits for it."""
        self.rotations.leave(self.replica_id)

    def _beat(self, now: int) -> None:
        self.rotations.beat(self._itself(now), forget_before=now - 2 * _REPLICA_SILENCE_SECONDS)

    def _itself(self, now: int) -> Replica:
        """With a view that is nobody's while its listeners lag."""
        view = self.issuers.view
        return Replica(id=self.replica_id, view=view if self._is_shown() else f"{view} {_NOT_SHOWN}", seen_at=now)

    def _concerns(self, rotation: RotationRecord, profile: str) -> bool:
        moved = {self.issuers.serves(one) for one in (*rotation.incoming, *rotation.outgoing)}
        present = self.issuers.served_with(profile)
        return present in moved or any(profile in serves.split() for serves in moved)

    def _served(self, profiles: Sequence[str]) -> str:
        if not profiles:
            return ""
        present = self.issuers.served_with(profiles[0])
        is_that = len(profiles) == 1 or present == " ".join(sorted(set(profiles)))
        return present if present and is_that else self.moves.alone(profiles)

    def _verify_none_under_way(self) -> None:
        """Raises RotationUnderWay."""
        current = self.rotations.current()
        if current is not None:
            raise RotationUnderWay(
                f"a rotation of the {current.kind} is under way, {current.phase}; wait for it, or abort it, then try again"
            )
        self.issuers.refresh()

    def _begin(self, move: Move) -> RotationRecord:
        try:
            rotation = self.rotations.begin(move)
        except AlreadyExists as err:
            raise RotationUnderWay("another replica has just begun a rotation; look at it with --status") from err
        for _record, event in move.added:
            announce(event)
        return self._told(rotation)

    @property
    def _silence(self) -> int:
        return int(self.settings.rotation_silence.total_seconds())

    def _notice_absence(self, now: int) -> None:
        """A clock that was set back counts as well: what was heard before the jump has times of the future."""
        if not -_AWAY_AFTER_SECONDS <= now - self._looked_at <= _AWAY_AFTER_SECONDS:
            self._away_until = now + _AWAY_SECONDS if self._was_anybody_heard() else now
        self._looked_at = now

    def _was_anybody_heard(self) -> bool:
        return bool(self.rotations.consumers(reported_since=0))

    def _observe(self, rotation: RotationRecord, now: int) -> Observations:
        heard_of = self.rotations.replicas(seen_since=now - _REPLICA_SILENCE_SECONDS)
        replicas = (self._itself(now), *(one for one in heard_of if one.id != self.replica_id))
        heard = self.rotations.consumers(reported_since=now - self._silence) if rotation.kind == "root" else ()
        return Observations(
            now=now,
            replicas_behind=[one for one in replicas if one.view != self.issuers.view],
            consumers_behind=[one for one in heard if one.generation < rotation.generation],
            in_use=self._in_use(rotation, now, _SHOWN) if rotation.phase == "signing" else (),
            bridged=any(record.profile == "cross" and record.state == "active" for record in self.issuers.records),
            away=rotation.kind == "root" and now < self._away_until,
        )

    def _in_use(self, rotation: RotationRecord, now: int, limit: int) -> tuple[CertificateRecord, ...]:
        """What was followed a moment ago counts: its holder may not have got the other yet, nor put it in place. A second more, as
        the store has whole ones."""
        settle = 0 if rotation.haste == "emergency" else int(self.settings.rotation_settle.total_seconds()) + 1
        return self.inventory.in_use(rotation.outgoing, now=now, settle=settle, limit=limit)

    def _advance(self, rotation: RotationRecord, phase: Phase) -> bool:
        if rotation.haste == "emergency" and phase in {Phase.RETIRING, Phase.STABLE}:
            # once more at the end: until the old issuing CA was retired, other replicas may have signed with it
            self._revoke_what_is_in_use(rotation)
        onward = self.rotations.advance(self.moves.advance(rotation, phase, _CALL))
        if onward is not None:
            self._told(onward)
        return onward is not None

    def _begin_what_is_due(self) -> bool:
        if not self.settings.rotation_automatic:
            return False
        try:
            issuer, root = self._next_due()
            kind = self._kind_due(issuer, root)
            if kind is not None:
                # who can sign nothing any more is not worth waiting for beyond what is observed
                haste: Haste = "now" if self._is_spent(root if kind == "root" else issuer) else "due"
                self.start(kind, haste, _CALL, self.issuers.serves(issuer).partition(" ")[0])
        except RotationUnderWay:
            return False
        except (CaError, CertsError) as err:
            self._warn_once(str(err))
            return False
        self._refused = ""
        return kind is not None

    def _next_due(self) -> tuple[str, str]:
        """Of the issuing CAs that sign, the one that is due first; and of their roots. Raises NoActiveIssuer."""
        issuers = [one.id for one in self.issuers.actives()] or [self.issuers.active_id()]
        return min(issuers, key=self._due), min(map(self.issuers.root_id, issuers), key=self._due)

    def _kind_due(self, issuer_id: str, root_id: str) -> RotationKind | None:
        """A root that is kept elsewhere is somebody's own: it is not replaced by one of ours without being asked."""
        now = self.clock()
        if now >= self._due(root_id) and self.moves.keys.has(root_id):
            return "root"
        return "issuer" if now >= self._due(issuer_id) else None

    def _warn_once(self, why: str) -> None:
        if why != self._refused:
            _log.warning("a rotation is due and cannot begin", reason=why)
        self._refused = why

    def _is_spent(self, authority_id: str) -> bool:
        """Whether it ends too soon for any certificate below it."""
        return self.issuers.certificate(authority_id).not_valid_after_utc < self.clock() + _SHORTEST

    def _due(self, authority_id: str) -> datetime:
        certificate = self.issuers.certificate(authority_id)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return certificate.not_valid_before_utc + timedelta(seconds=int(life.total_seconds() * _DUE_AT))

    def _hasten(self, current: RotationRecord, kind: RotationKind, haste: Haste, call: Call) -> RotationRecord:
        ranks = ("due", "now", "emergency")
        if current.kind != kind or ranks.index(haste) <= ranks.index(current.haste):
            raise RotationUnderWay(
                f"a rotation of the {current.kind} is under way, {current.phase}; {self._way_out(current, haste)}"
            )
        self.issuers.refresh()
        move = self.moves.advance(replace(current, haste=haste), Phase(current.phase), call)
        return self._obeyed(replace(move, rotation=replace(move.rotation, entered_at=current.entered_at)))

    def _way_out(self, current: RotationRecord, haste: Haste) -> str:
        """Turning back waits for certificates as well: in an emergency only haste helps."""
        if haste != "emergency" or current.haste == "emergency":
            return "wait for it, or abort it"
        moved = (self.issuers.serves(one) for one in (*current.incoming, *current.outgoing))
        profile = next((f" --profile {serves.split()[0]}" for serves in moved if serves), "")
        which = f"{current.kind}{profile if current.kind == 'issuer' else ''}"
        return f"end it first: ca-cli rotate {which} --emergency; then again"

    def _turn_forward(self, aborted: RotationRecord, haste: Haste, call: Call) -> RotationRecord:
        self.issuers.refresh()
        return self._obeyed(self.moves.abort(replace(aborted, haste=haste), call))

    def _obeyed(self, move: Move) -> RotationRecord:
        """Raises RotationUnderWay where another was quicker."""
        rotation = self.rotations.advance(move)
        if rotation is None:
            raise RotationUnderWay("the rotation has just moved on; look at it with --status")
        return self._told(rotation)

    def _revoke_what_is_in_use(self, rotation: RotationRecord) -> None:
        now = self.clock()
        while found := self._in_use(rotation, epoch_seconds(now), _BATCH):
            for record in found:
                reason = RevocationReason.CA_COMPROMISE
                event = audit_event(
                    Action.CERTIFICATE_REVOKE,
                    _CALL,
                    at=now,
                    subject_id=record.id,
                    serial=record.serial.hex(),
                    reason=int(reason),
                )
                try:
                    self.inventory.revoke(record.id, at=epoch_seconds(now), reason=int(reason), event=event)
                except AlreadyRevoked:
                    continue
        self.revocations.refresh()

    def _told(self, rotation: RotationRecord) -> RotationRecord:
        self.issuers.refresh()
        _log.info(
            "rotation",
            id=rotation.id,
            kind=rotation.kind,
            phase=rotation.phase,
            haste=rotation.haste,
            aborted=rotation.aborted,
        )
        return rotation


def _verify_turnable(current: RotationRecord, kind: RotationKind | None) -> None:
    """Raises RotationUnderWay."""
    if kind not in {None, current.kind}:
        raise RotationUnderWay(
            f"a rotation of the {current.kind} is under way, and none of the {kind}; "
            f"turn that back with: ca-cli rotate {current.kind} --abort"
        )
    if current.aborted:
        raise RotationUnderWay(
            f"the rotation of the {current.kind} is being turned back already; "
            f"to have it go forward again: ca-cli rotate {current.kind}"
        )
