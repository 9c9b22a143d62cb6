"""Metrics, under the names that kube-apiserver gives them, so that dashboards and alerts made for it work.

- One registry for one server; nothing global.
- Labels come from what exists: a verb, a resource or a code that nobody serves is counted as such a one, and never by its own name.
- What kube-apiserver has no name for begins with `chancery_apiserver_`.
- There are no FlowSchemas: `flow_schema` is always `max-in-flight`, and a priority level is readOnly, mutating, body or exempt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from apiserver.metric_series import Distribution, Distributions, Number, Numbers

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_SLI_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
_SECONDS = (0.005, 0.025, *_SLI_SECONDS)
_WATCH_LIST_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60)
_OCTETS = tuple(10.0**power for power in range(3, 10))
_EVENT_OCTETS = tuple(1024.0 * 2**power for power in range(8))
_HOUR, _DAY = 3600.0, 86400.0
_REMAINING = (
    *(0, 0.5 * _HOUR, _HOUR, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY, 180 * _DAY, 360 * _DAY),
)
_REQUEST = ("verb", "group", "version", "resource", "subresource", "scope")
_RESOURCE = (*_REQUEST, "component")
_FLOW = ("priority_level", "flow_schema")
_COMPONENT = "apiserver"
_SCHEMA = "max-in-flight"
_VERBS = frozenset({"GET", "LIST", "WATCH", "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION", "CONNECT"})
_SIZED = frozenset({"GET", "LIST"})
_TERMINATED = frozenset({429, 504})


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
        verb = "GET" if self.verb == "HEAD" else self.verb if self.verb in _VERBS else "other"
        return (verb, self.group, self.version, self.resource, self.subresource, self.scope, _COMPONENT)


@dataclass(frozen=True, slots=True)
class _Answered:
    """The series that an answer changes: looked up once for its labels, code and dry run, as looking up is the costly part."""

    requests: Number
    durations: Distribution
    sli_durations: Distribution
    sizes: Distribution | None
    terminations: Number | None


class Metrics:
    """Used on the event loop; reading is safe anywhere."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._answered: dict[tuple[RequestLabels, int, bool], _Answered] = {}
        self._requests = Numbers.counters(
            registry, "apiserver_request", "Requests that were answered.", (*_RESOURCE, "code", "dry_run")
        )
        self._durations = Distributions.histograms(
            registry,
            "apiserver_request_duration_seconds",
            "How long requests took.",
            _SECONDS,
            (*_RESOURCE, "dry_run"),
        )
        self._sli_durations = Distributions.histograms(
            registry,
            "apiserver_request_sli_duration_seconds",
            "How long requests took, for objectives of service.",
            _SLI_SECONDS,
            _RESOURCE,
        )
        self._sizes = Distributions.histograms(
            registry, "apiserver_response_sizes", "Octets of answers to reads.", _OCTETS, _RESOURCE
        )
        self.long_running = Numbers.gauges(
            registry, "apiserver_longrunning_requests", "Watches that are open.", _RESOURCE
        )
        self._in_flight = Numbers.gauges(
            registry, "apiserver_current_inflight_requests", "Requests under way.", ("request_kind",)
        )
        self._terminations = Numbers.counters(
            registry,
            "apiserver_request_terminations",
            "Requests that the server ended to save itself.",
            (*_RESOURCE, "code"),
        )
        self._aborts = Numbers.counters(
            registry, "apiserver_request_aborts", "Requests whose caller went away.", _REQUEST
        )
        self._dispatched = Numbers.counters(
            registry, "apiserver_flowcontrol_dispatched_requests", "Requests that were let in.", _FLOW
        )
        self._executing = Numbers.gauges(
            registry, "apiserver_flowcontrol_current_executing_requests", "Requests that were let in, under way.", _FLOW
        )
        self._rejected = Numbers.counters(
            registry,
            "apiserver_flowcontrol_rejected_requests",
            "Requests that were told to come back.",
            (*_FLOW, "reason"),
        )
        self._add_watches(registry)
        self._add_storage(registry)
        self._add_security(registry)

    def _add_watches(self, registry: CollectorRegistry) -> None:
        kind = ("group", "version", "resource")
        self._watch_events = Numbers.counters(registry, "apiserver_watch_events", "Events sent to watchers.", kind)
        self._watch_octets = Distributions.histograms(
            registry, "apiserver_watch_events_sizes", "Octets of events.", _EVENT_OCTETS, kind
        )
        self._watch_lists = Distributions.histograms(
            registry,
            "apiserver_watch_list_duration_seconds",
            "How long it took until a watch that began with a list had sent it.",
            _WATCH_LIST_SECONDS,
            (*kind, "scope"),
        )
        self.watchers = self._gauge("chancery_apiserver_watchers", "Watchers that are registered.")

    def _add_storage(self, registry: CollectorRegistry) -> None:
        kind = ("group", "resource")
        self._objects = Numbers.gauges(registry, "apiserver_resource_objects", "Objects there are.", kind)
        self._object_octets = Numbers.gauges(
            registry, "apiserver_resource_size_estimate_bytes", "Octets of the objects there are, uncompressed.", kind
        )
        self._lists = Numbers.counters(registry, "apiserver_storage_list", "Lists read from storage.", kind)
        self._fetched = Numbers.counters(
            registry, "apiserver_storage_list_fetched_objects", "Objects read from storage for lists.", kind
        )
        self._evaluated = Numbers.counters(
            registry, "apiserver_storage_list_evaluated_objects", "Objects held against a selector.", kind
        )
        self._returned = Numbers.counters(
            registry, "apiserver_storage_list_returned_objects", "Objects that lists were answered with.", kind
        )
        self.revision = self._gauge("chancery_apiserver_log_revision", "Newest revision of the change log.")
        self.oldest_revision = self._gauge(
            "chancery_apiserver_log_oldest_revision", "Oldest revision that can still be read."
        )
        self._compactions = Numbers.counters(
            registry, "chancery_apiserver_compactions", "Times that history was cut, by how it went.", ("result",)
        )
        self._compacted = Numbers.counters(
            registry, "chancery_apiserver_compacted_versions", "Versions that were cut from history."
        ).labels()
        self._body_octets = Numbers.counters(
            registry, "chancery_apiserver_request_body_octets", "Octets of request bodies that were read."
        ).labels()
        self.body_octets_in_flight = self._gauge(
            "chancery_apiserver_request_body_octets_in_flight", "Octets of request bodies in memory."
        )

    def _add_security(self, registry: CollectorRegistry) -> None:
        self._audit_events = Numbers.counters(
            registry, "apiserver_audit_event", "Audit events that were made."
        ).labels()
        self._audit_levels = Numbers.counters(
            registry, "apiserver_audit_level", "Requests by how much of them is written down.", ("level",)
        )
        self._audit_errors = Numbers.counters(
            registry, "apiserver_audit_error", "Audit events that are in no file.", ("plugin",)
        ).labels("log")
        self._client_expiry = Distributions.histograms(
            registry,
            "apiserver_client_certificate_expiration_seconds",
            "Seconds left of client certificates when they were used.",
            _REMAINING,
        ).labels()
        self._authentications = Numbers.bare_counters(
            registry, "authentication_attempts", "Requests by how they were known.", ("result",)
        )
        self._authenticated = Numbers.bare_counters(
            registry, "authenticated_user_requests", "Requests by who asked.", ("username",)
        )
        self._authorizations = Numbers.counters(
            registry, "authorization_attempts", "Decisions about requests.", ("result",)
        )
        self.serving_expiry = self._gauge(
            "chancery_apiserver_serving_certificate_expiry_seconds", "When the serving certificate ends, since 1970."
        )

    def started(self, kind: str) -> Callable[[], None]:
        """Counts a request as under way; returns how to end that. `kind`: readOnly, mutating or exempt."""
        in_flight, executing = self._in_flight.labels(kind), self._executing.labels(kind, _SCHEMA)
        self._dispatched.labels(kind, _SCHEMA).inc()
        in_flight.inc()
        executing.inc()

        def ended() -> None:
            in_flight.dec()
            executing.dec()

        return ended

    def answered(self, labels: RequestLabels, *, code: int, dry_run: bool, seconds: float, octets: int) -> None:
        """`seconds` is the whole time; of `octets`, only those of reads are kept."""
        key = (labels, code, dry_run)
        series = self._answered.get(key)
        if series is None:
            series = self._answered[key] = self._series_of(labels, str(code), "All" if dry_run else "")
        series.requests.value += 1
        series.durations.observe(seconds)
        series.sli_durations.observe(seconds)
        if series.sizes is not None:
            series.sizes.observe(octets)
        if series.terminations is not None:
            series.terminations.value += 1

    def _series_of(self, labels: RequestLabels, code: str, dry_run: str) -> _Answered:
        values = labels.values
        return _Answered(
            requests=self._requests.labels(*values, code, dry_run),
            durations=self._durations.labels(*values, dry_run),
            sli_durations=self._sli_durations.labels(*values),
            sizes=self._sizes.labels(*values) if values[0] in _SIZED else None,
            terminations=self._terminations.labels(*values, code) if int(code) in _TERMINATED else None,
        )

    def watch_ended(self, labels: RequestLabels, *, code: int) -> None:
        self._requests.labels(*labels.values, str(code), "").inc()

    def watch_list_sent(self, group: str, version: str, resource: str, scope: str, *, seconds: float) -> None:
        """The bookmark that ends the initial events is on its way."""
        self._watch_lists.labels(group, version, resource, scope).observe(seconds)

    def aborted(self, labels: RequestLabels) -> None:
        self._aborts.labels(*labels.values[:-1]).inc()

    def watched(self, group: str, version: str, resource: str, *, events: int, octets: int) -> None:
        """`events` were sent together, `octets` all in all: each counts with the mean of them."""
        self._watch_events.labels(group, version, resource).inc(events)
        if events:
            self._watch_octets.labels(group, version, resource).observe(octets / events, events)

    def rejected(self, why: str) -> None:
        """`why` is readOnly, mutating or body."""
        self._rejected.labels(why, _SCHEMA, "concurrency-limit").inc()

    def listed(self, group: str, resource: str, *, fetched: int, evaluated: int, returned: int) -> None:
        """One page read from storage: objects read, of them those held against a selector, and those in the answer."""
        self._lists.labels(group, resource).inc()
        self._fetched.labels(group, resource).inc(fetched)
        self._evaluated.labels(group, resource).inc(evaluated)
        self._returned.labels(group, resource).inc(returned)

    def counted(
        self, objects: Mapping[tuple[str, str], int], octets: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """By group and resource."""
        for (group, resource), number in objects.items():
            self._objects.labels(group, resource).set(number)
        for (group, resource), size in (octets or {}).items():
            self._object_octets.labels(group, resource).set(size)

    def compacted(self, versions: int) -> None:
        self._compactions.labels("success").inc()
        self._compacted.inc(versions)

    def compaction_failed(self) -> None:
        self._compactions.labels("error").inc()

    def body_read(self, octets: int) -> None:
        self._body_octets.inc(octets)

    def audited(self) -> None:
        self._audit_events.inc()

    def audit_level(self, level: str) -> None:
        """`level` is None, Metadata, Request or RequestResponse."""
        self._audit_levels.labels(level).inc()

    def audit_lost(self, events: int) -> None:
        """How many events are lost since the start."""
        self._audit_errors.set(events)

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
        """Takes a while: not for the event loop."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, meaning: str) -> Number:
        return Numbers.gauges(self.registry, name, meaning).labels()
