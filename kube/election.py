"""Who of several candidates leads, by a Lease (coordination.k8s.io/v1): the state machine, without clocks and calls.

- Times in the Lease are read by people; nobody compares them. A candidate counts, by its own monotonic clock, how long it has
  seen the Lease unchanged, and takes it over after the whole of its duration.
- Every write carries the version that was read, so that of two who take it over one gets a Conflict.
- A leader may write until `renew_deadline` after it *began* the last renewal that was granted, and what it begins then has to
  end before the Lease does: `seconds_to_write` says how long that is.
- The clock handed in must go on while the machine sleeps (CLOCK_BOOTTIME); one that stands still would have a laptop that wakes
  up think it still leads.
"""

from dataclasses import dataclass
from datetime import datetime

from kube.documents import JsonObject, JsonValue, mapping, metadata, resource_version_of, text
from kube.instants import micro_timestamp

_LONGEST_WRITE = 10.0
_MARGIN = 1.0
_MOST_TRANSITIONS = (1 << 31) - 1
"""The API server takes no more (int32), and nobody would lead any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """In seconds, as client-go's LeaderElectionConfig has them."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseName:
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What to send: a new Lease where `is_new`, else in place of the one that was read."""

    document: JsonObject
    is_new: bool


class Election:
    """Of one candidate. Not safe from several threads."""

    def __init__(self, lease: LeaseName, identity: str, timing: LeaseTiming) -> None:
        """`identity` is of this process and of no other, also not of the same pod's next one."""
        self._lease = lease
        self._identity = identity
        self._timing = timing
        self._observed = ""
        self._observed_at = 0.0
        self._held_since: float | None = None
        self._had_other = False
        self.term = 0
        """Another one after each instant at which the lease was not surely held, however short."""

    def next_write(self, lease: JsonObject | None, *, monotonic: float, clock: datetime) -> Write | None:
        """What to do about the Lease as it was read just now, None where there is none; None: wait for a retry period."""
        self._observe(lease, monotonic)
        age = monotonic - self._observed_at
        if lease is None:
            self._held_since = None
            if self._had_other and age < self._timing.duration:
                return None  # somebody deleted it from under a leader, who will not have noticed yet
            return Write(document=self._document(None, clock), is_new=True)
        holder = text(lease, "spec", "holderIdentity")
        if holder != self._identity:
            self._held_since = None
            self._had_other = bool(holder)
            if holder and age < max(self._timing.duration, _duration(lease)):
                return None
        return Write(document=self._document(lease, clock), is_new=False)

    def granted(self, lease: JsonObject, *, began: float, monotonic: float) -> None:
        """The write that was begun at `began` was accepted."""
        self._observe(lease, monotonic)
        if text(lease, "spec", "holderIdentity") == self._identity:
            self.term += not self.is_leading(monotonic)
            self._held_since = began

    def lost(self) -> None:
        """Somebody else was faster, or it is given up."""
        self._held_since = None

    def release(self, lease: JsonObject, *, clock: datetime) -> Write | None:
        """For one who stops, once its last write has ended: the next one need not wait. None where it is not ours."""
        if text(lease, "spec", "holderIdentity") != self._identity:
            return None
        document = self._document(lease, clock)
        spec = mapping(document, "spec")
        return Write(
            document={**document, "spec": {**spec, "holderIdentity": "", "leaseDurationSeconds": 1}}, is_new=False
        )

    def seconds_to_write(self, monotonic: float) -> float:
        """How long a write may take that begins now; 0 where none may begin."""
        if self._held_since is None:
            return 0.0
        age = monotonic - self._held_since
        if not 0 <= age < self._timing.renew_deadline:
            return 0.0
        return max(0.0, min(_LONGEST_WRITE, self._timing.duration - _MARGIN - age))

    def is_leading(self, monotonic: float) -> bool:
        return self.seconds_to_write(monotonic) > 0

    def _observe(self, lease: JsonObject | None, monotonic: float) -> None:
        """Any change starts the count anew: also one of what we do not understand."""
        seen = "" if lease is None else f"{resource_version_of(lease)} {mapping(lease, 'spec')}"
        if seen != self._observed:
            self._observed, self._observed_at = seen, monotonic

    def _document(self, lease: JsonObject | None, clock: datetime) -> JsonObject:
        now = micro_timestamp(clock)
        before = {} if lease is None else mapping(lease, "spec")
        is_ours = before.get("holderIdentity") == self._identity
        transitions = before.get("leaseTransitions")
        count = transitions if isinstance(transitions, int) and 0 <= transitions < _MOST_TRANSITIONS else 0
        spec: JsonObject = {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, int(self._timing.duration)),
            "renewTime": now,
            "acquireTime": before.get("acquireTime") if is_ours else now,
            "leaseTransitions": count if is_ours or lease is None else count + 1,
        }
        kept: JsonObject = {} if lease is None else metadata(lease)
        named: dict[str, JsonValue] = {**kept, "namespace": self._lease.namespace, "name": self._lease.name}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": named, "spec": spec}


def _duration(lease: JsonObject) -> float:
    """As its holder promised; what is odd counts for nothing."""
    seconds = mapping(lease, "spec").get("leaseDurationSeconds")
    return float(seconds) if isinstance(seconds, int) and 0 < seconds <= 3600 else 0.0
