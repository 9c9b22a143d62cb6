"""Clauses of the contract with clients that no other test is about: discovery in full, what is not offered, status, collections."""

import pytest

from tests.apiserver.client import REPORTS, WARDLE, flunder, report

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
KUBE_AGGREGATOR = ",".join((AGGREGATED.format("v2"), AGGREGATED.format("v2beta1")))


def resources_of(document):
    for group in document["items"]:
        for version in group["versions"]:
            for resource in version["resources"]:
                yield group["metadata"]["name"], version["version"], resource


def test_discovery_for_the_aggregator_is_exactly_of_the_type_that_it_takes(api):
    answer = api.get("/apis", headers={"Accept": KUBE_AGGREGATOR})

    assert answer.status == 200
    assert answer.headers["Content-Type"] == AGGREGATED.format("v2")
    assert answer.headers["ETag"].strip('"')
    assert answer.headers["Vary"] == "Accept"


def test_discovery_in_its_older_version_is_told_to_who_asks_for_it(api):
    answer = api.get("/apis", headers={"Accept": AGGREGATED.format("v2beta1")})

    assert answer.headers["Content-Type"] == AGGREGATED.format("v2beta1")
    assert answer.document["apiVersion"] == "apidiscovery.k8s.io/v2beta1"


def test_aggregated_discovery_leaves_nothing_null_that_clients_follow(api):
    """A null responseKind makes clients panic (kubernetes#118361)."""
    found = list(resources_of(api.get("/apis", headers={"Accept": KUBE_AGGREGATOR}).document))

    assert len(found) > 5
    for group, version, resource in found:
        for one in (resource, *resource.get("subresources", ())):
            kind = one["responseKind"]
            assert (kind["group"], kind["version"], bool(kind["kind"])) == (group, version, True)
            assert one["verbs"]
        assert resource["scope"] in {"Namespaced", "Cluster"}
        assert resource["singularResource"]


def test_legacy_discovery_tells_what_kubectl_and_the_garbage_collector_need(api):
    for group in api.get("/apis").document["groups"]:
        for version in group["versions"]:
            document = api.get(f"/apis/{version['groupVersion']}").document
            assert document["kind"] == "APIResourceList"
            for resource in document["resources"]:
                assert resource["kind"]
                assert resource["verbs"]
                assert ("/" in resource["name"]) or resource["storageVersionHash"]
                assert isinstance(resource["namespaced"], bool)
        assert api.get(f"/apis/{group['name']}").document["kind"] == "APIGroup"
    assert api.get("/api").document["versions"] == []


@pytest.mark.parametrize(
    "accept",
    ["application/vnd.kubernetes.protobuf", "application/cbor", "application/vnd.kubernetes.protobuf;as=Table;v=v1"],
)
def test_representations_that_are_not_offered_are_not_acceptable(api, pods, accept):
    answer = api.get(pods.path, headers={"Accept": accept})

    assert (answer.status, answer.reason) == (406, "NotAcceptable")


def test_openapi_v2_is_json_alone(api):
    protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

    assert api.get("/openapi/v2", headers={"Accept": protobuf}).status == 406
    assert api.get("/openapi/v2", headers={"Accept": f"{protobuf},application/json"}).document["swagger"] == "2.0"


def test_controllers_that_prefer_protobuf_take_metadata_as_json(api, pods):
    pods.create("a")
    partial = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

    answer = api.get(
        pods.path, headers={"Accept": f"application/vnd.kubernetes.protobuf;{partial},application/json;{partial}"}
    )

    assert answer.document["kind"] == "PartialObjectMetadataList"


def test_main_resource_and_status_keep_apart(api, pods):
    flunders = f"{WARDLE}/namespaces/{pods.namespace}/flunders"
    created = api.create(flunders, flunder("a")).document

    by_status = api.put(
        f"{flunders}/a/status", {**created, "spec": {"reference": "other"}, "status": {"phase": "Good"}}
    ).document
    by_main = api.put(
        f"{flunders}/a", {**by_status, "spec": {"reference": "third"}, "status": {"phase": "Bad"}}
    ).document
    patched = api.patch(f"{flunders}/a/status", {"spec": {"reference": "fourth"}, "status": {"phase": "Done"}}).document

    assert (by_status["spec"], by_status["status"]) == (created["spec"], {"phase": "Good"})
    assert (by_main["spec"], by_main["status"]) == ({"reference": "third"}, {"phase": "Good"})
    assert (patched["spec"], patched["status"]) == ({"reference": "third"}, {"phase": "Done"})
    assert [one["metadata"]["generation"] for one in (created, by_status, by_main, patched)] == [1, 1, 2, 2]
    assert {entry.get("subresource") for entry in patched["metadata"]["managedFields"]} == {None, "status"}


@pytest.mark.parametrize(("query", "left"), [({"limit": 2}, ["c", "d"]), ({"fieldSelector": "metadata.name=c"}, None)])
def test_deletecollection_takes_what_the_same_list_would_show(api, pods, query, left):
    for name in "abcd":
        pods.create(name)
    listed = [item["metadata"]["name"] for item in pods.list(**query).document["items"]]

    answer = api.delete(pods.path, **query)

    assert answer.document["kind"] == "PodList"
    assert [item["metadata"]["name"] for item in answer.document["items"]] == listed
    remaining = [item["metadata"]["name"] for item in pods.list().document["items"]]
    assert remaining == ([name for name in "abcd" if name not in listed] if left is None else left)


def test_very_large_documents_are_not_indented(api, pods):
    path = f"{REPORTS}/namespaces/{pods.namespace}/policyreports"
    api.create(path, report("large", results=[{"policy": "p", "message": "x" * (5 << 20)}]))

    answer = api.get(f"{path}/large", pretty="1")

    assert answer.status == 200
    assert b"\n  " not in answer.octets[:1000]


def test_python_clients_content_type_on_requests_without_a_body_is_taken(api, pods):
    pods.create("a")
    headers = {"Content-Type": "application/json"}

    assert api.get(f"{pods.path}/a", headers=headers).status == 200
    assert api.delete(f"{pods.path}/a", headers=headers).status == 200


def test_items_of_lists_say_what_they_are_and_lists_are_never_null(api, pods):
    assert pods.list().document["items"] == []
    pods.create("a")

    (item,) = pods.list().document["items"]
    assert (item["kind"], item["apiVersion"]) == ("Pod", "conformance.example.com/v1")


def test_every_answer_has_an_audit_id_and_is_private(api, pods):
    for path in (pods.path, f"{pods.path}/missing", "/nothing", "/livez", "/version"):
        answer = api.get(path)
        assert answer.headers["Audit-Id"]
        assert answer.headers["Cache-Control"] == "no-cache, private"
