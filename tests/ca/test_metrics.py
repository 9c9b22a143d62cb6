"""What the authority shows to Prometheus: expiries, the rotation under way, and why enrollments were refused."""

import ssl
import time
import urllib.request
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from ca.metrics import KINDS, PHASES, Metrics
from certs.crl import RevocationReason
from protos.chancery.ca.v1 import enrollment_service_pb2 as enrollment
from protos.chancery.ca.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from store.records import RotationRecord
from tests.ca.server import RunningServer

AT = datetime(2026, 1, 1, tzinfo=UTC)
REVOKED = "chancery_ca_certificates_revoked_total"
PHASE, ENTERED = "chancery_ca_rotation_phase", "chancery_ca_rotation_entered_timestamp_seconds"


def rotation(**changes: Any) -> RotationRecord:
    values: dict[str, Any] = {
        "id": "1",
        "kind": "root",
        "phase": "publishing",
        "haste": "due",
        "step": 1,
        "generation": 2,
        "incoming": (),
        "outgoing": (),
        "aborted": False,
        "started_at": 1000,
        "entered_at": 2000,
    }
    return RotationRecord(**{**values, **changes})


def phases(metrics: Metrics) -> set[tuple[str, str]]:
    shown = metrics.registry.get_sample_value
    return {(kind, phase) for kind in KINDS for phase in PHASES if shown(PHASE, {"kind": kind, "phase": phase})}


def entered(metrics: Metrics) -> list[tuple[dict[str, str], float]]:
    (family,) = [one for one in metrics.registry.collect() if one.name == ENTERED]
    return [(sample.labels, sample.value) for sample in family.samples]


@pytest.mark.parametrize("latest", [None, rotation(phase="stable", finished_at=3000)], ids=["never", "finished"])
def test_without_a_rotation_everything_is_stable(latest: RotationRecord | None) -> None:
    metrics = Metrics()
    metrics.show_rotation(rotation())
    metrics.show_rotation(latest)

    assert phases(metrics) == {("root", "stable"), ("issuer", "stable")}
    assert entered(metrics) == []


def test_rotation_under_way_shows_its_phase_and_since_when() -> None:
    metrics = Metrics()
    metrics.show_rotation(rotation())
    metrics.show_rotation(rotation(phase="signing", entered_at=2500))

    assert phases(metrics) == {("root", "signing"), ("issuer", "stable")}
    assert entered(metrics) == [({"kind": "root", "phase": "signing"}, 2500)]


def test_authority_that_is_retired_is_not_shown_any_more() -> None:
    metrics = Metrics()
    metrics.show_authorities([("root", "old", AT), ("root", "new", AT)])
    metrics.show_authorities([("root", "new", AT)])

    shown = metrics.registry.get_sample_value
    assert shown("chancery_ca_expiry_timestamp_seconds", {"kind": "root", "id": "old"}) is None
    assert shown("chancery_ca_expiry_timestamp_seconds", {"kind": "root", "id": "new"}) == AT.timestamp()


def test_counters_of_background_work_begin_at_nothing() -> None:
    assert Metrics().registry.get_sample_value("chancery_ca_background_failures_total", {"task": "rotation"}) == 0


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        (RevocationReason.UNSPECIFIED, "unspecified"),
        (RevocationReason.KEY_COMPROMISE, "keyCompromise"),
        (RevocationReason.CA_COMPROMISE, "cACompromise"),
        (RevocationReason.AFFILIATION_CHANGED, "affiliationChanged"),
        (RevocationReason.SUPERSEDED, "superseded"),
        (RevocationReason.CESSATION_OF_OPERATION, "cessationOfOperation"),
        (RevocationReason.PRIVILEGE_WITHDRAWN, "privilegeWithdrawn"),
    ],
)
def test_revocations_are_counted_by_the_names_of_rfc_5280(reason: RevocationReason, name: str) -> None:
    metrics = Metrics()
    counted = [metrics.registry.get_sample_value(REVOKED, {"reason": name})]
    metrics.count_revoked(int(reason), 3)
    counted.append(metrics.registry.get_sample_value(REVOKED, {"reason": name}))

    assert counted == [0, 3]


def test_server_shows_its_hierarchy_and_what_it_refused(server: RunningServer) -> None:
    with pytest.raises(grpc.RpcError):
        EnrollmentServiceStub(server.public_channel()).Enroll(enrollment.EnrollRequest(token="made-up"), timeout=60)

    exposition = metrics_of(server, until='chancery_ca_rotation_phase{kind="root",phase="stable"} 1.0')

    assert 'enrollment_refusals_total{credential="one-time-token",reason="TOKEN_REFUSED"}' in exposition
    assert 'chancery_ca_expiry_timestamp_seconds{id="",kind="serving"}' in exposition
    assert "process_resident_memory_bytes" in exposition


def metrics_of(server: RunningServer, *, until: str) -> str:
    context = ssl.create_default_context(cadata=server.office.issuers.bundle.pem.decode())
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{server.url}/metrics", context=context, timeout=60) as answer:
            text = answer.read().decode()
        if until in text:
            return text
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
