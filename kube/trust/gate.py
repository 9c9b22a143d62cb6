"""When a generation of the trust bundle is in use by everybody: what was read back, and the time that it takes to reach them.

- A generation is held when each target was read back with its certificates and no others, and has been like that for as long as
  kubelets and API servers may take to see it. A target that is not like that any more begins anew.
- What was said to be held is said again only for as long as each target has all of its certificates.
- A target that came into being with the present generation has nobody who holds another: nothing is waited for. What was there
  when this began to look, or was there lately, is not taken for such a one.
- A change between two looks begins anew as well: versions tell of it where contents do not. After a long time without a look,
  in which another process may have led, everything begins anew.
- Nothing here knows a clock or a cluster: it is handed seconds that only grow, and what was read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kube.documents import JsonObject
from kube.trust.roots import Roots


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """Something in the cluster that is to hold the bundle."""

    kind: str
    namespace: str = ""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A target as it was read back. `propagation`, in seconds, is what those who read it may lag behind; `version` changes with
    whatever is written there, empty where there is nothing; `first_generation` is the one that it came into being with, 0 where
    that is not known."""

    target: Target
    fingerprints: frozenset[str]
    version: str
    propagation: float
    first_generation: int = 0
    not_after: datetime | None = None
    about: JsonObject = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`report` may be said to the authority, 0 is nothing; `lagging` lack the present generation; if nobody does,
    `wait_until` is when it will be held."""

    report: int = 0
    lagging: tuple[Target, ...] = ()
    wait_until: float | None = None


@dataclass(slots=True)
class _Course:
    """`since` is when a target came to hold the present generation, None while it does not; `is_empty`: nothing was ever seen
    there."""

    is_empty: bool
    propagation: float
    gone_at: float | None = None
    since: float | None = None
    version: str = ""


@dataclass(slots=True)
class Gate:
    """One for each process; used by one thread, from the moment on when every target is known."""

    longest_gap: float = 60.0
    """Seconds between two looks."""
    _generation: int = 0
    _courses: dict[Target, _Course] = field(default_factory=dict)
    _said: Roots | None = None
    _looked_at: float | None = None

    def look(self, roots: Roots, observed: Iterable[Observed], now: float) -> Verdict:
        """What holds at `now`. Each target that there is has to be among the observed."""
        present = {one.target: one for one in observed}
        if self._looked_at is not None and now - self._looked_at > self.longest_gap:
            self._courses, self._said, self._looked_at = {}, None, None
        if roots.generation != self._generation:
            self._begin(roots.generation)
        for one in present.values():
            self._follow(one, roots, now)
        self._forget(present, now)
        self._looked_at = now
        return self._decide(roots, present, now)

    def _begin(self, generation: int) -> None:
        """Roots of a generation of before may come back: whoever holds them came to that when it was read, not earlier."""
        self._generation = generation
        for course in self._courses.values():
            course.since = None

    def _follow(self, one: Observed, roots: Roots, now: float) -> None:
        course = self._courses.get(one.target)
        if course is None:
            course = _Course(is_empty=self._looked_at is not None, propagation=one.propagation)
            self._courses[one.target] = course
        if one.fingerprints != roots.fingerprints:
            course.since = None
        elif course.is_empty and one.first_generation == roots.generation:
            course.since = now - one.propagation
        elif course.since is None or course.version != one.version:
            course.since = now
        course.is_empty = course.is_empty and not one.version
        course.gone_at, course.propagation, course.version = None, one.propagation, one.version

    def _forget(self, present: Mapping[Target, Observed], now: float) -> None:
        for target, course in list(self._courses.items()):
            if target not in present:
                course.since, course.is_empty = None, False
                course.gone_at = now if course.gone_at is None else course.gone_at
                if now - course.gone_at > course.propagation:
                    del self._courses[target]

    def _decide(self, roots: Roots, present: Mapping[Target, Observed], now: float) -> Verdict:
        lagging = tuple(sorted(target for target in present if self._courses[target].since is None))
        held_at = max((self._held_at(target) for target in present), default=now)
        if not lagging and held_at <= now:
            self._said = roots
            return Verdict(report=roots.generation)
        self._said = said = self._still_held(present)
        return Verdict(
            report=said.generation if said is not None else 0,
            lagging=lagging,
            wait_until=None if lagging else held_at,
        )

    def _held_at(self, target: Target) -> float:
        course = self._courses[target]
        return course.propagation + (course.since or 0.0)

    def _still_held(self, present: Mapping[Target, Observed]) -> Roots | None:
        said = self._said
        if said is None or said.generation >= self._generation:
            return None  # also where an authority was restored that knows nothing of that generation
        return said if all(said.fingerprints <= one.fingerprints for one in present.values()) else None
