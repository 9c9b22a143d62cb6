"""What Prometheus may scrape of a process of controllers. One registry for each process; names begin with `chancery_kube_`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.reconciled = Counter(
            "chancery_kube_reconciles", "Keys worked on.", ["controller", "outcome"], registry=registry
        )
        self.reconcile_seconds = Histogram(
            "chancery_kube_reconcile_seconds",
            "Time to work on a key.",
            ["controller"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge("chancery_kube_queue_depth", "Keys that are ready.", ["controller"], registry=registry)
        self.queue_waiting = Gauge(
            "chancery_kube_queue_waiting", "Keys that wait for their time.", ["controller"], registry=registry
        )
        self.collection_objects = Gauge(
            "chancery_kube_collection_objects", "Objects kept.", ["resource"], registry=registry
        )
        self.collection_silent_seconds = Gauge(
            "chancery_kube_collection_silent_seconds",
            "Since the cluster last said anything about these objects.",
            ["resource"],
            registry=registry,
        )
        self.leading = Gauge("chancery_kube_leading", "1 where this process may write.", registry=registry)
        self.events_dropped = Counter(
            "chancery_kube_events_dropped", "Events that were not written.", registry=registry
        )
        self.clock_skew = Gauge(
            "chancery_kube_clock_skew_seconds",
            "How far this machine's clock is ahead of the API server's, negative where it is behind; NaN where that is not known.",
            registry=registry,
        )
        self.identity_expiry = Gauge(
            "chancery_kube_identity_expiry_timestamp_seconds",
            "When the certificate expires that this process shows to the authority, in seconds since 1970; NaN where it has none.",
            registry=registry,
        )
        self.clock_skew.set(float("nan"))
        self.identity_expiry.set(float("nan"))
