"""What kube-controller-manager does with our objects: garbage collection by ownerReferences, and quota."""

import json

import pytest

from tests.apiserver.client import flunder
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = [*KUBERNETES, pytest.mark.slow]

_SECONDS = 60


@pytest.fixture
def admin(controlled_cluster):
    return controlled_cluster.admin


@pytest.fixture
def config_maps(namespace):
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def is_gone(controlled_cluster, admin):
    return lambda path: controlled_cluster.wait_until(
        lambda: admin.get(path).status == 404, f"{path} is gone", seconds=_SECONDS
    )


def owned_by(owner, **fields):
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    return {"ownerReferences": [reference | fields]}


def config_map(name, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def test_flunder_goes_after_its_owner_of_another_group(admin, flunders, config_maps, is_gone):
    owner = admin.create(config_maps, config_map("owner")).document
    admin.create(flunders, flunder("owned", metadata=owned_by(owner)))
    admin.create(flunders, flunder("free"))

    admin.delete(f"{config_maps}/owner", {"propagationPolicy": "Background"})
    is_gone(f"{flunders}/owned")

    assert admin.get(f"{flunders}/free").status == 200


def test_flunder_goes_after_its_owner_of_the_same_group(admin, flunders, is_gone):
    owner = admin.create(flunders, flunder("owner")).document
    admin.create(flunders, flunder("owned", metadata=owned_by(owner)))

    admin.delete(f"{flunders}/owner")

    is_gone(f"{flunders}/owned")


def test_flunder_whose_owner_never_was_is_collected(admin, flunders, is_gone):
    imagined = config_map("imagined", uid="00000000-0000-4000-8000-000000000000")

    admin.create(flunders, flunder("owned", metadata=owned_by(imagined)))

    is_gone(f"{flunders}/owned")


def test_foreground_deletion_removes_dependents_first(controlled_cluster, admin, flunders, config_maps, is_gone):
    owner = admin.create(flunders, flunder("owner")).document
    held = {"finalizers": ["example.com/hold"], **owned_by(owner, blockOwnerDeletion=True)}
    admin.create(config_maps, config_map("dependent", **held))

    admin.delete(f"{flunders}/owner", {"propagationPolicy": "Foreground"})
    controlled_cluster.wait_until(
        lambda: "deletionTimestamp" in admin.get(f"{config_maps}/dependent").document["metadata"],
        "the dependent is to be deleted",
        seconds=_SECONDS,
    )
    waiting = admin.get(f"{flunders}/owner").document["metadata"]
    admin.patch(f"{config_maps}/dependent", {"metadata": {"finalizers": None}})
    is_gone(f"{flunders}/owner")

    assert waiting["finalizers"] == ["foregroundDeletion"]
    assert admin.get(f"{config_maps}/dependent").status == 404


def test_orphans_stay_and_forget_their_owner(controlled_cluster, admin, flunders, config_maps, is_gone):
    owner = admin.create(flunders, flunder("owner")).document
    for name in ("one", "two"):
        admin.create(flunders, flunder(name, metadata=owned_by(owner)))
    admin.create(config_maps, config_map("three", **owned_by(owner)))
    orphans = (f"{flunders}/one", f"{flunders}/two", f"{config_maps}/three")

    admin.delete(f"{flunders}/owner", {"propagationPolicy": "Orphan"})
    is_gone(f"{flunders}/owner")

    assert [admin.get(path).document["metadata"].get("ownerReferences", []) for path in orphans] == [[], [], []]


@pytest.mark.timeout(300)
def test_quota_counts_flunders_and_notices_a_deletion(controlled_cluster, admin, namespace, flunders):
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    resource = "count/flunders.wardle.example.com"
    for name in ("a", "b"):
        admin.create(flunders, flunder(name))

    def used():
        return admin.get(f"{quotas}/q").document.get("status", {}).get("used", {}).get(resource)

    admin.create(quotas, {"metadata": {"name": "q"}, "spec": {"hard": {resource: "5"}}})
    controlled_cluster.wait_until(lambda: used() == "2", "two flunders are counted", seconds=2 * _SECONDS)
    admin.delete(f"{flunders}/a")

    controlled_cluster.wait_until(lambda: used() == "1", "one flunder is counted", seconds=2 * _SECONDS)


def test_no_controller_is_refused(server, admin, flunders, is_gone):
    """Whatever kube-controller-manager asked so far, it could; strategic merge patch is tried first, and not for such kinds."""
    owner = admin.create(flunders, flunder("owner")).document
    admin.create(flunders, flunder("owned", metadata=owned_by(owner)))
    admin.delete(f"{flunders}/owner")
    is_gone(f"{flunders}/owned")

    events = [json.loads(line) for line in (server.directory / "data" / "audit.log").read_text().splitlines()]
    asked = {
        (event["verb"], event["responseStatus"]["code"])
        for event in events
        if event["user"].get("username", "").startswith("system:serviceaccount:kube-system:")
        and "responseStatus" in event
    }

    assert ("delete", 200) in asked
    assert {(verb, code) for verb, code in asked if code not in {200, 404, 409}} <= {("patch", 415)}
