import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import BadRequest
from apiserver.fields.sets import EMPTY, FieldSet, show_path

# The form that the API documents: members, members with children, items by key, by value, by index.
WIRE = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {'v:"a/b"': {}}},
    "f:spec": {
        "f:containers": {'k:{"name":"a"}': {".": {}, "f:image": {}}},
        "f:list": {"i:0": {}},
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
    },
}

scalars = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
names = st.text(st.characters(codec="utf-8"), max_size=3)
elements = st.one_of(
    names.map(lambda name: f"f:{name}"),
    scalars.map(lambda value: f"v:{json.dumps(value)}"),
    st.dictionaries(names, scalars, min_size=1, max_size=2).map(lambda keys: f"k:{json.dumps(keys)}"),
    st.integers(0, 3).map(lambda index: f"i:{index}"),
)
few = st.sampled_from(["f:a", "f:b", 'k:{"name":"a"}', "v:1"])
trees = st.recursive(
    st.just({}), lambda children: st.dictionaries(st.one_of(few, st.just(".")), children, max_size=3), max_leaves=12
)
wild_trees = st.recursive(
    st.just({}), lambda children: st.dictionaries(st.one_of(elements, st.just(".")), children, max_size=3), max_leaves=8
)
sets = trees.map(FieldSet.from_document)


def members(fields):
    return set(fields.paths())


def test_wire_form_is_read_and_written_unchanged():
    assert FieldSet.from_document(WIRE).document == WIRE


def test_wire_form_is_in_the_order_of_kubernetes():
    shuffled = {
        "v:true": {},
        "i:1": {},
        'v:"a"': {},
        "v:2": {},
        'k:{"b":1}': {},
        "f:b": {},
        "f:a": {"f:x": {}, ".": {}},
    }

    document = FieldSet.from_document(shuffled).document

    assert list(document) == ["f:a", "f:b", 'k:{"b":1}', "v:2", 'v:"a"', "v:true", "i:1"]
    assert list(document["f:a"]) == [".", "f:x"]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ('k:{"protocol":"TCP", "port":80}', 'k:{"port":80,"protocol":"TCP"}'),
        ("v:1.0", "v:1"),
        ('v: "a"', 'v:"a"'),
        ('v:"<&>"', r'v:"\u003c\u0026\u003e"'),
        ("i:01", "i:1"),
    ],
)
def test_one_element_has_one_form(written, canonical):
    assert list(FieldSet.from_document({written: {}}).document) == [canonical]


def test_elements_of_the_future_are_passed_over():
    assert FieldSet.from_document({"x:future": {"f:a": {}}, "f:b": {}}).document == {"f:b": {}}


@pytest.mark.parametrize(
    "document",
    [
        [],
        "f:a",
        {"f": {}},
        {"": {}},
        {"fa": {}},
        {"f:a": 1},
        {"f:a": []},
        {"v:": {}},
        {"v:{": {}},
        {"k:1": {}},
        {'k:{"a"': {}},
        {"i:x": {}},
        {"i:": {}},
        {"i:99999999999999999999999": {}},
    ],
)
def test_what_is_no_fields_v1_is_refused(document):
    with pytest.raises(BadRequest):
        FieldSet.from_document(document)


def test_endless_nesting_is_refused():
    document = {}
    for _ in range(2000):
        document = {"f:a": document}

    with pytest.raises(BadRequest, match="nested"):
        FieldSet.from_document(document)


def test_paths_are_shown_as_conflicts_name_them():
    shown = [show_path(path) for path in FieldSet.from_document(WIRE).paths()]

    assert shown == [
        ".metadata.labels",
        '.metadata.finalizers[="a/b"]',
        ".metadata.labels.app",
        '.spec.containers[name="a"]',
        '.spec.containers[name="a"].image',
        ".spec.list[0]",
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].port',
    ]


def test_membership_is_told_from_having_children():
    fields = FieldSet.from_document({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}})

    assert ("f:a",) in fields
    assert ("f:a", "f:b") in fields
    assert ("f:c",) not in fields
    assert ("f:c", "f:d") in fields
    assert ("f:x",) not in fields
    assert () not in fields
    assert len(fields) == 3


def test_leaves_are_members_without_members_below():
    fields = FieldSet.from_document({"f:a": {".": {}, "f:b": {}}, "f:c": {}})

    assert members(fields.leaves()) == {("f:a", "f:b"), ("f:c",)}


def test_difference_keeps_what_is_below_and_recursive_difference_does_not():
    fields = FieldSet.of(("f:a",), ("f:a", "f:b"), ("f:a", "f:b", "f:c"))
    parent = FieldSet.of(("f:a", "f:b"))

    assert members(fields.difference(parent)) == {("f:a",), ("f:a", "f:b", "f:c")}
    assert members(fields.recursive_difference(parent)) == {("f:a",)}


def test_below_is_a_set_of_its_own():
    fields = FieldSet.of(("f:a",), ("f:a", "f:b"), ("f:c",))

    assert members(fields.below("f:a")) == {("f:b",)}
    assert not fields.below("f:x")


@given(wild_trees)
def test_what_was_read_is_written_and_read_again(tree):
    fields = FieldSet.from_document(tree)
    written = json.loads(json.dumps(fields.document))

    assert FieldSet.from_document(written) == fields
    assert FieldSet.from_document(written).document == written


@given(sets)
def test_a_set_is_made_of_its_paths(fields):
    assert FieldSet.of(*fields.paths()) == fields
    assert len(fields) == len(members(fields))
    assert bool(fields) == bool(members(fields))
    assert all(path in fields for path in fields.paths())


@given(sets, sets)
def test_operations_are_those_of_sets_of_paths(left, right):
    assert members(left.union(right)) == members(left) | members(right)
    assert members(left.intersection(right)) == members(left) & members(right)
    assert members(left.difference(right)) == members(left) - members(right)


@given(sets, sets)
def test_recursive_difference_takes_what_lies_below(left, right):
    gone = members(right)

    kept = {path for path in members(left) if not any(path[:length] in gone for length in range(1, len(path) + 1))}

    assert members(left.recursive_difference(right)) == kept


@given(sets, sets, sets)
def test_laws_of_sets_hold(one, two, three):
    assert one.union(two) == two.union(one)
    assert one.union(two.union(three)) == one.union(two).union(three)
    assert one.intersection(two) == two.intersection(one)
    assert one.union(EMPTY) == one
    assert one.difference(EMPTY) == one
    assert one.difference(one) == EMPTY
    assert one.difference(two).union(one.intersection(two)) == one
    assert one.difference(two.union(three)) == one.difference(two).difference(three)
