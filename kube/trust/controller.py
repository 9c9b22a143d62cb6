"""The controller that follows the authority's trust bundle, and tells the authority when the cluster holds it.

- What is reported was read back just before, by the gate's judgement, and only while this process leads.
- A bundle that cannot be used changes nothing: what is published stays, and is still reported for what it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from ca.client.errors import ClientError
from ca.client.values import TrustBundle
from kube.ambient import Clock, Monotonic
from kube.controllers import Key, Watch
from kube.documents import JsonObject
from kube.events import EventType
from kube.trust.authority import CONSUMER, TrustSource
from kube.trust.current import CurrentRoots
from kube.trust.errors import BundleInvalid
from kube.trust.gate import Gate, Observed, Target, Verdict
from kube.trust.publishing import Publisher, Reporter
from kube.trust.roots import Roots

_KEY = Key(kind="TrustBundle", name=CONSUMER)
_PATIENCE_SECONDS = 30.0
_SHOWN = 5

_log = structlog.get_logger("chancery.kube.trust")


class TrustController:
    """There is one key."""

    name = "trust-bundle"

    def __init__(
        self,
        source: TrustSource,
        publishers: Sequence[Publisher],
        roots: CurrentRoots,
        reporter: Reporter,
        *,
        look_every: timedelta,
        verify_leading: Callable[[], None],
        clock: Clock,
        boottime: Monotonic,
    ) -> None:
        """`verify_leading` raises NotLeading; `boottime` goes on while the machine sleeps."""
        self._source = source
        self._publishers = publishers
        self._roots = roots
        self._reporter = reporter
        self._look_seconds = look_every.total_seconds()
        self._verify_leading = verify_leading
        self._clock = clock
        self._boottime = boottime
        self._gate = Gate()
        self._reported = 0
        self._refusal = ""
        self._lagging_since: dict[Target, float] = {}

    def watches(self) -> Sequence[Watch]:
        """What is to be read back; of a change the next look is soon enough, as versions tell of it."""
        watches = [one for publisher in self._publishers for one in publisher.watches()]
        return [replace(one, keys=_no_keys, full_pass=None) for one in watches]

    def seeds(self) -> Iterable[Key]:
        return (_KEY,)

    def begin_term(self) -> None:
        """Another process may have led since: what was seen before says nothing about now."""
        self._gate = Gate()
        self._lagging_since.clear()

    def reconcile(self, _key: Key) -> timedelta | None:
        now = self._boottime()
        roots = self._roots.get()
        verdict = Verdict() if roots is None else self._look(roots, now)
        try:
            self._verify_leading()
            bundle = self._source.trust_bundle(held_generation=verdict.report)
        except ClientError as err:
            self._reporter.metrics.refused.labels(err.reason).inc()
            self._warn_once(f"the authority cannot be asked for its trust bundle: {err}")
            return timedelta(seconds=self._look_seconds)
        self._note_report(verdict)
        self._take(bundle)
        wait = self._look_seconds if verdict.wait_until is None else verdict.wait_until - now
        return timedelta(seconds=max(0.0, min(wait, self._look_seconds)))

    def _look(self, roots: Roots, now: float) -> Verdict:
        observed = [one for publisher in self._publishers for one in publisher.observed()]
        verdict = self._gate.look(roots, observed, now)
        metrics = self._reporter.metrics
        metrics.observe(observed)
        metrics.observe_lagging(verdict.lagging)
        metrics.held_generation.set(verdict.report)
        self._name_lagging(verdict.lagging, {one.target: one for one in observed}, roots, now)
        return verdict

    def _name_lagging(
        self, lagging: Iterable[Target], observed: dict[Target, Observed], roots: Roots, now: float
    ) -> None:
        """Those that do not come to it in the time that writes and watches take."""
        since = {target: self._lagging_since.get(target, now) for target in lagging}
        for target in self._lagging_since.keys() - since.keys():
            self._reporter.forget(_key_of(target))
        self._lagging_since = since
        for target, began in since.items():
            if now - began >= _PATIENCE_SECONDS:
                message = (
                    f"{target} does not hold generation {roots.generation} of the trust bundle; rotations wait for it"
                )
                about = observed[target].about
                self._reporter.say(_key_of(target), about, EventType.WARNING, "TrustBundleNotHeld", message)

    def _note_report(self, verdict: Verdict) -> None:
        if verdict.report == self._reported:
            return
        self._reported = verdict.report
        behind = [str(one) for one in verdict.lagging[:_SHOWN]]
        _log.info("held by the cluster", generation=verdict.report, lagging=len(verdict.lagging), first=behind)

    def _take(self, bundle: TrustBundle) -> None:
        try:
            roots = Roots.from_pem(bundle.roots_pem, generation=bundle.generation, at=self._clock())
        except BundleInvalid as err:
            self._reporter.metrics.refused.labels(err.reason).inc()
            self._warn_once(f"generation {bundle.generation} of the trust bundle is not published: {err}")
            return
        self._refusal = ""
        if roots == self._roots.get():
            return
        self._reporter.metrics.generation.set(roots.generation)
        _log.info("new trust bundle", generation=roots.generation, roots=len(roots.certificates))
        if roots.expired:
            _log.warning("expired roots were left out", generation=roots.generation, fingerprints=roots.expired)
        self._roots.set(roots)

    def _warn_once(self, problem: str) -> None:
        if problem != self._refusal:
            self._refusal = problem
            _log.warning(problem)


def _no_keys(_one: JsonObject) -> Iterable[Key]:
    return ()


def _key_of(target: Target) -> Key:
    return Key(kind=f"lagging {target.kind}", namespace=target.namespace, name=target.name)
