"""Patches that grow, nest, or reach for what they may not change."""

import pytest

from tests.apiserver.client import REPORTS, WARDLE, flunder, report

FLUNDERS = f"{WARDLE}/namespaces/patches/flunders"
REPORTS_HERE = f"{REPORTS}/namespaces/patches/policyreports"


@pytest.fixture(scope="module", autouse=True)
def some(api):
    api.create(FLUNDERS, flunder("a"))
    api.create(REPORTS_HERE, report("r"))


def json_patch(api, *operations, path=f"{FLUNDERS}/a"):
    return api.patch(path, list(operations), kind="json-patch+json")


def test_ten_thousand_operations_are_applied_and_one_more_is_not(server, api):
    operation = {"op": "test", "path": "/kind", "value": "Flunder"}

    assert json_patch(api, *[operation] * 10_000).status == 200
    answer = json_patch(api, *[operation] * 10_001)
    assert (answer.status, answer.reason) == (413, "RequestEntityTooLarge")


def test_copies_that_multiply_are_refused(server, api):
    seed = {"op": "add", "path": "/metadata/annotations", "value": {"a": "x" * 1000}}
    copies = [{"op": "copy", "from": "/metadata", "path": f"/metadata/annotations/b{number}"} for number in range(60)]

    answer = json_patch(api, seed, *copies)

    assert answer.status in {400, 413, 422}
    assert answer.document["kind"] == "Status"


def test_copies_that_nest_are_refused(server, api):
    copies = [{"op": "copy", "from": "/spec", "path": "/spec/nested"}] * 9_000

    assert json_patch(api, *copies).status in {400, 413, 422}


@pytest.mark.parametrize(
    "operation",
    [
        5,
        None,
        [],
        {},
        {"op": 5},
        {"op": "add"},
        {"op": "add", "path": 5},
        {"op": "add", "path": "x", "value": 1},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "", "value": []},
        {"op": "move", "from": "/spec", "path": "/spec/below"},
        {"op": "copy", "from": None, "path": "/spec"},
        {"op": "add", "path": "/spec" + "/a" * 50_000, "value": 1},
        {"op": "add", "path": "/metadata/managedFields", "value": 5},
        {"op": "replace", "path": "/metadata/name", "value": "b"},
        {"op": "replace", "path": "/metadata/uid", "value": "b"},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "9" * 5000},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "-1"},
        {"op": "replace", "path": "/apiVersion", "value": 5},
        {"op": "replace", "path": "/kind", "value": "Fischer"},
    ],
)
def test_operations_that_make_no_sense_change_nothing(server, api, operation):
    before = api.get(f"{FLUNDERS}/a").octets

    answer = json_patch(api, operation)

    assert answer.status in {400, 409, 422}, answer.octets
    assert answer.document["kind"] == "Status"
    assert api.get(f"{FLUNDERS}/a").octets == before


@pytest.mark.parametrize("index", ["99999999999999999999", "-99", "9" * 5000, "1e1", "٣"])
def test_indices_outside_of_a_list_are_refused(server, api, index):
    answer = json_patch(api, {"op": "add", "path": f"/results/{index}", "value": {}}, path=f"{REPORTS_HERE}/r")

    assert answer.status == 422


def test_merge_patches_that_nest_deeper_each_time_stop_somewhere(server, api):
    path = f"{REPORTS_HERE}/nested"
    api.create(REPORTS_HERE, report("nested"))
    value: object = 1
    for _ in range(190):
        value = {"a": value}

    first = api.patch(path, {"scope": value})
    second = api.patch(path, {"metadata": {"annotations": value}})

    assert {first.status, second.status} <= {200, 400, 422}
    assert api.get(path).status == 200


def test_what_is_applied_may_claim_no_fields_by_hand(server, api):
    entry = {
        "manager": "x",
        "operation": "Apply",
        "apiVersion": "wardle.example.com/v1alpha1",
        "fieldsType": "FieldsV1",
        "time": "garbage",
        "fieldsV1": {"f:spec": {"k:{bad": {}, "i:" + "9" * 5000: {}}},
    }

    answer = api.apply(f"{FLUNDERS}/claimed", flunder("claimed", metadata={"managedFields": [entry]}))

    assert (answer.status, answer.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    "element", ["i:" + "9" * 5000, "k:{", "v:NaN", "v:" + "[" * 5000, "x", "i:-", "k:[]", "f:\ud800"]
)
def test_field_sets_that_cannot_be_read_are_nobodys(server, api, element):
    entry = {
        "manager": "x",
        "operation": "Update",
        "apiVersion": "wardle.example.com/v1alpha1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {element: {}},
    }

    answer = api.create(FLUNDERS, flunder("sets", metadata={"managedFields": [entry]}), dryRun="All")

    assert answer.status in {201, 400}
    if answer.status == 201:
        assert [one["manager"] for one in answer.document["metadata"]["managedFields"]] != ["x"]
