"""What Prometheus may scrape of an injector. One registry for each process; names begin with `chancery_injector_`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from kube.admission.features import ClusterFeatures
from kube.admission.names import Mode

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.admissions = Counter(
            "chancery_injector_admissions",
            "Reviews by how they were answered: injected, unchanged, refused, unreadable or unavailable.",
            ["outcome", "mode"],
            registry=registry,
        )
        self.seconds = Histogram(
            "chancery_injector_admission_seconds",
            "From a review's headers to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.refusals = Counter(
            "chancery_injector_refusals", "Faults that pods were refused for.", ["reason"], registry=registry
        )
        self.expiry = Gauge(
            "chancery_injector_serving_expiry_timestamp_seconds",
            "When the serving certificate expires, in seconds since 1970.",
            registry=registry,
        )
        self._features = Gauge(
            "chancery_injector_mode_supported", "1 where the cluster can do the mode.", ["mode"], registry=registry
        )

    def set_features(self, features: ClusterFeatures) -> None:
        for mode in Mode:
            self._features.labels(mode.value).set(features.can(mode))
