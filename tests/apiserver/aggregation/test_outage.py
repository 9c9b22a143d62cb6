"""The cluster is what goes away, not our server: nobody is let in by guesswork, nobody is told that they may not."""

import pytest

from tests.apiserver.aggregation.decisions import becomes, let_read
from tests.apiserver.client import REPORTS, WARDLE
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = [*KUBERNETES, pytest.mark.slow]


@pytest.fixture
def gone_cluster(cluster, namespace):
    """The cluster after its API server was killed, which has the test's namespace; it is back when the test ends."""
    cluster.api_server.kill()
    yield cluster
    if not cluster.api_server.is_running:
        cluster.start_api_server()


@pytest.fixture
def reader(cluster, direct, namespace, flunders):
    """A client of our own port whom the cluster let read flunders, a moment ago."""
    name = f"reader-of-{namespace}"
    let_read(cluster, namespace, f"--user={name}")
    client = direct(name)
    becomes(cluster, 200, lambda: client.get(flunders))
    return client


def test_permission_is_remembered_for_a_while(reader, gone_cluster, flunders):
    assert reader.get(flunders).status == 200


def test_decision_that_cannot_be_had_is_an_error_and_no_refusal(reader, gone_cluster, namespace):
    answer = reader.get(f"{REPORTS}/namespaces/{namespace}/policyreports")

    assert (answer.status, answer.reason) == (500, "InternalError")


def test_members_of_system_masters_need_no_decision(direct, gone_cluster, flunders):
    assert direct("somebody", "system:masters").get(flunders).status == 200


def test_decisions_are_had_again_once_the_cluster_is_back(reader, gone_cluster, namespace):
    gone_cluster.start_api_server()

    answer = reader.get(f"{WARDLE}/namespaces/default/flunders")

    assert (answer.status, answer.reason) == (403, "Forbidden")


def test_namespace_made_after_the_outage_is_found(direct, gone_cluster, namespace):
    gone_cluster.start_api_server()
    late = f"{namespace}-late"
    gone_cluster.kubectl("create", "namespace", late)

    answer = direct("somebody", "system:masters").create(
        f"{WARDLE}/namespaces/{late}/flunders", {"metadata": {"name": "a"}}
    )

    assert answer.status == 201
