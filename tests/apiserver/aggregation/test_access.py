"""Who gets in, through the aggregator and past it: the cluster's RBAC decides both times."""

import itertools

import pytest

from tests.apiserver.aggregation.decisions import becomes, let_read
from tests.apiserver.client import WARDLE, flunder
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A user whom nobody knows yet."""
    return f"user-{next(_numbers)}"


def test_user_without_rights_is_refused_by_the_aggregator(cluster, name, namespace, flunders):
    answer = cluster.client(name).get(flunders)

    assert answer.status == 403
    assert answer.message.startswith(
        f'flunders.wardle.example.com is forbidden: User "{name}" cannot list resource "flunders" in API group '
        f'"wardle.example.com" in the namespace "{namespace}"'
    )


def test_role_opens_one_namespace_through_the_aggregator(cluster, name, namespace, flunders):
    let_read(cluster, namespace, f"--user={name}")
    client = cluster.client(name)
    cluster.admin.create(flunders, flunder("a"))

    listed = becomes(cluster, 200, lambda: client.get(flunders))

    assert [item["metadata"]["name"] for item in listed.document["items"]] == ["a"]
    assert client.get(f"{WARDLE}/namespaces/default/flunders").status == 403
    assert client.create(flunders, flunder("b")).status == 403


def test_group_of_a_certificate_is_passed_on_by_the_aggregator(cluster, name, namespace, flunders):
    let_read(cluster, namespace, f"--group={name}s")
    client = cluster.client(name, f"{name}s")

    assert becomes(cluster, 200, lambda: client.get(flunders)).document["items"] == []


def test_kubectl_may_speak_for_somebody_else(cluster, name, namespace, flunders):
    cluster.admin.create(flunders, flunder("a"))
    let_read(cluster, namespace, f"--user={name}")
    cluster.wait_until(
        lambda: cluster.kubectl("get", "flunders", "-n", namespace, f"--as={name}", check=False).returncode == 0,
        "the role works",
    )
    deleting = cluster.kubectl("delete", "flunder", "a", "-n", namespace, f"--as={name}", check=False)

    assert f'User "{name}" cannot delete resource "flunders"' in deleting.stderr


def test_certificate_of_the_cluster_is_believed_past_the_aggregator(cluster, direct, name, namespace, flunders):
    client = direct(name)
    refused = client.get(flunders)
    let_read(cluster, namespace, f"--user={name}")

    allowed = becomes(cluster, 200, lambda: client.get(flunders))

    assert refused.status == 403
    assert f'User "{name}" cannot list resource "flunders"' in refused.message
    assert allowed.document["kind"] == "FlunderList"
    assert client.create(flunders, flunder("b")).status == 403


def test_token_of_a_service_account_is_believed_past_the_aggregator(cluster, direct, name, namespace, flunders):
    cluster.kubectl("create", "serviceaccount", name, "-n", namespace)
    token = cluster.kubectl("create", "token", name, "-n", namespace).stdout.strip()
    client = direct(headers={"Authorization": f"Bearer {token}"})
    refused = client.get(flunders)
    let_read(cluster, namespace, f"--serviceaccount={namespace}:{name}")

    assert f'User "system:serviceaccount:{namespace}:{name}" cannot list' in refused.message
    assert becomes(cluster, 200, lambda: client.get(flunders)).document["items"] == []


def test_token_of_nobody_is_refused(direct, flunders):
    answer = direct(headers={"Authorization": "Bearer nobody.knows.this"}).get(flunders)

    assert (answer.status, answer.reason) == (401, "Unauthorized")


def test_stranger_is_refused_but_may_ask_for_health(direct, flunders):
    stranger = direct()

    assert stranger.get(flunders).status == 401
    assert stranger.get("/readyz").octets == b"ok"


def test_headers_of_a_front_proxy_are_ignored_from_anybody_else(server, direct, name, flunders):
    forged = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
    client = direct(name, headers=forged)
    namesake = direct("front-proxy-client", headers=forged)
    stranger_of_the_proxy_ca = direct("other-proxy", authority=server.cluster.front_proxy_ca, headers=forged)

    assert f'User "{name}" cannot list' in client.get(flunders).message
    assert 'User "front-proxy-client" cannot list' in namesake.get(flunders).message
    assert stranger_of_the_proxy_ca.get(flunders).status == 401


def test_headers_of_the_front_proxy_are_believed(server, direct, flunders):
    headers = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
    proxy = direct("front-proxy-client", authority=server.cluster.front_proxy_ca, headers=headers)

    assert proxy.get(flunders).status == 200
