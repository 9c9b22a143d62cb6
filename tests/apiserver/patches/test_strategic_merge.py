import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import ApiError, BadRequest, UnexpectedValue
from apiserver.patches.strategic_merge import strategic_merge
from tests.apiserver.fields.things import THING, thing


def merged(spec, patch):
    return strategic_merge(thing(spec=spec), {"spec": patch}, THING)["spec"]


def containers(*items):
    return {"containers": [{"name": item} if isinstance(item, str) else item for item in items]}


# Objects


@pytest.mark.parametrize(
    ("spec", "patch", "expected"),
    [
        ({"name": "a"}, {"count": 1}, {"name": "a", "count": 1}),
        ({"name": "a"}, {"name": None}, {}),
        ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
        ({"labels": {"a": "1"}}, {"labels": {"$patch": "replace", "b": "2"}}, {"labels": {"b": "2"}}),
        ({"labels": {"a": "1"}}, {"labels": {"$patch": "delete"}}, {"labels": {}}),
        ({}, {"labels": {"a": None, "b": "1"}}, {"labels": {"b": "1"}}),
        ({}, {"labels": {"$patch": "delete"}}, {}),
        ({"labels": {"a": "1"}}, {"labels": "text"}, {"labels": "text"}),
        ({"union": {"a": "1"}}, {"union": {"$retainKeys": ["b"], "b": "2"}}, {"union": {"b": "2"}}),
        ({"union": {"a": "1"}}, {"union": {"$retainKeys": ["a", "b"], "b": "2"}}, {"union": {"a": "1", "b": "2"}}),
    ],
)
def test_objects_are_merged(spec, patch, expected):
    assert merged(spec, patch) == expected


def test_whole_document_can_be_replaced():
    assert strategic_merge({"a": 1}, {"$patch": "replace", "b": 2}, THING) == {"b": 2}


# Lists without and with a strategy


def test_list_without_a_strategy_is_replaced():
    assert merged({"list": ["a", "b"]}, {"list": ["c"]}) == {"list": ["c"]}


@pytest.mark.parametrize(
    ("spec", "patch", "expected"),
    [
        (["a", "b"], {"set": ["c"]}, ["c", "a", "b"]),
        (["a", "b"], {"set": ["b", "c"]}, ["a", "b", "c"]),
        (["a", "b"], {"$deleteFromPrimitiveList/set": ["a"]}, ["b"]),
        (["a", "b"], {"set": ["c"], "$deleteFromPrimitiveList/set": ["a"]}, ["c", "b"]),
        (["a", "b", "c"], {"$setElementOrder/set": ["c", "b", "a"]}, ["c", "b", "a"]),
        (["a", "b"], {"$setElementOrder/set": ["c", "b"], "set": ["c"]}, ["c", "a", "b"]),
    ],
)
def test_sets_of_scalars_are_merged(spec, patch, expected):
    assert merged({"set": spec}, patch) == {"set": expected}


@pytest.mark.parametrize(
    ("spec", "patch", "expected"),
    [
        (containers("a"), containers({"name": "a", "image": "x"}), containers({"name": "a", "image": "x"})),
        (containers("a"), containers("b"), containers("b", "a")),
        (containers("a", "b"), containers({"name": "a", "$patch": "delete"}), containers("b")),
        (containers("a", "b"), containers("c", {"$patch": "replace"}), containers("c")),
        (
            containers({"name": "a", "image": "x", "env": {"A": "1"}}),
            containers({"name": "a", "image": None, "env": {"B": "2"}}),
            containers({"name": "a", "env": {"A": "1", "B": "2"}}),
        ),
        (
            containers("a", "b", "c"),
            {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
            containers("b", "c", "a"),
        ),
        (
            containers("a", "b"),
            {**containers("c"), "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}]},
            containers("b", "c", "a"),
        ),
        ({}, {**containers("c"), "$setElementOrder/containers": [{"name": "c"}]}, containers("c")),
        ({}, {"$setElementOrder/containers": [{"name": "c"}]}, {}),
        ({}, containers("a", {"name": "b", "$patch": "delete"}), containers("a")),
    ],
)
def test_lists_of_objects_are_merged_by_their_key(spec, patch, expected):
    assert merged(spec, patch) == expected


def test_metadata_is_merged_as_that_of_every_object():
    live = thing(metadata={"finalizers": ["a/x"], "ownerReferences": [{"uid": "1", "name": "p"}]})
    patch = {"metadata": {"finalizers": ["b/x"], "ownerReferences": [{"uid": "2"}, {"uid": "1", "$patch": "delete"}]}}

    metadata = strategic_merge(live, patch, THING)["metadata"]

    assert metadata["finalizers"] == ["b/x", "a/x"]
    assert metadata["ownerReferences"] == [{"uid": "2"}]


# What is refused


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"union": {"$retainKeys": "a"}}, "invalid patch format of retainKeys"),
        ({"union": {"$retainKeys": ["a"], "b": "1"}}, "invalid patch format of retainKeys"),
        ({"$setElementOrder": ["a"]}, "invalid patch format of setElementOrder list"),
        ({"$deleteFromPrimitiveListset": ["a"]}, "invalid patch format of primitive list"),
        (
            {"set": ["a", "b"], "$setElementOrder/set": ["b", "a"]},
            "The order in patch list:\n[a b]\n doesn't match $setElementOrder list:\n[b a]\n",
        ),
    ],
)
def test_malformed_patch_is_refused(patch, message):
    with pytest.raises(BadRequest) as refusal:
        merged({"union": {}, "set": ["a"]}, patch)

    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"labels": {"$patch": "x"}}, "unknown patch type: x in map: map[$patch:x]"),
        (containers({"image": "x"}), "map: map[image:x] does not contain declared merge key: name"),
        (containers({"image": "x", "$patch": "delete"}), "does not contain declared merge key: name"),
        (containers({"name": "a", "$patch": "merge"}), "merging lists cannot yet be specified in the patch"),
        (containers({"name": "a", "$patch": "x"}), "unknown patch type: x in map: map[$patch:x name:a]"),
        ({"set": [{"a": 1}]}, "list element types are not identical"),
        ({"set": [["a"]]}, "lists of lists are not supported"),
        ({"$setElementOrder/set": "a"}, "expected a []interface {}, but received a string"),
        ({"$setElementOrder/containers": [{"image": "a"}]}, "does not contain declared merge key: name"),
    ],
)
def test_patch_that_does_not_fit_is_refused(patch, message):
    with pytest.raises(UnexpectedValue) as refusal:
        merged({"labels": {"a": "1"}, "set": ["a"], **containers("a")}, patch)

    assert message in str(refusal.value)


@pytest.mark.parametrize("patch", [None, [], "x", 1])
def test_patch_is_an_object(patch):
    with pytest.raises(BadRequest):
        strategic_merge(thing(), patch, THING)


def test_documents_that_are_too_deep_are_refused():
    patch = {}
    for _ in range(5000):
        patch = {"a": patch}

    with pytest.raises(BadRequest, match="nested too deeply"):
        strategic_merge(thing(), patch, THING)


letters = st.sampled_from("abc")
directives = st.sampled_from(["replace", "delete", "merge", "x"])
wild = st.recursive(
    st.one_of(st.none(), st.integers(0, 2), letters, directives),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "set",
                    "containers",
                    "labels",
                    "name",
                    "$patch",
                    "$retainKeys",
                    "$setElementOrder/set",
                    "$setElementOrder/containers",
                    "$deleteFromPrimitiveList/set",
                ]
            ),
            children,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@given(wild, wild)
def test_any_patch_applies_or_is_refused_and_changes_nothing(spec, patch):
    document = thing(spec=spec)
    before = copy.deepcopy((document, patch))

    try:
        result = strategic_merge(document, {"spec": patch}, THING)
    except ApiError:
        result = None

    assert (document, patch) == before
    assert result is None or isinstance(result, dict)
