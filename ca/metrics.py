"""What Prometheus may scrape. One registry for each process, handed to those who count."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """Counters and gauges of the CA process, all under `chancery_ca_`."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.calls = Counter("chancery_ca_calls", "Calls answered.", ["method", "code"], registry=registry)
        self.call_seconds = Histogram(
            "chancery_ca_call_seconds", "Time to answer.", ["method"], buckets=_CALL_BUCKETS, registry=registry
        )
        self._of_call: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self.issued = Counter(
            "chancery_ca_certificates_issued", "Certificates recorded.", ["profile"], registry=registry
        )
        self.revoked = Counter(
            "chancery_ca_certificates_revoked", "Certificates revoked.", ["reason"], registry=registry
        )
        self.batch_size = Histogram(
            "chancery_ca_signing_batch_size",
            "Orders signed and recorded together.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.queue_length = Gauge(
            "chancery_ca_signing_queue_length", "Orders that wait to be signed.", registry=registry
        )
        self.expiry = Gauge(
            "chancery_ca_expiry_timestamp_seconds",
            "When a certificate that this process depends on expires, in seconds since 1970.",
            ["kind", "id"],
            registry=registry,
        )
        self.renewal_failures = Counter(
            "chancery_ca_serving_renewal_failures", "Serving certificates that could not be renewed.", registry=registry
        )
        self.publication_failures = Counter(
            "chancery_ca_roots_publication_failures",
            "Attempts to bring the Secret of the roots up to date that failed.",
            registry=registry,
        )

    def observe_call(self, method: str, code: str, seconds: float) -> None:
        """One answered call. Its children are looked up once for each pair of labels: the look-up is the costly part."""
        found = self._of_call.get((method, code))
        if found is None:
            found = self._of_call[method, code] = (
                self.calls.labels(method=method, code=code),
                self.call_seconds.labels(method=method),
            )
        count, duration = found
        count.inc()
        duration.observe(seconds)

    def exposition(self) -> bytes:
        """The registry in Prometheus' text format."""
        return generate_latest(self.registry)
