"""metadata of what is written: what may be there, what is warned of, what stays whatever comes."""

import pytest

from tests.apiserver.client import WARDLE, flunder


@pytest.fixture
def flunders(namespace):
    return f"{WARDLE}/namespaces/{namespace}/flunders"


def test_creation_timestamp_stays_whatever_comes(api, flunders):
    document = api.create(flunders, flunder("a")).document
    metadata = {**document["metadata"], "creationTimestamp": "2001-01-01T00:00:00Z"}

    answer = api.put(f"{flunders}/a", {**document, "metadata": metadata})

    assert (answer.status, answer.document) == (200, document)


@pytest.mark.parametrize(
    "change",
    [{"uid": "other"}, {"deletionTimestamp": "2001-01-01T00:00:00Z"}, {"deletionGracePeriodSeconds": 5}],
)
def test_immutable_metadata_cannot_be_patched(api, flunders, change):
    api.create(flunders, flunder("a"))

    answer = api.patch(f"{flunders}/a", {"metadata": change})

    assert answer.status == 422
    assert [cause["field"] for cause in answer.causes] == [f"metadata.{next(iter(change))}"]


@pytest.mark.parametrize("metadata", [None, {"name": None}])
def test_patch_that_takes_the_name_away_is_refused(api, flunders, metadata):
    api.create(flunders, flunder("a"))

    answer = api.patch(f"{flunders}/a", {"metadata": metadata})

    assert answer.status == 400
    assert answer.message == "the name of the object (a based on URL) was undeterminable: name must be provided"


def test_finalizers_that_others_could_choose_are_warned_of_once(api, flunders):
    created = api.create(flunders, flunder("a", metadata={"finalizers": ["mine", "example.com/mine"]}))
    changed = api.patch(f"{flunders}/a", {"metadata": {"labels": {"a": "b"}}})

    assert [text.partition(": prefer")[0] for text in created.warnings] == ['299 - "metadata.finalizers: \\"mine\\"']
    assert changed.warnings == []


def test_owners_are_kept_once(api, flunders):
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}

    answer = api.create(flunders, flunder("a", metadata={"ownerReferences": [owner, owner, {**owner, "name": "q"}]}))

    assert answer.document["metadata"]["ownerReferences"] == [owner, {**owner, "name": "q"}]
    assert "duplicate UID(s) observed: u" in answer.warnings[0]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"generateName": "A_"}, "metadata.generateName"),
        ({"generateName": "x" * 254}, "metadata.generateName"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}]},
            "metadata.ownerReferences",
        ),
        ({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "uid": "u"}]}, "metadata.ownerReferences.name"),
    ],
)
def test_metadata_that_breaks_its_rules_is_invalid(api, flunders, metadata, field):
    answer = api.create(flunders, flunder("a", metadata=metadata))

    assert answer.status == 422
    assert [cause["field"] for cause in answer.causes] == [field]


@pytest.mark.parametrize(
    ("time", "why"),
    [
        ("noon", 'as "2006-01-02T15:04:05Z07:00": cannot parse "noon" as "2006"'),
        ("2020-01-01", 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2020-01-01T00:00:00Zulu", 'extra text: "ulu"'),
        ("2020-13-01T00:00:00Z", "month must be in 1..12"),
    ],
)
def test_times_that_are_none_are_refused(api, flunders, time, why):
    answer = api.create(flunders, flunder("a", metadata={"creationTimestamp": time}))

    assert answer.status == 400
    assert answer.message.startswith(
        f'Flunder in version "v1alpha1" cannot be handled as a Flunder: parsing time "{time}"'
    )
    assert answer.message.endswith(why)


def test_metadata_of_a_wrong_type_is_refused(api, flunders):
    answer = api.create(flunders, flunder("a", metadata={"labels": {"a": 1}}))

    assert answer.status == 400
    assert "cannot unmarshal number" in answer.message
