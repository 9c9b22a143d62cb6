"""Get and list over HTTP: resource versions, paging at a snapshot, selectors, representations."""

import base64
import json

import pytest

from tests.apiserver.client import REPORTS, WARDLE, flunder, report

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.fixture
def flunders(namespace):
    return f"{WARDLE}/namespaces/{namespace}/flunders"


def names(answer):
    return [item["metadata"]["name"] for item in answer.document["items"]]


def revision(document):
    return int(document["metadata"]["resourceVersion"])


def test_empty_list_has_items_and_a_revision(api, flunders):
    answer = api.get(flunders)

    assert answer.status == 200
    assert (answer.document["kind"], answer.document["apiVersion"]) == ("FlunderList", "wardle.example.com/v1alpha1")
    assert answer.document["items"] == []
    assert revision(answer.document) >= 0
    assert "continue" not in answer.document["metadata"]


def test_list_is_ordered_by_namespace_and_name_and_tells_kinds(api, namespace):
    for space, name in (("b", "z"), ("a", "y"), ("a", "x")):
        api.create(f"{WARDLE}/namespaces/{namespace}-{space}/flunders", flunder(name))

    items = api.get(f"{WARDLE}/flunders").document["items"]

    ours = [item["metadata"] for item in items if item["metadata"]["namespace"].startswith(namespace)]
    assert [(one["namespace"][-1], one["name"]) for one in ours] == [("a", "x"), ("a", "y"), ("b", "z")]
    assert {item["kind"] for item in items} == {"Flunder"}


def test_list_revision_is_global_and_recent(api, flunders):
    created = api.create(flunders, flunder("a")).document

    assert revision(api.get(flunders).document) >= revision(created)


def test_pages_are_of_one_snapshot(api, flunders):
    for name in "abcde":
        api.create(flunders, flunder(name))

    first = api.get(flunders, limit=2)
    api.delete(f"{flunders}/c")
    api.create(flunders, flunder("bb"))
    second = api.get(flunders, limit=2, **{"continue": first.document["metadata"]["continue"]})
    third = api.get(flunders, limit=2, **{"continue": second.document["metadata"]["continue"]})

    assert names(first) + names(second) + names(third) == list("abcde")
    assert first.document["metadata"]["remainingItemCount"] == 3
    assert second.document["metadata"]["remainingItemCount"] == 1
    assert {revision(page.document) for page in (first, second, third)} == {revision(first.document)}
    assert "continue" not in third.document["metadata"]
    assert "remainingItemCount" not in third.document["metadata"]


@pytest.mark.parametrize("told", [None, 0, 1, 2])
def test_a_token_that_tells_too_little_of_what_follows_is_not_believed(api, flunders, told):
    for name in "abcde":
        api.create(flunders, flunder(name))
    token = api.get(flunders, limit=1).document["metadata"]["continue"]
    fields = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**fields, "remaining": told}).encode()).decode()

    page = api.get(flunders, limit=2, **{"continue": forged})

    assert fields["remaining"] == 4
    assert page.document["metadata"]["remainingItemCount"] == 2


def test_selectors_are_applied_before_the_limit_and_hide_the_remaining_count(api, flunders):
    for index in range(6):
        api.create(flunders, flunder(f"f{index}", metadata={"labels": {"odd": str(index % 2)}}))

    page = api.get(flunders, labelSelector="odd=1", limit=2)

    assert names(page) == ["f1", "f3"]
    assert "remainingItemCount" not in page.document["metadata"]
    rest = api.get(flunders, labelSelector="odd=1", **{"continue": page.document["metadata"]["continue"]})
    assert names(rest) == ["f5"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b", "c"]),
        ("metadata.name=a,metadata.namespace={ns}", ["a"]),
        ("metadata.namespace=elsewhere", []),
    ],
)
def test_field_selectors(api, flunders, namespace, selector, expected):
    for name in "abc":
        api.create(flunders, flunder(name))

    assert names(api.get(flunders, fieldSelector=selector.format(ns=namespace))) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("x", ["a", "b"]), ("!x", ["c"]), ("x in (1,3)", ["a"]), ("x notin (1)", ["b", "c"]), ("x=1,y!=2", ["a"])],
)
def test_label_selectors(api, flunders, selector, expected):
    api.create(flunders, flunder("a", metadata={"labels": {"x": "1"}}))
    api.create(flunders, flunder("b", metadata={"labels": {"x": "2", "y": "2"}}))
    api.create(flunders, flunder("c"))

    assert names(api.get(flunders, labelSelector=selector)) == expected


def test_bad_selectors_are_refused(api, flunders):
    bad_label = api.get(flunders, labelSelector="a=(")
    bad_field = api.get(flunders, fieldSelector="data.x=1")

    assert (bad_label.status, bad_label.reason) == (400, "BadRequest")
    assert bad_field.status == 400
    assert bad_field.message.startswith('"data.x" is not a known field selector: only ')


def test_list_at_an_exact_revision_is_the_past(api, flunders):
    api.create(flunders, flunder("a"))
    then = revision(api.create(flunders, flunder("b")).document)
    api.delete(f"{flunders}/a")

    answer = api.get(flunders, resourceVersion=then, resourceVersionMatch="Exact")

    assert names(answer) == ["a", "b"]
    assert revision(answer.document) == then


def test_list_not_older_than_is_the_present(api, flunders):
    then = revision(api.create(flunders, flunder("a")).document)
    api.create(flunders, flunder("b"))

    assert names(api.get(flunders, resourceVersion=then)) == ["a", "b"]
    assert names(api.get(flunders, resourceVersion=0)) == ["a", "b"]


def test_list_of_the_future_times_out_with_advice(api, flunders):
    answer = api.get(flunders, resourceVersion=10**12)

    assert (answer.status, answer.reason) == (504, "Timeout")
    assert answer.message.startswith(f"Timeout: Too large resource version: {10**12}, current: ")
    assert answer.causes[0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["Retry-After"] == "1"


def test_continue_and_revision_exclude_each_other(api, flunders):
    answer = api.get(flunders, resourceVersion=5, **{"continue": "e30"})

    assert (answer.status, answer.message) == (400, "specifying resource version is not allowed when using continue")


def test_forged_token_reaches_no_other_namespace(api, flunders, namespace):
    api.create(f"{WARDLE}/namespaces/{namespace}-other/flunders", flunder("secret"))
    wire = {"v": "meta.k8s.io/v1", "rv": -1, "start": f"{namespace}-other/a\0"}
    forged = base64.urlsafe_b64encode(json.dumps(wire).encode()).rstrip(b"=").decode()

    assert api.get(flunders, **{"continue": forged}).status == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": "abc"}, 400),
        ({"resourceVersion": "abc"}, 400),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422),
        ({"sendInitialEvents": "true"}, 422),
        ({"continue": "garbage"}, 400),
    ],
)
def test_bad_list_options_are_told(api, flunders, query, status):
    assert api.get(flunders, **query).status == status


def test_get_of_nothing_is_not_found(api, flunders):
    answer = api.get(f"{flunders}/missing")

    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.message == 'flunders.wardle.example.com "missing" not found'


def test_get_with_watch_is_a_get(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.get(f"{flunders}/a", watch="true").document["kind"] == "Flunder"


def test_metadata_alone(api, namespace):
    reports = f"{REPORTS}/namespaces/{namespace}/policyreports"
    api.create(reports, report("a"))

    one = api.get(f"{reports}/a", headers={"Accept": PARTIAL})
    many = api.get(reports, headers={"Accept": PARTIAL_LIST})

    assert one.document["kind"] == "PartialObjectMetadata"
    assert one.document["apiVersion"] == "meta.k8s.io/v1"
    assert set(one.document) == {"kind", "apiVersion", "metadata"}
    assert many.document["kind"] == "PartialObjectMetadataList"
    assert [item["kind"] for item in many.document["items"]] == ["PartialObjectMetadata"]


def test_table_shows_the_printer_columns(api, namespace):
    reports = f"{REPORTS}/namespaces/{namespace}/policyreports"
    api.create(reports, report("a", scope={"kind": "Pod", "name": "web", "apiVersion": "v1"}))

    table = api.get(reports, headers={"Accept": TABLE}).document

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    headings = [column["name"] for column in table["columnDefinitions"]]
    assert headings[-8:] == ["Kind", "Name", "Pass", "Fail", "Warn", "Error", "Skip", "Age"]
    (row,) = table["rows"]
    cells = dict(zip(headings[1:], row["cells"][1:], strict=True))
    assert row["cells"][0] == "a"
    assert (cells["Kind"], cells["Name"], cells["Pass"], cells["Fail"]) == ("Pod", "web", 1, 2)
    assert row["object"]["kind"] == "PartialObjectMetadata"


def test_kubectls_list_of_media_types_is_tried_in_order(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.get(flunders, headers={"Accept": f"application/vnd.kubernetes.protobuf, {TABLE}, application/json"})

    assert answer.document["kind"] == "Table"


def test_what_cannot_be_given_is_not_acceptable(api, flunders):
    answer = api.get(flunders, headers={"Accept": "image/png"})

    assert (answer.status, answer.reason) == (406, "NotAcceptable")
    assert answer.message.startswith("only the following media types are accepted: application/json")


def test_curl_gets_indented_json(api, flunders):
    api.create(flunders, flunder("a"))

    assert b'\n  "kind"' in api.get(f"{flunders}/a", headers={"User-Agent": "curl/8"}).octets
    assert b'\n  "kind"' in api.get(f"{flunders}/a", pretty="1").octets
    assert b"\n" not in api.get(f"{flunders}/a").octets.strip()


def test_large_answers_are_compressed_on_request(api, namespace):
    reports = f"{REPORTS}/namespaces/{namespace}/policyreports"
    api.create(reports, report("a", results=[{"policy": "p", "message": "x" * 300_000}]))

    packed = api.get(f"{reports}/a", headers={"Accept-Encoding": "gzip"})
    plain = api.get(f"{reports}/a")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert len(packed.octets) < len(plain.octets) / 10


def test_unknown_paths_are_not_found(api, namespace):
    resource = api.get(f"{WARDLE}/namespaces/{namespace}/gadgets")
    path = api.get("/nothing/here")

    assert resource.status == path.status == 404
    assert path.octets == b"404 page not found\n"


@pytest.mark.parametrize("path", ["/%0A", "/a%0Ab", "/livez%0A", "/livez%0D%0A", "/apis%0A"])
def test_paths_with_line_feeds_are_handled_as_all_others(api, server, path):
    known = api.get(path)
    unknown = server.client_with(None).get(path)

    assert (known.status, known.octets) == (404, b"404 page not found\n")
    assert unknown.status == 401
    assert known.headers["Audit-Id"]
    assert unknown.headers["Audit-Id"]


def test_an_object_whose_name_has_a_line_feed_is_not_found_like_any_other(api, flunders):
    answer = api.get(f"{flunders}/a%0Ab")

    assert (answer.status, answer.reason) == (404, "NotFound")


def test_of_a_parameter_that_is_repeated_the_first_counts(api, flunders):
    for name in "abc":
        api.create(flunders, flunder(name))

    assert names(api.get(flunders, limit=[1, 2])) == ["a"]


def test_cluster_scope_and_namespaces_do_not_mix(api, namespace):
    cluster = f"{REPORTS}/clusterpolicyreports"
    document = {**report(f"c-{namespace}"), "kind": "ClusterPolicyReport"}

    created = api.create(cluster, document)

    assert created.status == 201
    assert "namespace" not in created.document["metadata"]
    assert api.get(f"{REPORTS}/namespaces/{namespace}/clusterpolicyreports").status == 404
    assert api.create(f"{REPORTS}/policyreports", report("a")).status == 405


def test_discovery_is_told_in_both_forms(api):
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    legacy = api.get("/apis", headers={"Accept": "application/json"})
    new = api.get("/apis", headers={"Accept": f"{aggregated},{aggregated.replace('v=v2', 'v=v2beta1')}"})
    again = api.get("/apis", headers={"Accept": aggregated, "If-None-Match": new.headers["ETag"]})

    assert legacy.document["kind"] == "APIGroupList"
    assert new.headers["Content-Type"] == aggregated
    assert new.document["items"][0]["versions"][0]["freshness"] == "Current"
    assert (again.status, again.octets) == (304, b"")


def test_resources_of_a_version_are_listed(api):
    resources = {one["name"]: one for one in api.get(WARDLE).document["resources"]}

    assert resources["flunders"]["verbs"] == [
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    ]  # fmt: skip
    assert resources["flunders/status"]["verbs"] == ["get", "patch", "update"]
    assert api.get("/apis/wardle.example.com").document["preferredVersion"]["version"] == "v1alpha1"


def test_openapi_is_found_by_its_hash(api):
    paths = api.get("/openapi/v3").document["paths"]
    url = paths["apis/wgpolicyk8s.io/v1alpha2"]["serverRelativeURL"]
    document = api.get(url)
    astray = api.get(url.partition("?")[0], hash="0")

    assert document.headers["Cache-Control"] == "public, immutable"
    kinds = document.document["components"]["schemas"]["io.wgpolicyk8s.v1alpha2.PolicyReport"]
    assert kinds["x-kubernetes-group-version-kind"][0]["kind"] == "PolicyReport"
    assert (astray.status, astray.headers["Location"]) == (301, url)
    assert api.get("/openapi/v2").document["swagger"] == "2.0"


def test_version_is_told(api):
    assert api.get("/version").document["gitVersion"].startswith("v1.")
