"""Metrics, under the names that kube-apiserver gives them, so that dashboards and alerts made for it work.

- One registry for one server; nothing global.
- Labels come from what exists: a verb, a resource or a code that nobody serves is counted as such a one, and never by its own name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_OCTETS = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_EVENT_OCTETS = tuple(1024.0 * 2**power for power in range(8))
_DAY = 86400.0
_REMAINING = (
    0,
    1800,
    3600,
    7200,
    21600,
    43200,
    _DAY,
    2 * _DAY,
    4 * _DAY,
    7 * _DAY,
    30 * _DAY,
    90 * _DAY,
    180 * _DAY,
    365 * _DAY,
)
_RESOURCE = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_COMPONENT = "apiserver"
_VERBS = frozenset({"GET", "LIST", "WATCH", "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION", "CONNECT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLabels:
    """What a request is counted under. `scope` is resource, namespace, cluster or "" for what is no resource."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    scope: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        verb = self.verb if self.verb in _VERBS else "other"
        return (verb, self.group, self.version, self.resource, self.subresource, self.scope, _COMPONENT)


class Metrics:
    """Used on the event loop; reading is safe anywhere."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "apiserver_request", "Requests that were answered.", (*_RESOURCE, "code", "dry_run")
        )
        self._durations = self._histogram(
            "apiserver_request_duration_seconds", "How long requests took.", (*_RESOURCE, "dry_run"), _SECONDS
        )
        self._sli_durations = self._histogram(
            "apiserver_request_sli_duration_seconds",
            "How long requests took, without waiting for a body.",
            _RESOURCE,
            _SECONDS,
        )
        self._sizes = self._histogram("apiserver_response_sizes", "Octets of answers.", _RESOURCE, _OCTETS)
        self.long_running = self._gauge("apiserver_longrunning_requests", "Watches that are open.", _RESOURCE)
        self._in_flight = self._gauge("apiserver_current_inflight_requests", "Requests under way.", ("request_kind",))
        self._watch_events = self._counter(
            "apiserver_watch_events", "Events sent to watchers.", ("group", "version", "resource")
        )
        self._watch_octets = self._histogram(
            "apiserver_watch_events_sizes", "Octets of events.", ("group", "version", "resource"), _EVENT_OCTETS
        )
        self._terminations = self._counter(
            "apiserver_request_terminations", "Requests that the server refused to save itself.", (*_RESOURCE, "code")
        )
        self._aborts = self._counter("apiserver_request_aborts", "Requests whose caller went away.", _RESOURCE)
        self._objects = self._gauge("apiserver_resource_objects", "Objects there are.", ("group", "resource"))
        self._rejected = self._counter(
            "apiserver_flowcontrol_rejected_requests",
            "Requests that were told to come back.",
            ("priority_level", "flow_schema", "reason"),
        )
        self._audit_events = self._counter("apiserver_audit_event", "Audit events that were made.", ())
        self._client_expiry = self._histogram(
            "apiserver_client_certificate_expiration_seconds",
            "Seconds left of client certificates when they were used.",
            (),
            _REMAINING,
        )
        self._authentications = self._counter(
            "authentication_attempts", "Requests by how they were known.", ("result",)
        )
        self._authenticated = self._counter("authenticated_user_requests", "Requests by who asked.", ("username",))
        self._authorizations = self._counter("authorization_attempts", "Decisions about requests.", ("result",))
        self.serving_expiry = self._gauge(
            "chancery_apiserver_serving_certificate_expiry_seconds",
            "When the serving certificate ends, since 1970.",
            (),
        )
        self.revision = self._gauge("chancery_apiserver_log_revision", "Newest revision of the change log.", ())
        self.oldest_revision = self._gauge(
            "chancery_apiserver_log_oldest_revision", "Oldest revision that can still be read.", ()
        )
        self.watchers = self._gauge("chancery_apiserver_watchers", "Watchers that are registered.", ())

    def started(self, kind: str) -> Callable[[], None]:
        """Counts a request as under way; returns how to end that. `kind`: readOnly or mutating."""
        gauge = self._in_flight.labels(kind)
        gauge.inc()
        return gauge.dec

    def answered(self, labels: RequestLabels, *, code: int, dry_run: bool, seconds: float, octets: int) -> None:
        values, tried = labels.values, "All" if dry_run else ""
        self._requests.labels(*values, str(code), tried).inc()
        self._durations.labels(*values, tried).observe(seconds)
        self._sli_durations.labels(*values).observe(seconds)
        self._sizes.labels(*values).observe(octets)
        if code == 429:
            self._terminations.labels(*values, str(code)).inc()

    def watch_ended(self, labels: RequestLabels, *, code: int) -> None:
        self._requests.labels(*labels.values, str(code), "").inc()

    def aborted(self, labels: RequestLabels) -> None:
        self._aborts.labels(*labels.values).inc()

    def watched(self, group: str, version: str, resource: str, *, events: int, octets: int) -> None:
        self._watch_events.labels(group, version, resource).inc(events)
        self._watch_octets.labels(group, version, resource).observe(octets / max(events, 1))

    def rejected(self, why: str) -> None:
        self._rejected.labels("global-default", why, "concurrency-limit").inc()

    def counted(self, objects: Mapping[tuple[str, str], int]) -> None:
        """By group and resource."""
        for (group, resource), number in objects.items():
            self._objects.labels(group, resource).set(number)

    def audited(self) -> None:
        self._audit_events.inc()

    def authenticated(self, result: str, kind: str = "other") -> None:
        """`result`: success, failure or error. Users are counted by kind: a name would be a label without end."""
        self._authentications.labels(result).inc()
        if result == "success":
            self._authenticated.labels(kind).inc()

    def certificate_used(self, seconds_left: float) -> None:
        self._client_expiry.observe(seconds_left)

    def authorized(self, result: str) -> None:
        """`result`: allowed, denied or error."""
        self._authorizations.labels(result).inc()

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)
