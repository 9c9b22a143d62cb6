"""Namespaces are the cluster's: none is made up here, and none is held up."""

import pytest

from tests.apiserver.client import REPORTS, WARDLE, flunder, report
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES


def test_namespace_that_does_not_exist_is_not_found(cluster):
    answer = cluster.admin.create(f"{WARDLE}/namespaces/missing/flunders", flunder("a"))

    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.message == 'namespaces "missing" not found'


def test_namespace_that_was_just_made_is_found(cluster, flunders):
    assert cluster.admin.create(flunders, flunder("a")).status == 201


def test_namespace_goes_with_what_is_in_it(controlled_cluster, namespace, flunders):
    reports = f"{REPORTS}/namespaces/{namespace}/policyreports"
    for name in ("a", "b"):
        assert controlled_cluster.admin.create(flunders, flunder(name)).status == 201
        assert controlled_cluster.admin.create(reports, report(name)).status == 201

    controlled_cluster.kubectl("delete", "namespace", namespace, "--timeout=60s")

    assert controlled_cluster.admin.get(flunders).document["items"] == []
    assert controlled_cluster.admin.get(reports).document["items"] == []


def test_terminating_namespace_takes_nothing_new_and_waits_for_finalizers(controlled_cluster, namespace, flunders):
    admin = controlled_cluster.admin
    admin.create(flunders, flunder("held", metadata={"finalizers": ["example.com/hold"]}))
    controlled_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    controlled_cluster.wait_until(
        lambda: "deletionTimestamp" in admin.get(f"{flunders}/held").document["metadata"],
        "the flunder is to be deleted",
    )
    refused = admin.create(flunders, flunder("new"))
    phase = admin.get(f"/api/v1/namespaces/{namespace}").document["status"]["phase"]
    admin.patch(f"{flunders}/held", {"metadata": {"finalizers": None}})

    controlled_cluster.wait_until(
        lambda: admin.get(f"/api/v1/namespaces/{namespace}").status == 404, "the namespace is gone", seconds=60
    )

    assert (refused.status, refused.reason, phase) == (403, "Forbidden", "Terminating")
    assert [(cause["reason"], cause["field"]) for cause in refused.causes] == [
        ("NamespaceTerminating", "metadata.namespace")
    ]


@pytest.mark.parametrize("verb", ["apply", "patch"])
def test_change_of_what_is_not_there_makes_nothing_in_a_missing_namespace(cluster, verb):
    path = f"{WARDLE}/namespaces/missing/flunders/a"
    answer = cluster.admin.apply(path, flunder("a")) if verb == "apply" else cluster.admin.patch(path, {"spec": {}})

    assert answer.status == 404
