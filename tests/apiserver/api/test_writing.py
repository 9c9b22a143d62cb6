"""Create, update and patch over HTTP: the cases that clients of kube-apiserver depend on, word for word."""

import json

import pytest

from tests.apiserver.client import REPORTS, WARDLE, flunder, report


@pytest.fixture
def flunders(namespace):
    return f"{WARDLE}/namespaces/{namespace}/flunders"


def test_created_object_has_what_the_server_sets(api, flunders, namespace):
    answer = api.create(flunders, flunder("a", metadata={"labels": {"x": "y"}, "uid": "mine", "selfLink": "/x"}))

    assert answer.status == 201
    metadata = answer.document["metadata"]
    assert metadata["namespace"] == namespace
    assert len(metadata["uid"]) == 36
    assert metadata["creationTimestamp"].endswith("Z")
    assert metadata["generation"] == 1
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["labels"] == {"x": "y"}
    assert "selfLink" not in metadata
    assert answer.document["kind"] == "Flunder"
    assert api.get(f"{flunders}/a").document == answer.document


def test_every_answer_names_its_audit_id_and_is_not_cached(api, flunders):
    answer = api.create(flunders, flunder("a"))

    assert len(answer.headers["Audit-Id"]) == 36
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert answer.headers["Content-Type"] == "application/json"


def test_dry_run_creates_nothing(api, flunders):
    answer = api.create(flunders, flunder("a"), dryRun="All")

    assert answer.status == 201
    assert answer.document["metadata"]["uid"]
    assert "resourceVersion" not in answer.document["metadata"]
    assert api.get(f"{flunders}/a").status == 404


def test_dry_run_finds_what_exists(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.create(flunders, flunder("a"), dryRun="All").reason == "AlreadyExists"


def test_existing_name_is_refused(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.create(flunders, flunder("a"))

    assert (answer.status, answer.reason) == (409, "AlreadyExists")
    assert answer.message == 'flunders.wardle.example.com "a" already exists'
    assert answer.document["details"] == {"name": "a", "group": "wardle.example.com", "kind": "flunders"}


def test_resource_version_in_a_new_object_is_refused(api, flunders):
    answer = api.create(flunders, flunder("a", metadata={"resourceVersion": "1"}))

    assert answer.status == 500
    assert answer.message == "resourceVersion should not be set on objects to be created"
    assert "reason" not in answer.document


def test_name_is_generated_from_its_base(api, flunders):
    names = [
        api.create(flunders, flunder(metadata={"generateName": "x-"})).document["metadata"]["name"] for _ in range(3)
    ]

    assert all(name.startswith("x-") and len(name) == 7 for name in names)
    assert len(set(names)) == 3


def test_namespace_of_the_body_must_be_that_of_the_request(api, flunders):
    answer = api.create(flunders, flunder("a", metadata={"namespace": "elsewhere"}))

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.message == "the namespace of the provided object does not match the namespace sent on the request"


@pytest.mark.parametrize("name", ["A", "a_b", "..", "a/b", "x" * 254])
def test_bad_name_is_invalid(api, flunders, name):
    answer = api.create(flunders, flunder(name))

    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.causes[0]["reason"] == "FieldValueInvalid"
    assert answer.causes[0]["field"] == "metadata.name"


def test_missing_name_is_invalid(api, flunders):
    answer = api.create(flunders, flunder())

    assert (answer.status, answer.causes[0]["field"]) == (422, "metadata.name")
    assert "name or generateName is required" in answer.message


def test_update_needs_the_present_version(api, flunders):
    first = api.create(flunders, flunder("a")).document
    second = api.put(f"{flunders}/a", {**first, "spec": {**first["spec"], "reference": "y"}})
    stale = api.put(f"{flunders}/a", {**first, "spec": {**first["spec"], "reference": "z"}})

    assert second.status == 200
    assert second.document["metadata"]["generation"] == 2
    assert int(second.document["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert (stale.status, stale.reason) == (409, "Conflict")
    assert stale.message == (
        'Operation cannot be fulfilled on flunders.wardle.example.com "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_update_without_a_version_is_invalid(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.put(f"{flunders}/a", flunder("a"))

    assert answer.status == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in answer.message


def test_update_of_another_incarnation_is_a_conflict(api, flunders):
    document = api.create(flunders, flunder("a")).document
    document["metadata"]["uid"] = "bad"

    answer = api.put(f"{flunders}/a", document)

    assert answer.status == 409
    assert "Precondition failed: UID in precondition: bad, UID in object meta: " in answer.message


def test_update_under_another_name_is_refused(api, flunders):
    document = api.create(flunders, flunder("a")).document
    document["metadata"]["name"] = "zz"

    answer = api.put(f"{flunders}/a", document)

    assert answer.status == 400
    assert answer.message == "the name of the object (zz) does not match the name on the URL (a)"


def test_update_of_nothing_is_not_found(api, flunders):
    answer = api.put(f"{flunders}/a", flunder("a", metadata={"resourceVersion": "1"}))

    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.message == 'flunders.wardle.example.com "a" not found'


def test_update_that_changes_nothing_changes_no_version(api, flunders):
    document = api.create(flunders, flunder("a")).document

    answer = api.put(f"{flunders}/a", document)

    assert answer.status == 200
    assert answer.document["metadata"]["resourceVersion"] == document["metadata"]["resourceVersion"]


def test_what_changes_nothing_is_told_to_no_watcher(api, flunders):
    document = api.create(flunders, flunder("a")).document
    with api.watch(flunders, resourceVersion=document["metadata"]["resourceVersion"]) as watch:
        api.put(f"{flunders}/a", document)
        api.patch(f"{flunders}/a", {"spec": document["spec"]})
        api.create(flunders, flunder("b"))

        assert watch.next()["object"]["metadata"]["name"] == "b"


def test_unknown_fields_are_dropped_with_a_warning(api, flunders):
    answer = api.create(flunders, {**flunder("a"), "bogus": 1, "spec": {"reference": "x", "extra": 1}})

    assert answer.status == 201
    assert sorted(answer.warnings) == ['299 - "unknown field \\"bogus\\""', '299 - "unknown field \\"spec.extra\\""']
    assert "bogus" not in answer.document


def test_unknown_fields_are_refused_when_asked_for(api, flunders):
    answer = api.create(flunders, {**flunder("a"), "bogus": 1}, fieldValidation="Strict")

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "bogus"' in answer.message


def test_unknown_fields_may_be_ignored(api, flunders):
    answer = api.create(flunders, {**flunder("a"), "bogus": 1}, fieldValidation="Ignore")

    assert (answer.status, answer.warnings) == (201, [])


def test_duplicate_fields_are_told(api, flunders):
    octets = json.dumps(flunder("a")).encode().replace(b'"reference"', b'"reference": "w", "reference"')

    warned = api.create(flunders, octets)
    strict = api.create(flunders, octets, fieldValidation="Strict")

    assert warned.warnings == ['299 - "duplicate field \\"spec.reference\\""']
    assert strict.status == 400
    assert 'duplicate field "spec.reference"' in strict.message


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"{", "json parse error"),
        (b"[]", "must be an object"),
        (b"", "json parse error"),
        (b'"text"', "must be an object"),
        (b'{"a": "\xff"}', "json parse error"),
        (b'{"a": NaN}', "json parse error"),
        (b"{" + b'"a":{' * 800 + b"}" * 801, "levels deep"),
        (b"[" * 100_000, "json parse error"),
    ],
)
def test_broken_bodies_are_refused(api, flunders, octets, text):
    answer = api.create(flunders, octets)

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert text in answer.message


def test_another_kind_is_refused(api, flunders):
    answer = api.create(flunders, {**flunder("a"), "kind": "Secret"})

    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.message == 'Secret.wardle.example.com "a" is invalid: kind: Invalid value: "Secret": must be Flunder'


def test_another_version_is_refused(api, flunders):
    answer = api.create(flunders, {**flunder("a"), "kind": "Secret", "apiVersion": "v1"})

    assert answer.status == 400
    assert answer.message.startswith("the API version in the data (v1) does not match the expected API version")


def test_field_of_a_wrong_type_is_invalid(api, flunders):
    answer = api.create(flunders, {**flunder("a"), "spec": {"reference": 1}})

    assert answer.status == 422
    assert answer.causes[0]["field"] == "spec.reference"
    assert answer.document["details"]["kind"] == "Flunder"


@pytest.mark.parametrize("octets", [3 << 20, 8 << 20])
def test_too_large_body_is_refused_with_a_status(api, flunders, octets):
    document = flunder("a", spec={"reference": "x" * octets})

    answer = api.create(flunders, document)

    assert (answer.status, answer.reason) == (413, "RequestEntityTooLarge")
    assert answer.message == "Request entity too large: limit is 3145728"


def test_kinds_of_reports_take_larger_bodies(api, namespace):
    document = report("a", results=[{"policy": "p", "message": "x" * (4 << 20)}])

    assert api.create(f"{REPORTS}/namespaces/{namespace}/policyreports", document).status == 201


def test_unknown_media_type_is_refused(api, flunders):
    answer = api.create(flunders, b"x", headers={"Content-Type": "text/plain"})

    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")
    assert "accepted media types include: application/json" in answer.message


def test_unknown_dry_run_is_invalid(api, flunders):
    answer = api.create(flunders, flunder("a"), dryRun="foo")

    assert (answer.status, answer.causes[0]["reason"]) == (422, "FieldValueNotSupported")


@pytest.mark.parametrize(
    ("method", "suffix"),
    [("PUT", ""), ("PATCH", ""), ("POST", "/a"), ("HEAD", ""), ("OPTIONS", "")],
)
def test_wrong_methods_are_told(api, flunders, method, suffix):
    answer = api.request(method, flunders + suffix)

    assert answer.status == 405
    if method != "HEAD":
        assert answer.reason == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{WARDLE}/flunders", "GET"),
        (f"{WARDLE}/fischers", "GET, POST, DELETE"),
        (f"{WARDLE}/namespaces/n/flunders", "GET, POST, DELETE"),
        (f"{WARDLE}/namespaces/n/flunders/a", "GET, PUT, PATCH, DELETE"),
        (f"{WARDLE}/namespaces/n/flunders/a/status", "GET, PUT, PATCH"),
        (WARDLE, "GET, HEAD"),
        ("/openapi/v3", "GET, HEAD"),
    ],
)
def test_the_right_methods_are_told(api, path, allowed):
    answer = api.request("TRACE", path)

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_yaml_is_taken_and_given(api, flunders):
    octets = b"apiVersion: wardle.example.com/v1alpha1\nkind: Flunder\nmetadata: {name: a}\nspec: {reference: 'yes'}\n"

    created = api.create(flunders, octets, headers={"Content-Type": "application/yaml"})
    shown = api.get(f"{flunders}/a", headers={"Accept": "application/yaml"})

    assert created.status == 201
    assert shown.headers["Content-Type"] == "application/yaml"
    assert b"reference: 'yes'" in shown.octets


def test_merge_patch_changes_and_removes(api, flunders):
    api.create(flunders, flunder("a", metadata={"labels": {"x": "1", "y": "2"}}))

    answer = api.patch(f"{flunders}/a", {"metadata": {"labels": {"x": None}}, "spec": {"reference": "z"}})

    assert answer.status == 200
    assert answer.document["metadata"]["labels"] == {"y": "2"}
    assert answer.document["spec"]["reference"] == "z"


def test_merge_patch_of_a_stale_version_is_a_conflict(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.patch(f"{flunders}/a", {"metadata": {"resourceVersion": "1"}, "spec": {"reference": "z"}})

    assert (answer.status, answer.reason) == (409, "Conflict")


def test_json_patch_tests_and_replaces(api, flunders):
    api.create(flunders, flunder("a"))
    operations = [
        {"op": "test", "path": "/spec/reference", "value": "x"},
        {"op": "replace", "path": "/spec/reference", "value": "z"},
    ]

    first = api.patch(f"{flunders}/a", operations, kind="json-patch+json")
    second = api.patch(f"{flunders}/a", operations, kind="json-patch+json")

    assert (first.status, first.document["spec"]["reference"]) == (200, "z")
    assert (second.status, second.reason) == (422, "Invalid")
    assert "the server rejected our request due to an error in our request" in second.message


def test_patch_of_an_unknown_kind_is_refused(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.patch(f"{flunders}/a", {}, kind="json").status == 415
    assert api.patch(f"{flunders}/a", {}, kind="strategic-merge-patch+json").status == 415


def test_patch_cannot_rename(api, flunders):
    api.create(flunders, flunder("a"))

    assert api.patch(f"{flunders}/a", {"metadata": {"name": "b"}}).status == 400


def test_empty_patch_changes_no_version(api, flunders):
    before = api.create(flunders, flunder("a")).document

    assert api.patch(f"{flunders}/a", {}).document == before


def test_apply_creates_then_owns(api, flunders):
    path = f"{flunders}/a"
    created = api.apply(path, flunder("a"), manager="first")
    again = api.apply(path, flunder("a"), manager="first")

    assert (created.status, again.status) == (201, 200)
    (entry,) = created.document["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("first", "Apply", "FieldsV1")
    assert entry["fieldsV1"] == {"f:spec": {"f:reference": {}, "f:referenceType": {}}}
    assert again.document["metadata"]["resourceVersion"] == created.document["metadata"]["resourceVersion"]


def test_apply_conflicts_name_the_owner_and_yield_to_force(api, flunders):
    path = f"{flunders}/a"
    api.apply(path, flunder("a"), manager="first")
    other = flunder("a", spec={"reference": "other"})

    conflict = api.apply(path, other, manager="second")
    forced = api.apply(path, other, manager="second", force="true")

    assert (conflict.status, conflict.reason) == (409, "Conflict")
    assert conflict.message == 'Apply failed with 1 conflict: conflict with "first": .spec.reference'
    assert conflict.causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".spec.reference"}
    ]
    assert forced.document["spec"]["reference"] == "other"


def test_apply_needs_a_manager(api, flunders):
    answer = api.patch(f"{flunders}/a", flunder("a"), kind="apply-patch+yaml")

    assert (answer.status, answer.causes[0]["reason"]) == (422, "FieldValueRequired")
    assert "is required for apply patch" in answer.message


def test_force_is_for_apply_alone(api, flunders):
    api.create(flunders, flunder("a"))

    answer = api.patch(f"{flunders}/a", {"spec": {"reference": "z"}}, force="true")

    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.causes[0]["field"] == "force"
    assert "may not be specified for non-apply patch" in answer.message


def test_apply_conflict_with_an_update_tells_its_version(api, flunders):
    api.create(flunders, flunder("a"), fieldManager="curl")

    answer = api.apply(f"{flunders}/a", flunder("a", spec={"reference": "other"}), manager="second")

    assert answer.message == (
        'Apply failed with 1 conflict: conflict with "curl" using wardle.example.com/v1alpha1: .spec.reference'
    )


def test_updates_are_managed_under_the_user_agent(api, flunders):
    answer = api.create(flunders, flunder("a"), headers={"User-Agent": "kubectl/v1.30 (linux)"})

    (entry,) = answer.document["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == (
        "kubectl",
        "Update",
        "wardle.example.com/v1alpha1",
    )


def test_status_is_changed_by_its_subresource_alone(api, flunders):
    path = f"{flunders}/a"
    created = api.create(flunders, {**flunder("a"), "status": {}}).document
    by_main = api.patch(path, {"status": {"x": 1}, "metadata": {"labels": {"a": "b"}}}).document

    assert "status" not in created
    assert by_main["metadata"]["labels"] == {"a": "b"}
    assert by_main["metadata"]["generation"] == 1
    assert "status" not in by_main


def test_views_of_one_report_lose_nothing(api, namespace):
    """wgpolicyk8s.io, prext.demo and openreports.io show the same stored report."""
    old = f"{REPORTS}/namespaces/{namespace}/policyreports"
    new = f"/apis/openreports.io/v1alpha1/namespaces/{namespace}/reports"
    demo = f"/apis/prext.demo/v1alpha1/namespaces/{namespace}/policyreports"
    document = {**report("a"), "apiVersion": "openreports.io/v1alpha1", "kind": "Report", "source": "scanner"}
    created = api.create(new, document).document

    seen = api.get(f"{old}/a").document
    changed = api.put(f"{old}/a", {**seen, "summary": {"pass": 7}})
    back = api.get(f"{new}/a").document

    assert "source" not in seen
    assert (seen["kind"], seen["metadata"]["uid"]) == ("PolicyReport", created["metadata"]["uid"])
    assert changed.status == 200
    assert (back["source"], back["summary"]) == ("scanner", {"pass": 7})
    assert api.get(f"{demo}/a").document["apiVersion"] == "prext.demo/v1alpha1"
