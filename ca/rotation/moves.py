"""What each step of a rotation changes: new authorities at its beginning, states of authorities at every step.

- Keys are put away before the record that names them; a beginning that fails leaves keys without a record, which are harmless.
- What comes and what goes are lists of authorities, so that turning back is going on with the two exchanged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from ca.ambient import Clock, Entropy, epoch_seconds, random_id
from ca.audit import Action, audit_event
from ca.authority_making import AuthorityMaker, Pair
from ca.calls import Call
from ca.errors import (
    AuthorityMismatch,
    InvalidArgument,
    IssuerCertificateRefused,
    NoIssuerRequest,
    ProfilesServed,
    RootKeyElsewhere,
)
from ca.issuers import Issuers
from ca.keys import AuthorityKeys
from ca.rotation.machine import Phase
from certs.authority_requests import is_request_of, verify_signed_authority
from certs.errors import CertsError, IssuerUnusable
from certs.keys import KeyType, key_type_of
from certs.pem import load_certificate
from certs.profiles import LEAF_PROFILES
from store.records import (
    AuditEvent,
    AuthorityRecord,
    AuthorityState,
    Haste,
    IssuerRequest,
    RotationKind,
    RotationRecord,
)
from store.rotations import Move

_log = structlog.get_logger("chancery.rotation")

_COMING: Mapping[Phase, Mapping[str, AuthorityState]] = {
    Phase.PUBLISHING: {"root": "active", "cross": "active", "intermediate": "pending"},
    Phase.SIGNING: {"intermediate": "active"},
    Phase.RETIRING: {"cross": "retired"},
    Phase.STABLE: {},
}
_GOING: Mapping[Phase, Mapping[str, AuthorityState]] = {
    Phase.PUBLISHING: {"intermediate": "active"},
    Phase.SIGNING: {"intermediate": "passive"},
    Phase.RETIRING: {"root": "retired", "cross": "retired", "intermediate": "retired"},
    Phase.STABLE: {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Describes changes; makes none but that it puts keys away."""

    issuers: Issuers
    keys: AuthorityKeys
    maker: AuthorityMaker
    clock: Clock
    entropy: Entropy

    def begin(self, kind: RotationKind, haste: Haste, call: Call, profile: str = "") -> Move:
        """Makes what is to come: a root with its issuing CAs, or the issuing CA that serves `profile`.

        Raises InvalidArgument, RootKeyElsewhere, NoActiveIssuer, and what making a certificate raises.
        """
        if profile:
            _verify_leaf_profile(profile)
        seen = self.issuers.records
        if kind == "root":
            return self._begin(kind, haste, call, tuple(self._made_root(seen, call)), tuple(_at_work(seen)), seen)
        serves = self.issuers.served_with(profile)
        return self._begin(kind, haste, call, (self._made_issuer(serves, call),), _replaced(seen, serves), seen)

    def add(self, profiles: Sequence[str], haste: Haste, call: Call) -> Move:
        """Makes an issuing CA that is to serve these leaf profiles alone. Raises InvalidArgument, ProfilesServed; as `begin`."""
        seen, serves = self.issuers.records, self.alone(profiles)
        return self._begin("issuer", haste, call, (self._made_issuer(serves, call),), (), seen)

    def remove(self, profile: str, haste: Haste, call: Call) -> Move:
        """Has what an issuing CA served alone served by the one for all others. Raises ProfilesServed, NoActiveIssuer."""
        seen, serves = self.issuers.records, self.issuers.served_with(profile)
        if not serves:
            raise ProfilesServed(f"no issuing CA serves profile {profile[:64]} alone; list them with: ca-cli status")
        return self._begin("issuer", haste, call, (), _replaced(seen, serves), seen)

    def begin_with(self, certificate: bytes, waiting: Sequence[IssuerRequest], haste: Haste, call: Call) -> Move:
        """Begins with an issuing CA that was signed elsewhere, PEM or DER; verified before anything of it is kept.

        Raises NoIssuerRequest, IssuerCertificateRefused.
        """
        kept = [one for one in waiting if self.keys.has(one.authority_id)]
        if not kept:
            raise NoIssuerRequest(
                "no issuing CA waits for a certificate; make a request with: ca-cli rotate issuer --csr-out FILE"
            )
        seen = self.issuers.records
        try:
            signed = load_certificate(certificate)
            request = next((one for one in kept if is_request_of(one.request, signed)), kept[0])
            verify_signed_authority(
                signed,
                request=request.request,
                private_key=self.keys.get(request.authority_id),
                known=tuple(self.issuers.certificate(record.id) for record in self.issuers.records),
                roots=self.issuers.bundle.roots,
                at=self.clock(),
            )
        except CertsError as err:
            raise IssuerCertificateRefused(f"the certificate is not taken: {err}") from err
        act = Action.AUTHORITY_IMPORT
        added = self.maker.describe(request.authority_id, "intermediate", signed, act, call, "pending", request.serves)
        return self._begin("issuer", haste, call, (added,), _replaced(seen, request.serves), seen)

    def alone(self, profiles: Sequence[str]) -> str:
        """These leaf profiles as one record has them, once no issuing CA serves one of them alone already.

        Raises InvalidArgument, ProfilesServed.
        """
        for profile in profiles:
            _verify_leaf_profile(profile)
            if self.issuers.served_with(profile):
                raise ProfilesServed(
                    f"an issuing CA serves profile {profile} alone already; replace it with: "
                    f"ca-cli rotate issuer --profile {profile}"
                )
        if not profiles:
            raise InvalidArgument(f"name the profiles that it is to serve, of {', '.join(LEAF_PROFILES)}")
        return " ".join(sorted(set(profiles)))

    def request(self, serves: str, call: Call) -> tuple[IssuerRequest, AuditEvent]:
        """A request for an issuing CA that is signed where the root's key is."""
        return self.maker.make_request(self.keys, call, self._key_type(serves), serves)

    def _begin(
        self,
        kind: RotationKind,
        haste: Haste,
        call: Call,
        made: Sequence[tuple[AuthorityRecord, AuditEvent]],
        replaced: Sequence[AuthorityRecord],
        seen: Sequence[AuthorityRecord],
    ) -> Move:
        now = epoch_seconds(self.clock())
        rotation = RotationRecord(
            id=random_id(self.entropy),
            kind=kind,
            phase="publishing",
            haste=haste,
            step=0,
            generation=0,
            incoming=tuple(record.id for record, _event in made),
            outgoing=tuple(record.id for record in replaced),
            aborted=False,
            started_at=now,
            entered_at=now,
        )
        event = self._event(Action.ROTATION_BEGIN, rotation, call)
        return Move(rotation=rotation, event=event, added=made, seen=seen)

    def advance(self, rotation: RotationRecord, phase: Phase, call: Call) -> Move:
        return self._move(rotation, phase, call, Action.ROTATION_ADVANCE)

    def abort(self, rotation: RotationRecord, call: Call) -> Move:
        """Turns back: while nothing was signed by the new authority it is withdrawn, afterwards the old one comes again."""
        if rotation.phase == "publishing":
            withdrawn = tuple(one for one in rotation.incoming if one not in rotation.outgoing)
            turned = replace(rotation, incoming=rotation.outgoing, outgoing=withdrawn, aborted=not rotation.aborted)
            return self._move(turned, Phase.RETIRING, call, Action.ROTATION_ABORT)
        turned = replace(rotation, incoming=rotation.outgoing, outgoing=rotation.incoming, aborted=not rotation.aborted)
        phase = Phase.SIGNING if rotation.phase == "signing" else Phase.PUBLISHING
        return self._move(turned, phase, call, Action.ROTATION_ABORT)

    def _move(self, rotation: RotationRecord, phase: Phase, call: Call, action: Action) -> Move:
        now, seen = epoch_seconds(self.clock()), self.issuers.records
        onward = replace(
            rotation,
            phase=phase.value,
            step=rotation.step + 1,
            entered_at=now,
            finished_at=now if phase is Phase.STABLE else None,
        )
        return Move(
            rotation=onward,
            event=self._event(action, onward, call),
            states=tuple(self._states(seen, onward, phase, call)),
            seen=seen,
        )

    def _states(
        self, seen: Sequence[AuthorityRecord], rotation: RotationRecord, phase: Phase, call: Call
    ) -> Iterator[tuple[str, AuthorityState, AuditEvent]]:
        for record in seen:
            wanted = _COMING if record.id in rotation.incoming else _GOING if record.id in rotation.outgoing else None
            state = None if wanted is None else wanted[phase].get(record.profile)
            if state is not None and state != record.state:
                yield record.id, state, self._change(record, state, call)

    def _made_root(self, seen: Sequence[AuthorityRecord], call: Call) -> Iterator[tuple[AuthorityRecord, AuditEvent]]:
        present = self.issuers.certificate(self.issuers.root_id(self.issuers.active_id()))
        root = self.maker.make_root(key_type_of(present.public_key()))
        served = dict.fromkeys(record.serves for record in _at_work(seen) if record.profile == "intermediate")
        issuers = [(serves, self.maker.make_issuer(root, self._key_type(serves))) for serves in served]
        cross = self._cross(root)
        yield self.maker.put_away("root", root, self.keys, Action.AUTHORITY_CREATE, call)
        if cross is not None:
            yield self.maker.put_away("cross", cross, self.keys, Action.AUTHORITY_CREATE, call)
        for serves, issuer in issuers:
            act = Action.AUTHORITY_CREATE
            yield self.maker.put_away("intermediate", issuer, self.keys, act, call, "pending", serves)

    def _cross(self, root: Pair) -> Pair | None:
        """None where the present root cannot make one: then nobody who lacks the new root is served by its certificates."""
        try:
            return self.maker.make_cross(root, by=self._present_root())
        except (AuthorityMismatch, RootKeyElsewhere, IssuerUnusable) as err:
            _log.warning(
                "no cross-certificate bridges this rotation; consumers must hold the new root first", reason=str(err)
            )
            return None

    def _made_issuer(self, serves: str, call: Call) -> tuple[AuthorityRecord, AuditEvent]:
        issuer = self.maker.make_issuer(self._present_root(), self._key_type(serves))
        act = Action.AUTHORITY_CREATE
        return self.maker.put_away("intermediate", issuer, self.keys, act, call, "pending", serves)

    def _key_type(self, serves: str) -> KeyType:
        """Of the issuing CA that serves these profiles by now, or else of the one for all others."""
        same = [
            record for record in self.issuers.records if record.profile == "intermediate" and record.serves == serves
        ]
        authority_id = same[-1].id if same else self.issuers.active_id()
        return key_type_of(self.issuers.certificate(authority_id).public_key())

    def _present_root(self) -> Pair:
        """Opens the root's key for the moment of signing. Raises RootKeyElsewhere."""
        root_id = self.issuers.root_id(self.issuers.active_id())
        if not self.keys.has(root_id):
            raise RootKeyElsewhere(
                "the key of the root is not here; have an issuing CA signed where it is: ca-cli rotate issuer --csr-out FILE, "
                "then --certificate FILE; or rotate the root itself"
            )
        return Pair(certificate=self.issuers.certificate(root_id), private_key=self.keys.get(root_id))

    def _change(self, record: AuthorityRecord, state: AuthorityState, call: Call) -> AuditEvent:
        return audit_event(
            Action.AUTHORITY_CHANGE, call, at=self.clock(), subject_id=record.id, before=record.state, state=state
        )

    def _event(self, action: Action, rotation: RotationRecord, call: Call) -> AuditEvent:
        return audit_event(
            action,
            call,
            at=self.clock(),
            subject_id=rotation.id,
            kind=rotation.kind,
            phase=rotation.phase,
            haste=rotation.haste,
            incoming=list(rotation.incoming),
            outgoing=list(rotation.outgoing),
        )


def _verify_leaf_profile(profile: str) -> None:
    """Raises InvalidArgument."""
    if profile not in LEAF_PROFILES:
        raise InvalidArgument(f"there is no leaf profile {profile[:64]!r}; take some of {', '.join(LEAF_PROFILES)}")


def _at_work(seen: Sequence[AuthorityRecord]) -> Iterator[AuthorityRecord]:
    return (record for record in seen if record.state != "retired")


def _replaced(seen: Sequence[AuthorityRecord], serves: str) -> tuple[AuthorityRecord, ...]:
    """The issuing CAs that serve just these profiles."""
    return tuple(record for record in _at_work(seen) if record.profile == "intermediate" and record.serves == serves)
