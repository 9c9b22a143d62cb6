"""The aggregator's view of our server: available, gone, back again with all that it held."""

import pytest

from tests.apiserver.aggregation.aggregated_server import GROUP_VERSIONS
from tests.apiserver.client import WARDLE, eventually, flunder
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES


def test_every_group_is_available(server):
    conditions = {name: server.extension.available(name) for name in server.api_services}

    assert {name: condition["reason"] for name, condition in conditions.items()} == dict.fromkeys(conditions, "Passed")
    assert len(conditions) == len(GROUP_VERSIONS)


@pytest.mark.timeout(200)
def test_discovery_of_the_cluster_holds_every_kind(cluster):
    """Where a read of ours has failed, kube-apiserver says `Stale` until it reads anew, which it does each minute."""
    current = dict.fromkeys(GROUP_VERSIONS, "Current")
    eventually(lambda: {name: one["freshness"] for name, one in _discovered(cluster).items()} == current, 150)

    assert {resource["resource"] for resource in _discovered(cluster)["wardle.example.com"]["resources"]} == {
        "flunders",
        "fischers",
    }


def _discovered(cluster):
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    groups = cluster.admin.get("/apis", headers={"Accept": accept}).document["items"]
    return {
        group["metadata"]["name"]: version
        for group in groups
        for version in group["versions"]
        if group["metadata"]["name"] in GROUP_VERSIONS
    }


def test_identity_of_a_caller_reaches_our_server(cluster, flunders):
    created = cluster.admin.create(flunders, flunder("a"), headers={"User-Agent": "tester/1"})

    assert created.status == 201
    assert created.document["metadata"]["managedFields"][0]["manager"] == "tester"
    assert created.headers["Audit-Id"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_server_that_was_lost_returns_with_all_that_it_held(server, controlled_cluster, namespace, flunders):
    admin, elsewhere = controlled_cluster.admin, f"{WARDLE}/namespaces/default/flunders"
    kept = admin.create(elsewhere, flunder(f"kept-in-{namespace}")).document
    admin.create(flunders, flunder("a"))
    server.child.kill()
    lost = admin.get(flunders)
    controlled_cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    server.extension.wait_until_available("v1alpha1.wardle.example.com", status="False", seconds=120)
    phase = admin.get(f"/api/v1/namespaces/{namespace}").document["status"]["phase"]

    server.start()
    for api_service in server.api_services:
        server.extension.wait_until_available(api_service, seconds=120)
    controlled_cluster.wait_until(
        lambda: admin.get(f"/api/v1/namespaces/{namespace}").status == 404, "the namespace is gone", seconds=120
    )

    assert lost.status == 503
    assert phase == "Terminating"
    assert admin.get(f"{elsewhere}/kept-in-{namespace}").document == kept
    assert admin.get(flunders).document["items"] == []
