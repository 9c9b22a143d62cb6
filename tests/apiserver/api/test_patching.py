"""Patches and applies that are odd: what is warned of, what is refused."""

import pytest

from tests.apiserver.client import WARDLE, flunder


@pytest.fixture
def flunders(namespace):
    return f"{WARDLE}/namespaces/{namespace}/flunders"


@pytest.mark.parametrize(
    ("patch", "kind", "oddity"),
    [
        (b'{"spec":{"bogus":1}}', "merge-patch+json", 'unknown field "spec.bogus"'),
        (b'{"spec":{"reference":"y","reference":"z"}}', "merge-patch+json", 'duplicate field "spec.reference"'),
        (
            b'[{"op":"test","op":"remove","path":"/spec/reference"}]',
            "json-patch+json",
            'json patch duplicate field "[0].op"',
        ),
        (
            b'[{"op":"remove","path":"/spec/reference","why":1}]',
            "json-patch+json",
            'json patch unknown field "[0].why"',
        ),
    ],
)
def test_what_is_odd_in_a_patch_is_warned_of_or_refused(api, flunders, patch, kind, oddity):
    api.create(flunders, flunder("a"))

    warned = api.patch(f"{flunders}/a", patch, kind=kind, dryRun="All")
    refused = api.patch(f"{flunders}/a", patch, kind=kind, fieldValidation="Strict")
    ignored = api.patch(f"{flunders}/a", patch, kind=kind, dryRun="All", fieldValidation="Ignore")

    assert (refused.status, refused.reason, refused.causes[0]["field"]) == (422, "Invalid", "patch")
    assert refused.message.endswith(f"strict decoding error: {oddity}")
    assert warned.warnings == ['299 - "' + oddity.replace('"', '\\"') + '"']
    assert ignored.warnings == []


def test_apply_of_what_no_schema_declares_is_refused(api, flunders):
    answer = api.apply(f"{flunders}/a", {**flunder("a"), "spec": {"bogus": 1}})

    assert answer.status == 500
    assert answer.message.endswith(
        "wardle.example.com/v1alpha1, Kind=Flunder): .spec.bogus: field not declared in schema"
    )


@pytest.mark.parametrize("given", [{}, {"kind": "Flunder"}, {"apiVersion": "v1", "kind": "Secret"}])
def test_apply_of_what_does_not_say_its_kind_is_refused(api, flunders, given):
    answer = api.apply(f"{flunders}/a", {"metadata": {"name": "a"}, **given})

    assert answer.status == 400
    assert answer.message.startswith("invalid object type: ")


def test_apply_to_an_object_that_is_gone_does_not_make_another(api, flunders):
    answer = api.apply(f"{flunders}/a", flunder("a", metadata={"uid": "gone"}))

    assert (answer.status, answer.reason) == (409, "Conflict")
    assert answer.message.endswith(
        "uid mismatch: the provided object specified uid gone, and no existing object was found"
    )
