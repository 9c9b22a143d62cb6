"""What Prometheus may scrape. One registry for each process, handed to those who count.

- Labels come from what exists: methods, codes, profiles, reasons and authorities, never from what somebody sends.
- Counters whose labels are known beforehand begin at 0, so that their first increase is seen as one.
"""

from collections.abc import Iterable
from datetime import datetime

from cryptography.x509 import ReasonFlags
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from certs.crl import RevocationReason
from store.records import RotationRecord

KINDS = ("root", "issuer")
PHASES = ("stable", "publishing", "signing", "retiring")
TASKS = ("housekeeping", "rotation")
_REASONS = {reason: ReasonFlags[reason.name.lower()].value for reason in RevocationReason}
_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """Counters and gauges of the CA process, all under `chancery_ca_`."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
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
        for reason in _REASONS.values():
            self.revoked.labels(reason=reason)
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
        self.enrollment_refusals = Counter(
            "chancery_ca_enrollment_refusals",
            "Enrollments that were refused or put off, by what was shown and why.",
            ["credential", "reason"],
            registry=registry,
        )
        self.background_failures = Counter(
            "chancery_ca_background_failures",
            "Rounds of what is done beside the calls that failed, and are tried again.",
            ["task"],
            registry=registry,
        )
        for task in TASKS:
            self.background_failures.labels(task=task)
        self._phase = Gauge(
            "chancery_ca_rotation_phase",
            "1 for the phase that the rotation is in; stable where none is under way.",
            ["kind", "phase"],
            registry=registry,
        )
        self._entered = Gauge(
            "chancery_ca_rotation_entered_timestamp_seconds",
            "When the rotation under way entered its phase, in seconds since 1970; absent where none is.",
            ["kind", "phase"],
            registry=registry,
        )
        self._shown: dict[tuple[str, str], datetime] = {}

    def count_revoked(self, reason: int, certificates: int = 1) -> None:
        """`reason` is a CRLReason, shown by the name that RFC 5280 section 5.3.1 gives it."""
        self.revoked.labels(reason=_REASONS[RevocationReason(reason)]).inc(certificates)

    def show_authorities(self, expiries: Iterable[tuple[str, str, datetime]]) -> None:
        """Kind, identifier and end of each root and issuing CA that counts; others are not shown any more."""
        present = {(kind, authority_id): not_after for kind, authority_id, not_after in expiries}
        for gone in self._shown.keys() - present.keys():
            self.expiry.remove(*gone)
        for (kind, authority_id), not_after in present.items():
            self.expiry.labels(kind=kind, id=authority_id).set(not_after.timestamp())
        self._shown = present

    def show_rotation(self, latest: RotationRecord | None) -> None:
        """`latest` is the one under way, or the last that was."""
        under_way = latest if latest is not None and latest.finished_at is None else None
        for kind in KINDS:
            current = under_way.phase if under_way is not None and under_way.kind == kind else "stable"
            for phase in PHASES:
                self._phase.labels(kind=kind, phase=phase).set(phase == current)
        self._entered.clear()
        if under_way is not None:
            self._entered.labels(kind=under_way.kind, phase=under_way.phase).set(under_way.entered_at)

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
