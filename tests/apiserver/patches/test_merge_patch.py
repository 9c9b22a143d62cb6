import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.documents import OpaqueJson
from apiserver.errors import BadRequest
from apiserver.patches.merge_patch import merge_patch


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_rfc_7386_appendix_a(document, patch, expected):
    assert merge_patch(document, patch) == expected


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({}, {"a": [{"b": None, "c": 1}, None]}, {"a": [{"c": 1}, None]}),
        ({"a": [1]}, {"a": [[{"b": None}]]}, {"a": [[{}]]}),
        ({"a": {"x": 1}}, {"a": [{"b": None}]}, {"a": [{"b": None}]}),
        ({"a": None}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": 1}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
    ],
)
def test_nulls_of_new_values_go_as_in_kube_apiserver(document, patch, expected):
    assert merge_patch(document, patch) == expected


def test_opaque_values_are_leaves():
    opaque = OpaqueJson(b'{"x":null}')

    assert merge_patch({"a": {"b": 1}, "c": opaque}, {"a": opaque}) == {"a": opaque, "c": opaque}


def test_documents_that_are_too_deep_are_refused():
    patch = {}
    for _ in range(5000):
        patch = {"a": patch}

    with pytest.raises(BadRequest, match="nested too deeply"):
        merge_patch({}, patch)


names = st.sampled_from("abc")
scalars = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from(["", "x"]))


def documents(leaves):
    return st.recursive(
        leaves,
        lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(names, children, max_size=3)),
        max_leaves=10,
    )


objects = st.dictionaries(names, documents(scalars), max_size=4)
patches = st.dictionaries(names, documents(st.one_of(st.none(), scalars)), max_size=4)


def difference(old, new):
    """The merge patch that makes `new` of `old`; neither has nulls."""
    patch = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        if name not in old or old[name] != value or type(old[name]) is not type(value):
            before = old.get(name)
            patch[name] = difference(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return patch


@given(objects, objects)
def test_difference_makes_the_one_of_the_other(old, new):
    assert merge_patch(old, difference(old, new)) == new


@given(objects, patches)
def test_patching_twice_is_patching_once(document, patch):
    before = copy.deepcopy((document, patch))

    once = merge_patch(document, patch)

    assert merge_patch(once, patch) == once
    assert (document, patch) == before
