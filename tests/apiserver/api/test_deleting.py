"""Delete and deletecollection over HTTP."""

import re

import pytest

from tests.apiserver.client import WARDLE, flunder


@pytest.fixture
def flunders(namespace):
    return f"{WARDLE}/namespaces/{namespace}/flunders"


def test_deletion_is_told_as_a_success(api, flunders):
    uid = api.create(flunders, flunder("a")).document["metadata"]["uid"]

    answer = api.delete(f"{flunders}/a")

    assert answer.status == 200
    assert answer.document == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "group": "wardle.example.com", "kind": "flunders", "uid": uid},
    }
    assert api.get(f"{flunders}/a").status == 404


def test_deletion_of_nothing_is_not_found(api, flunders):
    assert api.delete(f"{flunders}/a").reason == "NotFound"


def test_empty_body_of_any_type_is_no_options(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.delete(f"{flunders}/a", b"", headers={"Content-Type": "application/json"}).status == 200


def test_finalizers_hold_an_object_until_the_last_is_gone(api, flunders):
    path = f"{flunders}/a"
    api.create(flunders, flunder("a", metadata={"finalizers": ["example.com/hold"]}))

    marked = api.delete(path)
    again = api.delete(path)
    more = api.patch(path, {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})
    recreated = api.create(flunders, flunder("a"))
    released = api.patch(path, {"metadata": {"finalizers": None}})

    assert marked.document["kind"] == "Flunder"
    assert marked.document["metadata"]["deletionTimestamp"]
    assert marked.document["metadata"]["deletionGracePeriodSeconds"] == 0
    assert again.document["metadata"]["resourceVersion"] == marked.document["metadata"]["resourceVersion"]
    assert more.status == 422
    assert "no new finalizers can be added if the object is being deleted" in more.message
    assert recreated.message == 'object is being deleted: flunders.wardle.example.com "a" already exists'
    assert released.status == 200
    assert api.get(path).status == 404


@pytest.mark.parametrize(("policy", "finalizer"), [("Orphan", "orphan"), ("Foreground", "foregroundDeletion")])
def test_propagation_leaves_a_finalizer_to_the_garbage_collector(api, flunders, policy, finalizer):
    api.create(flunders, flunder("a"))

    answer = api.delete(f"{flunders}/a", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy})

    assert answer.document["metadata"]["finalizers"] == [finalizer]


def test_background_deletion_is_immediate(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.delete(f"{flunders}/a", propagationPolicy="Background").document["status"] == "Success"


def test_unknown_propagation_is_invalid(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.delete(f"{flunders}/a", propagationPolicy="Sideways")

    assert (answer.status, answer.causes[0]["field"]) == (422, "propagationPolicy")


def test_preconditions_must_hold(api, flunders):
    uid = api.create(flunders, flunder("a")).document["metadata"]["uid"]

    by_uid = api.delete(f"{flunders}/a", {"preconditions": {"uid": "zzz"}})
    by_version = api.delete(f"{flunders}/a", {"preconditions": {"uid": uid, "resourceVersion": "1"}})

    assert (by_uid.status, by_uid.reason) == (409, "Conflict")
    assert f"the UID in the precondition (zzz) does not match the UID in record ({uid})" in by_uid.message
    assert (by_version.status, by_version.reason) == (409, "Conflict")
    assert api.get(f"{flunders}/a").status == 200


def test_dry_run_deletes_nothing(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.delete(f"{flunders}/a", dryRun="All").status == 200
    assert api.get(f"{flunders}/a").status == 200


def test_dry_run_shows_what_would_wait_for_finalizers(api, flunders):
    api.create(flunders, flunder("a", metadata={"finalizers": ["x/y", "orphan"]}))

    shown = api.delete(f"{flunders}/a", dryRun="All", propagationPolicy="Foreground").document["metadata"]

    assert shown["finalizers"] == ["x/y", "foregroundDeletion"]
    assert (shown["generation"], "deletionTimestamp" in shown) == (2, True)
    kept = api.get(f"{flunders}/a").document["metadata"]
    assert (kept["finalizers"], "deletionTimestamp" in kept) == (["x/y", "orphan"], False)


def test_who_asks_for_dependents_to_go_is_told_that_the_object_is_not_gone_yet(api, flunders):
    api.create(flunders, flunder("a", metadata={"finalizers": ["x/y"]}))
    api.create(flunders, flunder("b"))

    assert api.delete(f"{flunders}/a", {"orphanDependents": False}).status == 202
    assert api.delete(f"{flunders}/a", {"propagationPolicy": "Background"}).status == 200
    assert api.delete(f"{flunders}/b", {"orphanDependents": False}).status == 200


def test_broken_options_are_refused(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.delete(f"{flunders}/a", {"preconditions": 1}).status == 400
    assert api.delete(f"{flunders}/a", {"kind": "Pod", "apiVersion": "v1"}).status == 400


def test_collection_is_deleted_by_selector_and_listed(api, flunders):
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        api.create(flunders, flunder(name, metadata={"labels": {"colour": colour}}))

    answer = api.delete(flunders, labelSelector="colour=red")

    assert answer.status == 200
    assert answer.document["kind"] == "FlunderList"
    assert [item["metadata"]["name"] for item in answer.document["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in api.get(flunders).document["items"]] == ["c"]


def test_collection_deletion_honours_dry_run_and_finalizers(api, flunders):
    api.create(flunders, flunder("a"))
    api.create(flunders, flunder("b", metadata={"finalizers": ["example.com/hold"]}))

    api.delete(flunders, dryRun="All")
    before = api.get(flunders).document["items"]
    api.delete(flunders, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
    after = api.get(flunders).document["items"]

    assert len(before) == 2
    assert [item["metadata"]["name"] for item in after] == ["b"]
    assert after[0]["metadata"]["deletionTimestamp"]


def test_collection_of_one_namespace_leaves_the_others(api, flunders, namespace):
    other = f"{WARDLE}/namespaces/{namespace}-other/flunders"
    api.create(flunders, flunder("a"))
    api.create(other, flunder("a"))

    api.delete(flunders)

    assert api.get(f"{other}/a").status == 200


def test_collections_of_all_namespaces_together_are_not_deleted(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.delete(f"{WARDLE}/flunders")

    assert (answer.status, answer.reason) == (405, "MethodNotAllowed")
    assert api.get(f"{flunders}/a").status == 200


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kind": {}}, "DeleteOptions.kind of type string"),
        ({"kind": []}, "DeleteOptions.kind of type string"),
        ({"apiVersion": 1}, "DeleteOptions.apiVersion of type string"),
        ({"dryRun": "All"}, "DeleteOptions.dryRun of type []string"),
        ({"dryRun": [1]}, "DeleteOptions.dryRun of type string"),
        ({"gracePeriodSeconds": "0"}, "DeleteOptions.gracePeriodSeconds of type int64"),
        ({"gracePeriodSeconds": True}, "DeleteOptions.gracePeriodSeconds of type int64"),
        ({"orphanDependents": "false"}, "DeleteOptions.orphanDependents of type bool"),
        ({"preconditions": []}, "DeleteOptions.preconditions of type v1.Preconditions"),
        ({"preconditions": {"uid": 1}}, "Preconditions.uid of type string"),
        ({"propagationPolicy": {}}, "DeleteOptions.propagationPolicy of type v1.DeletionPropagation"),
    ],
    ids=repr,
)
def test_options_of_another_type_are_refused(api, flunders, options, field):
    api.create(flunders, flunder("a"))

    answer = api.delete(f"{flunders}/a", options)

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert re.fullmatch(rf"json: cannot unmarshal \w+ into Go struct field {re.escape(field)}", answer.message)
    assert api.get(f"{flunders}/a").status == 200


def test_options_that_are_null_are_not_there(api, flunders):
    api.create(flunders, flunder("a"))

    options = dict.fromkeys(("apiVersion", "kind", "dryRun", "gracePeriodSeconds", "orphanDependents", "preconditions"))

    assert api.delete(f"{flunders}/a", options).status == 200


@pytest.mark.parametrize(("name", "text", "status"), [("propagationPolicy", "", 422), ("gracePeriodSeconds", "x", 400)])
def test_options_of_a_query_are_verified_as_those_of_a_body(api, flunders, name, text, status):
    api.create(flunders, flunder("a"))

    assert api.delete(f"{flunders}/a", **{name: text}).status == status
    assert api.get(f"{flunders}/a").status == 200


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
def test_an_empty_precondition_is_one_that_nothing_meets(api, flunders, precondition):
    api.create(flunders, flunder("a"))

    answer = api.delete(f"{flunders}/a", {"preconditions": {precondition: ""}})

    assert (answer.status, answer.reason) == (409, "Conflict")
    assert answer.document["details"]["kind"] == "Flunder"
