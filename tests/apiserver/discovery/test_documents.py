"""Discovery documents of kinds: both forms say the same, in the shape that each has upstream."""

import json

import pytest

from apiserver.discovery.documents import AGGREGATED_VERSIONS, DiscoveryDocuments
from apiserver.kinds.catalogue import Catalogue
from tests.apiserver.kinds.manifests import changed, load, manifest, version

STATUS = {"subresources": {"status": {}}}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STATUS_VERBS = ["get", "patch", "update"]


def aggregated(one="v2"):
    return f"application/json;g=apidiscovery.k8s.io;v={one};as=APIGroupDiscoveryList"


@pytest.fixture
def documents(tmp_path):
    def documents(*manifests):
        return DiscoveryDocuments(Catalogue(load(tmp_path, *manifests)))

    return documents


@pytest.fixture
def two_groups(documents):
    named = changed("spec.names.shortNames", ["th", "t"])
    named = changed("spec.names.categories", ["all"], named)
    named = changed(
        "spec.versions",
        [version(name, storage=name == "v1", **STATUS) for name in ("v1beta1", "v1", "v2alpha1")],
        named,
    )
    return documents(named, manifest("wholes", "Whole", "other.org", scope="Cluster"))


def read(documents, path, accept=""):
    return json.loads(documents.find(path, accept).octets)


def test_groups_and_their_versions_are_told_in_the_order_of_preference(two_groups):
    groups = {group["name"]: group for group in read(two_groups, "/apis")["groups"]}

    assert list(groups) == ["example.com", "other.org"]
    assert [one["version"] for one in groups["example.com"]["versions"]] == ["v1", "v1beta1", "v2alpha1"]
    assert groups["example.com"]["preferredVersion"] == {"groupVersion": "example.com/v1", "version": "v1"}
    assert read(two_groups, "/apis/example.com") == {"kind": "APIGroup", "apiVersion": "v1", **groups["example.com"]}


def test_the_core_group_is_there_and_empty(two_groups):
    assert read(two_groups, "/api") == {"kind": "APIVersions", "versions": [], "serverAddressByClientCIDRs": []}
    assert read(two_groups, "/api", aggregated())["items"] == []


def test_resources_are_told_with_their_names_and_subresources(two_groups):
    thing, status = read(two_groups, "/apis/example.com/v1")["resources"]

    assert thing | {"storageVersionHash": ""} == {
        "name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing", "verbs": VERBS,
        "shortNames": ["th", "t"], "categories": ["all"], "storageVersionHash": "",
    }  # fmt: skip
    assert status == {
        "name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing", "verbs": STATUS_VERBS,
    }  # fmt: skip


def test_what_a_kind_has_not_is_left_out(two_groups):
    resource = read(two_groups, "/apis/other.org/v1")["resources"][0]
    item = read(two_groups, "/apis", aggregated())["items"][1]["versions"][0]["resources"][0]

    assert not {"shortNames", "categories"} & resource.keys()
    assert not {"shortNames", "categories", "subresources"} & item.keys()
    assert (resource["namespaced"], item["scope"]) == (False, "Cluster")


def test_the_aggregated_form_has_everything_at_once(two_groups):
    document = read(two_groups, "/apis", aggregated())
    kind = {"group": "example.com", "version": "v1", "kind": "Thing"}

    assert (document["kind"], document["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert [item["metadata"]["name"] for item in document["items"]] == ["example.com", "other.org"]
    assert document["items"][0]["versions"][0] == {
        "version": "v1",
        "freshness": "Current",
        "resources": [
            {
                "resource": "things", "responseKind": kind, "scope": "Namespaced", "singularResource": "thing", "verbs": VERBS,
                "shortNames": ["th", "t"], "categories": ["all"],
                "subresources": [{"subresource": "status", "responseKind": kind, "verbs": STATUS_VERBS}],
            }
        ],
    }  # fmt: skip


def test_both_forms_say_the_same(two_groups):
    told = {
        (item["metadata"]["name"], one["version"], resource["resource"]): resource["verbs"]
        for item in read(two_groups, "/apis", aggregated())["items"]
        for one in item["versions"]
        for resource in one["resources"]
    }
    legacy = {
        (group["name"], one["version"], resource["name"]): resource["verbs"]
        for group in read(two_groups, "/apis")["groups"]
        for one in group["versions"]
        for resource in read(two_groups, f"/apis/{one['groupVersion']}")["resources"]
        if "/" not in resource["name"]
    }

    assert told == legacy
    assert len(told) == 4


@pytest.mark.parametrize("one", AGGREGATED_VERSIONS)
def test_each_version_of_the_aggregated_form_says_which_it_is(two_groups, one):
    document = two_groups.find("/apis", aggregated(one))

    assert document.content_type == aggregated(one)
    assert json.loads(document.octets)["apiVersion"] == f"apidiscovery.k8s.io/{one}"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "APIGroupList"),
        ("*/*", "APIGroupList"),
        ("application/json", "APIGroupList"),
        (aggregated(), "APIGroupDiscoveryList"),
        (f"{aggregated()},{aggregated('v2beta1')},application/json", "APIGroupDiscoveryList"),
        (f"application/json,{aggregated()}", "APIGroupList"),
        (f"application/yaml,{aggregated()}", "APIGroupDiscoveryList"),
        (f"application/vnd.kubernetes.protobuf,{aggregated()}", "APIGroupDiscoveryList"),
        (aggregated("v9"), "APIGroupList"),
        (f"{aggregated('v9')},{aggregated('v2beta1')}", "APIGroupDiscoveryList"),
        ("application/json; as=APIGroupDiscoveryList; v=v2; g=apidiscovery.k8s.io", "APIGroupDiscoveryList"),
    ],
)
def test_the_first_form_that_is_asked_for_and_there_is_given(two_groups, accept, kind):
    assert read(two_groups, "/apis", accept)["kind"] == kind


def test_groups_and_versions_have_the_old_form_alone(two_groups):
    assert read(two_groups, "/apis/example.com", aggregated())["kind"] == "APIGroup"
    assert read(two_groups, "/apis/example.com/v1", aggregated())["kind"] == "APIResourceList"


def test_tags_are_those_of_the_kinds(documents):
    first, again = (documents(manifest()).find("/apis", aggregated()) for _ in range(2))
    other = documents(manifest(versions=[version(**STATUS)])).find("/apis", aggregated())

    assert first.etag == again.etag
    assert first.etag != other.etag
    assert first.etag == first.etag.upper()
    assert first.etag.strip('"').isalnum()


def test_the_hash_of_a_stored_version_tells_kinds_apart(documents):
    def hashes(*manifests):
        found = documents(*manifests)
        return [one["storageVersionHash"] for one in read(found, "/apis/example.com/v1")["resources"]]

    first = hashes(manifest(), manifest("others", "Other"))

    assert first == hashes(manifest(), manifest("others", "Other"))
    assert len(set(first)) == 2


def test_all_versions_of_a_kind_have_the_hash_of_the_one_that_is_stored(two_groups):
    (stored,) = {
        one["storageVersionHash"]
        for version in ("v1", "v1beta1", "v2alpha1")
        for one in read(two_groups, f"/apis/example.com/{version}")["resources"]
        if "/" not in one["name"]
    }
    (other,) = read(two_groups, "/apis/other.org/v1")["resources"]
    assert other["storageVersionHash"] != stored
