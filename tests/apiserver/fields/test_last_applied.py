import json
from datetime import UTC, datetime

import pytest

from apiserver.documents import OpaqueJson
from apiserver.errors import ApplyConflict
from apiserver.fields.apply import apply
from apiserver.fields.managed import record_update
from tests.apiserver.fields.things import API_VERSION, THING, thing, with_entries

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def applied_by_client(document, *, last=None, text=None):
    """What `kubectl apply` on the client leaves; `last` or `text` is what the annotation says, if that is not the same."""
    remembered = text if text is not None else json.dumps(last or document)
    annotated = thing(metadata={"annotations": {ANNOTATION: remembered}}, data=document["data"])
    entries = record_update(
        THING,
        live=None,
        new=annotated,
        manager="kubectl-client-side-apply",
        api_version=API_VERSION,
        subresource="",
        now=NOW,
    )
    return with_entries(annotated, entries)


def applied(document, live, *, manager="kubectl", force=False):
    return apply(
        THING,
        live=live,
        applied=document,
        manager=manager,
        force=force,
        api_version=API_VERSION,
        subresource="",
        now=NOW,
    )


def test_what_kubectl_applied_on_the_client_is_no_conflict():
    live = applied_by_client(thing(data={"k": "v"}))

    assert applied(thing(data={"k": "w"}), live)["data"] == {"k": "w"}


def test_annotation_follows_in_the_form_of_kubernetes():
    live = applied_by_client(thing(data={"k": "v"}))
    document = thing(metadata={"annotations": {"note": "<b>"}}, data={"k": "w"})

    result = applied(document, live)

    text = result["metadata"]["annotations"][ANNOTATION]
    assert json.loads(text) == document
    assert text.startswith('{"apiVersion":"example.com/v1","data":')
    assert r"\u003cb\u003e" in text
    assert text.endswith("}\n")


def test_annotation_does_not_hold_itself():
    live = applied_by_client(thing(data={"k": "v"}))

    result = applied(thing(metadata={"annotations": {ANNOTATION: "{}"}}, data={"k": "w"}), live, force=True)

    assert json.loads(result["metadata"]["annotations"][ANNOTATION])["metadata"]["annotations"] == {}


def test_annotation_that_grows_too_large_goes():
    live = applied_by_client(thing(data={"k": "v"}))

    result = applied(thing(data={"k": "w" * (256 << 10)}), live)

    assert ANNOTATION not in result["metadata"]["annotations"]


def test_opaque_fields_stand_in_the_annotation_as_they_are():
    live = applied_by_client(thing(data={"k": "v"}))

    result = applied(thing(data={"k": "w"}, spec={"free": OpaqueJson(b'{"a":1}')}), live)

    assert json.loads(result["metadata"]["annotations"][ANNOTATION])["spec"] == {"free": {"a": 1}}


def test_object_without_annotation_gets_none():
    result = applied(thing(data={"k": "v"}), None)

    assert "annotations" not in result["metadata"]


def test_other_managers_have_the_conflict():
    with pytest.raises(ApplyConflict):
        applied(thing(data={"k": "w"}), applied_by_client(thing(data={"k": "v"})), manager="helm")


def test_what_was_changed_since_is_a_conflict_and_the_rest_is_not():
    live = applied_by_client(thing(data={"a": "1", "b": "changed"}), last=thing(data={"a": "1", "b": "1"}))

    with pytest.raises(ApplyConflict) as refusal:
        applied(thing(data={"a": "2", "b": "2"}), live)

    assert [cause.field for cause in refusal.value.causes] == [".data.b"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        json.dumps({**thing(data={"k": "v"}), "apiVersion": "example.com/v2"}),
        json.dumps(thing(data={"k": "v"}, spec={"set": ["a", "a"]})),
        '{"a":' * 2000,
    ],
)
def test_annotation_that_says_nothing_changes_nothing(text):
    live = applied_by_client(thing(data={"k": "v"}), text=text)

    with pytest.raises(ApplyConflict):
        applied(thing(data={"k": "w"}), live)
