"""What Prometheus may scrape about the trust bundle in the cluster."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from kube.trust.gate import Observed, Target

_OF_TARGET = ("kind", "namespace", "name")


class TrustMetrics:
    """One for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.failures = Counter(
            "chancery_kube_injection_failures",
            "Writes of the trust bundle that did not succeed.",
            ["kind", "reason"],
            registry=registry,
        )
        self.refused = Counter(
            "chancery_kube_trust_bundles_refused",
            "Looks at the authority that gave no trust bundle to publish.",
            ["reason"],
            registry=registry,
        )
        self.generation = Gauge(
            "chancery_kube_trust_generation", "The authority's generation of the trust bundle.", registry=registry
        )
        self.held_generation = Gauge(
            "chancery_kube_trust_held_generation",
            "What the authority is told that the cluster holds; 0 is nothing.",
            registry=registry,
        )
        self._expiry = Gauge(
            "chancery_kube_injected_expiry_timestamp_seconds",
            "When the first certificate in a target expires, in seconds since 1970.",
            _OF_TARGET,
            registry=registry,
        )
        self._lagging = Gauge(
            "chancery_kube_trust_lagging",
            "1 for each target that does not hold the present trust bundle.",
            _OF_TARGET,
            registry=registry,
        )
        self._shown: dict[Target, float] = {}
        self._shown_lagging: frozenset[Target] = frozenset()

    def observe(self, observed: Iterable[Observed]) -> None:
        """Every target that there is: others are not shown any more."""
        present = {one.target: one.not_after.timestamp() for one in observed if one.not_after is not None}
        for target, instant in present.items():
            if self._shown.get(target) != instant:
                self._expiry.labels(target.kind, target.namespace, target.name).set(instant)
        for target in self._shown.keys() - present.keys():
            self._expiry.remove(target.kind, target.namespace, target.name)
        self._shown = present

    def observe_lagging(self, lagging: Iterable[Target]) -> None:
        present = frozenset(lagging)
        for target in present - self._shown_lagging:
            self._lagging.labels(target.kind, target.namespace, target.name).set(1)
        for target in self._shown_lagging - present:
            self._lagging.remove(target.kind, target.namespace, target.name)
        self._shown_lagging = present
