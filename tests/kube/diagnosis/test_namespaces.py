"""Namespaces that are deleted and do not end."""

from datetime import timedelta

import pytest

from kube.diagnosis.findings import Cause, Severity
from kube.diagnosis.namespaces import judge_namespaces
from tests.kube.diagnosis.made import NOW


def namespace(name, *, minutes=None, message=""):
    deleted = {} if minutes is None else {"deletionTimestamp": f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"}
    conditions = [
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All discovered"},
        {"type": "NamespaceDeletionContentFailure", "status": "True", "message": message},
    ]
    return {"metadata": {"name": name, **deleted}, "status": {"conditions": conditions}}


def test_namespaces_that_do_not_end_are_named_with_what_keeps_them():
    stuck = [namespace(f"old-{number}", minutes=10, message="3 remaining: the server is unable") for number in range(7)]
    (finding,) = judge_namespaces([namespace("a"), namespace("b", minutes=0), *stuck], at=NOW)

    assert (finding.severity, finding.cause) == (Severity.WARNING, Cause.NAMESPACE_STUCK)
    assert "old-4 and 2 more: deleted, and not ended" in finding.summary
    assert finding.summary.endswith("old-0 for 10m: 3 remaining: the server is unable")


@pytest.mark.parametrize("said", [None, 3, "yesterday", "2026-11-29T11:00:00"])
def test_namespace_that_says_no_instant_of_its_deletion_is_passed_over(said):
    assert list(judge_namespaces([{"metadata": {"name": "a", "deletionTimestamp": said}}, {}], at=NOW)) == []
