"""Metrics: names and labels of kube-apiserver, bounded series, and an exposition that Prometheus' own parser reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from apiserver.metric_series import Distribution, Distributions, Numbers
from apiserver.metrics import CONTENT_TYPE, Metrics, RequestLabels

GADGETS = RequestLabels(verb="LIST", group="example.com", version="v1", resource="gadgets", scope="namespace")
GADGET_LABELS = {
    "verb": "LIST",
    "group": "example.com",
    "version": "v1",
    "resource": "gadgets",
    "subresource": "",
    "scope": "namespace",
    "component": "apiserver",
}


def samples(metrics):
    """By name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def answered(metrics, labels=GADGETS, *, code=200, dry_run=False, seconds=0.3, octets=5000):
    metrics.answered(labels, code=code, dry_run=dry_run, seconds=seconds, octets=octets)


def test_a_request_is_counted_under_the_names_and_labels_of_kube_apiserver():
    metrics = Metrics()
    answered(metrics)
    answered(metrics, seconds=0.01)

    assert value(metrics, "apiserver_request_total", **GADGET_LABELS, code="200", dry_run="") == 2
    assert value(metrics, "apiserver_request_duration_seconds_count", **GADGET_LABELS, dry_run="") == 2
    assert value(metrics, "apiserver_request_duration_seconds_bucket", **GADGET_LABELS, dry_run="", le="0.025") == 1
    assert value(metrics, "apiserver_request_duration_seconds_bucket", **GADGET_LABELS, dry_run="", le="0.4") == 2
    assert value(metrics, "apiserver_request_duration_seconds_sum", **GADGET_LABELS, dry_run="") == pytest.approx(0.31)
    assert value(metrics, "apiserver_request_sli_duration_seconds_bucket", **GADGET_LABELS, le="0.05") == 1
    assert value(metrics, "apiserver_response_sizes_bucket", **GADGET_LABELS, le="10000.0") == 2


def test_a_dry_run_is_told_apart():
    metrics = Metrics()
    answered(metrics, dry_run=True)

    assert value(metrics, "apiserver_request_total", **GADGET_LABELS, code="200", dry_run="All") == 1


def test_answers_to_writes_have_no_size():
    metrics = Metrics()
    answered(metrics, RequestLabels(verb="POST"))

    assert not [name for name, _ in samples(metrics) if name.startswith("apiserver_response_sizes")]


@pytest.mark.parametrize(
    ("verb", "counted"), [("HEAD", "GET"), ("BREW", "other"), ("list", "other"), ("APPLY", "APPLY")]
)
def test_verbs_are_those_that_there_are(verb, counted):
    assert RequestLabels(verb=verb).values[0] == counted


@pytest.mark.parametrize(("code", "terminations"), [(429, 1), (504, 1), (200, None), (404, None)])
def test_requests_that_the_server_ended_to_save_itself_are_terminations(code, terminations):
    metrics = Metrics()
    answered(metrics, code=code)

    assert value(metrics, "apiserver_request_terminations_total", **GADGET_LABELS, code=str(code)) == terminations


def test_a_caller_that_goes_away_is_an_abort():
    metrics = Metrics()
    metrics.aborted(GADGETS)

    labels = {name: value for name, value in GADGET_LABELS.items() if name != "component"}
    assert value(metrics, "apiserver_request_aborts_total", **labels) == 1


def test_requests_under_way_are_counted_until_they_end():
    metrics = Metrics()
    ends = [metrics.started("readOnly"), metrics.started("readOnly"), metrics.started("mutating")]
    ends[0]()

    assert value(metrics, "apiserver_current_inflight_requests", request_kind="readOnly") == 1
    assert value(metrics, "apiserver_current_inflight_requests", request_kind="mutating") == 1
    flow = {"priority_level": "readOnly", "flow_schema": "max-in-flight"}
    assert value(metrics, "apiserver_flowcontrol_dispatched_requests_total", **flow) == 2
    assert value(metrics, "apiserver_flowcontrol_current_executing_requests", **flow) == 1


def test_refusals_of_flow_control_tell_what_was_full():
    metrics = Metrics()
    metrics.rejected("body")

    labels = {"priority_level": "body", "flow_schema": "max-in-flight", "reason": "concurrency-limit"}
    assert value(metrics, "apiserver_flowcontrol_rejected_requests_total", **labels) == 1


def test_watches_are_counted_by_kind():
    metrics = Metrics()
    kind = {"group": "example.com", "version": "v1", "resource": "gadgets"}
    gauge = metrics.long_running.labels(*RequestLabels(verb="WATCH").values)
    gauge.inc()
    metrics.watched(**kind, events=3, octets=6000)
    metrics.watched(**kind, events=0, octets=0)
    metrics.watch_list_sent(**kind, scope="cluster", seconds=0.5)
    metrics.watch_ended(GADGETS, code=200)

    assert value(metrics, "apiserver_watch_events_total", **kind) == 3
    assert value(metrics, "apiserver_watch_events_sizes_bucket", **kind, le="2048.0") == 3
    assert value(metrics, "apiserver_watch_events_sizes_sum", **kind) == 6000
    assert value(metrics, "apiserver_watch_list_duration_seconds_count", **kind, scope="cluster") == 1
    assert value(metrics, "apiserver_request_total", **GADGET_LABELS, code="200", dry_run="") == 1
    assert value(metrics, "apiserver_request_duration_seconds_count", **GADGET_LABELS, dry_run="") is None


def test_storage_is_counted_by_resource():
    metrics = Metrics()
    kind = {"group": "example.com", "resource": "gadgets"}
    metrics.counted({("example.com", "gadgets"): 7}, {("example.com", "gadgets"): 900})
    metrics.listed("example.com", "gadgets", fetched=10, evaluated=8, returned=2)
    metrics.compacted(40)
    metrics.compaction_failed()
    metrics.body_read(123)
    metrics.revision.set(12)

    assert value(metrics, "apiserver_resource_objects", **kind) == 7
    assert value(metrics, "apiserver_resource_size_estimate_bytes", **kind) == 900
    assert value(metrics, "apiserver_storage_list_total", **kind) == 1
    assert value(metrics, "apiserver_storage_list_fetched_objects_total", **kind) == 10
    assert value(metrics, "apiserver_storage_list_evaluated_objects_total", **kind) == 8
    assert value(metrics, "apiserver_storage_list_returned_objects_total", **kind) == 2
    assert value(metrics, "chancery_apiserver_compacted_versions_total") == 40
    assert value(metrics, "chancery_apiserver_compactions_total", result="error") == 1
    assert value(metrics, "chancery_apiserver_request_body_octets_total") == 123
    assert value(metrics, "chancery_apiserver_log_revision") == 12


def test_who_asks_and_what_is_decided_is_counted():
    metrics = Metrics()
    metrics.authenticated("success", "system")
    metrics.authenticated("failure")
    metrics.authorized("denied")
    metrics.certificate_used(7000)
    metrics.audited()
    metrics.audit_level("Metadata")
    metrics.audit_lost(5)

    assert value(metrics, "authentication_attempts", result="success") == 1
    assert value(metrics, "authentication_attempts", result="failure") == 1
    assert value(metrics, "authenticated_user_requests", username="system") == 1
    assert value(metrics, "authorization_attempts_total", result="denied") == 1
    assert value(metrics, "apiserver_client_certificate_expiration_seconds_bucket", le="3600.0") == 0
    assert value(metrics, "apiserver_client_certificate_expiration_seconds_bucket", le="7200.0") == 1
    assert value(metrics, "apiserver_audit_event_total") == 1
    assert value(metrics, "apiserver_audit_level_total", level="Metadata") == 1
    assert value(metrics, "apiserver_audit_error_total", plugin="log") == 5


def test_the_process_is_measured_as_well():
    assert value(Metrics(), "process_resident_memory_bytes") > 0


def test_two_servers_in_one_process_share_nothing():
    one, other = Metrics(), Metrics()
    answered(one)

    assert value(other, "apiserver_request_total", **GADGET_LABELS, code="200", dry_run="") is None


def test_no_series_says_when_it_was_created():
    metrics = Metrics()
    answered(metrics)

    assert b"_created" not in metrics.exposition()


def test_the_exposition_is_in_the_format_that_every_prometheus_reads():
    assert "version=0.0.4" in CONTENT_TYPE


def test_labels_are_escaped():
    registry = CollectorRegistry()
    Numbers.gauges(registry, "g", "meaning", ["a"]).labels('"\n\\').set(1)

    (family,) = registry.collect()
    assert family.samples[0].labels == {"a": '"\n\\'}


def test_a_family_refuses_labels_that_it_has_not():
    family = Numbers.gauges(CollectorRegistry(), "g", "meaning", ["a"])

    with pytest.raises(ValueError, match="has the labels a"):
        family.labels("x", "y")


def test_series_are_bounded_whatever_comes():
    registry = CollectorRegistry()
    family = Numbers.counters(registry, "c", "meaning", ["a"])
    for number in range(12_000):
        family.labels(str(number)).inc()

    (shown,) = registry.collect()
    assert len(shown.samples) == 10_000


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=50))
def test_buckets_hold_what_is_at_most_their_end(values):
    registry = CollectorRegistry()
    series = Distributions.histograms(registry, "h", "meaning", (0.5, 1, 10)).labels()
    for one in values:
        series.observe(one)

    (shown,) = registry.collect()
    found = {sample.labels.get("le", sample.name): sample.value for sample in shown.samples}
    for end in (0.5, 1, 10):
        assert found[f"{float(end)}"] == sum(1 for one in values if one <= end)
    assert found["+Inf"] == found["h_count"] == len(values)
    assert found["h_sum"] == pytest.approx(sum(values))


def test_observing_a_value_several_times_is_observing_it_again():
    at_once, one_by_one = Distribution((1.0, 2.0)), Distribution((1.0, 2.0))
    at_once.observe(1.5, 3)
    for _ in range(3):
        one_by_one.observe(1.5)

    assert (at_once.counts, at_once.total) == (one_by_one.counts, one_by_one.total)
