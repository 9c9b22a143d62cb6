import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.documents import OpaqueJson
from apiserver.errors import ApiError, BadRequest, RequestEntityTooLarge, Unprocessable
from apiserver.fields.values import same
from apiserver.patches.json_patch import MOST_OPERATIONS, apply_json_patch

REFUSED = "^the server rejected our request due to an error in our request$"


def operation(op, path, **named):
    return {"op": op, "path": path, **{name.removesuffix("_"): value for name, value in named.items()}}


# RFC 6902, appendix A


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        pytest.param({"foo": "bar"}, [operation("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}, id="A.1"),
        pytest.param(
            {"foo": ["bar", "baz"]}, [operation("add", "/foo/1", value="qux")], {"foo": ["bar", "qux", "baz"]}, id="A.2"
        ),
        pytest.param({"baz": "qux", "foo": "bar"}, [operation("remove", "/baz")], {"foo": "bar"}, id="A.3"),
        pytest.param(
            {"foo": ["bar", "qux", "baz"]}, [operation("remove", "/foo/1")], {"foo": ["bar", "baz"]}, id="A.4"
        ),
        pytest.param(
            {"baz": "qux", "foo": "bar"},
            [operation("replace", "/baz", value="boo")],
            {"baz": "boo", "foo": "bar"},
            id="A.5",
        ),
        pytest.param(
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [operation("move", "/qux/thud", from_="/foo/waldo")],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
            id="A.6",
        ),
        pytest.param(
            {"foo": ["all", "grass", "cows", "eat"]},
            [operation("move", "/foo/3", from_="/foo/1")],
            {"foo": ["all", "cows", "eat", "grass"]},
            id="A.7",
        ),
        pytest.param(
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [operation("test", "/baz", value="qux"), operation("test", "/foo/1", value=2)],
            {"baz": "qux", "foo": ["a", 2, "c"]},
            id="A.8",
        ),
        pytest.param(
            {"foo": "bar"},
            [operation("add", "/child", value={"grandchild": {}})],
            {"foo": "bar", "child": {"grandchild": {}}},
            id="A.10",
        ),
        pytest.param(
            {"foo": "bar"},
            [operation("add", "/baz", value="qux", xyz=123)],
            {"foo": "bar", "baz": "qux"},
            id="A.11",
        ),
        pytest.param({"/": 9, "~1": 10}, [operation("test", "/~01", value=10)], {"/": 9, "~1": 10}, id="A.14"),
        pytest.param(
            {"foo": ["bar"]},
            [operation("add", "/foo/-", value=["abc", "def"])],
            {"foo": ["bar", ["abc", "def"]]},
            id="A.16",
        ),
    ],
)
def test_examples_of_the_rfc(document, patch, expected):
    assert apply_json_patch(document, patch) == expected


@pytest.mark.parametrize(
    ("document", "patch"),
    [
        pytest.param({"baz": "qux"}, [operation("test", "/baz", value="bar")], id="A.9"),
        pytest.param({"foo": "bar"}, [operation("add", "/baz/bat", value="qux")], id="A.12"),
        pytest.param({"/": 9, "~1": 10}, [operation("test", "/~01", value="10")], id="A.15"),
    ],
)
def test_failing_examples_of_the_rfc(document, patch):
    with pytest.raises(Unprocessable, match=REFUSED):
        apply_json_patch(document, patch)


# As kube-apiserver's library has it


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ([operation("remove", "/list/-1")], {"list": [1, 2], "object": {"a": 1}}),
        ([operation("add", "/list/-1", value=4)], {"list": [1, 2, 3, 4], "object": {"a": 1}}),
        ([operation("add", "/list/3", value=4)], {"list": [1, 2, 3, 4], "object": {"a": 1}}),
        ([operation("add", "/list/-4", value=0)], {"list": [0, 1, 2, 3], "object": {"a": 1}}),
        ([operation("replace", "/list/+1", value=0)], {"list": [1, 0, 3], "object": {"a": 1}}),
        ([operation("replace", "/list/01", value=0)], {"list": [1, 0, 3], "object": {"a": 1}}),
        ([operation("replace", "/object/new", value=0)], {"list": [1, 2, 3], "object": {"a": 1, "new": 0}}),
        ([operation("replace", "", value={"a": 1})], {"a": 1}),
        ([operation("replace", "", value=[1])], [1]),
        ([operation("add", "/object/new")], {"list": [1, 2, 3], "object": {"a": 1, "new": None}}),
        ([operation("copy", "/object/new", from_="/list/0")], {"list": [1, 2, 3], "object": {"a": 1, "new": 1}}),
        ([operation("copy", "/object/new", from_="/no")], {"list": [1, 2, 3], "object": {"a": 1, "new": None}}),
        ([operation("test", "/no", value=None)], {"list": [1, 2, 3], "object": {"a": 1}}),
        (
            [operation("test", "", value={"object": {"a": 1}, "list": [1, 2, 3.0]})],
            {"list": [1, 2, 3], "object": {"a": 1}},
        ),
        ([operation("add", "/object/a~1b~0c", value=1)], {"list": [1, 2, 3], "object": {"a": 1, "a/b~c": 1}}),
        ([operation("add", "/object/", value=1)], {"list": [1, 2, 3], "object": {"a": 1, "": 1}}),
        ([], {"list": [1, 2, 3], "object": {"a": 1}}),
    ],
)
def test_what_is_let_pass(patch, expected):
    assert apply_json_patch({"list": [1, 2, 3], "object": {"a": 1}}, patch) == expected


@pytest.mark.parametrize(
    "patch",
    [
        operation("remove", "/no"),
        operation("remove", "/list/3"),
        operation("remove", "/list/-4"),
        operation("remove", "/list/-"),
        operation("remove", "/list/x"),
        operation("remove", "/list/1_0"),
        operation("remove", "/list/99999999999999999999"),
        operation("remove", ""),
        operation("remove", "list"),
        operation("add", "", value={}),
        operation("add", "object/a", value=1),
        operation("add", "/list/4", value=1),
        operation("add", "/list/-5", value=1),
        operation("add", "/null/a", value=1),
        operation("add", "/object/a/b", value=1),
        operation("replace", "/list/3", value=1),
        operation("replace", "/no/a", value=1),
        operation("replace", "", value="text"),
        operation("replace", ""),
        operation("move", "/object/b", from_="/no"),
        operation("move", "/object/b"),
        operation("move", "/object/a/b", from_="/object"),
        operation("copy", "/no/b", from_="/list"),
        operation("test", "/no", value=1),
        operation("test", "/no/further", value=None),
        operation("test", "/list/3", value=None),
        operation("test", "/list/0", value=True),
        operation("test", "/list", value=[1, 2]),
        operation("patch", "/list"),
        {"path": "/list"},
        {"op": "remove"},
        {"op": None, "path": None},
    ],
)
def test_what_does_not_apply(patch):
    with pytest.raises(Unprocessable, match=REFUSED):
        apply_json_patch({"list": [1, 2, 3], "object": {"a": 1}, "null": None}, [patch])


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (
            {"op": "add"},
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        ("x", "error decoding patch: json: cannot unmarshal string into Go value of type []handlers.jsonPatchOp"),
        (None, "error decoding patch: json: cannot unmarshal null into Go value of type []handlers.jsonPatchOp"),
        (["x"], "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp"),
        ([1.5], "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (
            [{"op": 1, "path": "/a"}],
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
        (
            [{"op": "add", "path": ["a"]}],
            "error decoding patch: json: cannot unmarshal array into Go struct field jsonPatchOp.path of type string",
        ),
    ],
)
def test_what_is_no_patch(patch, message):
    with pytest.raises(BadRequest) as refusal:
        apply_json_patch({}, patch)

    assert str(refusal.value) == message


def test_nothing_is_done_where_one_operation_fails():
    document = {"a": [1]}

    with pytest.raises(Unprocessable):
        apply_json_patch(document, [operation("add", "/a/-", value=2), operation("remove", "/b")])

    assert document == {"a": [1]}


def test_too_many_operations_are_refused():
    patch = [operation("test", "/a", value=1)] * (MOST_OPERATIONS + 1)

    with pytest.raises(RequestEntityTooLarge) as refusal:
        apply_json_patch({"a": 1}, patch)

    assert str(refusal.value) == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )
    assert apply_json_patch({"a": 1}, patch[1:]) == {"a": 1}


def test_copies_that_add_up_are_refused():
    doubling = [operation("copy", "/a/-", from_="/a") for _ in range(30)]

    with pytest.raises(Unprocessable, match=REFUSED):
        apply_json_patch({"a": ["x" * 1024]}, doubling)


def test_copies_that_nest_are_refused():
    nesting = [operation("copy", "/a/a", from_="/a") for _ in range(2000)]

    with pytest.raises((BadRequest, Unprocessable)):
        apply_json_patch({"a": {}}, nesting)


def test_values_that_are_too_deep_are_refused():
    value = {}
    for _ in range(5000):
        value = {"a": value}

    with pytest.raises(BadRequest, match="nested too deeply"):
        apply_json_patch({}, [operation("add", "/a", value=value)])


def test_opaque_values_are_carried_along():
    opaque = OpaqueJson(b'{"x":1}')

    patched = apply_json_patch(
        {"a": opaque}, [operation("copy", "/b", from_="/a"), operation("move", "/c", from_="/a")]
    )

    assert patched == {"b": opaque, "c": opaque}


names = st.sampled_from(["a", "b", "c~d", "e/f", "0", "-", ""])
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["", "x"])),
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(names, children, max_size=3)),
    max_leaves=10,
)
objects = st.dictionaries(names, documents, max_size=4)


def difference(old, new, path=""):
    """A patch that makes `new` of `old`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() - new.keys():
            yield operation("remove", f"{path}/{escaped(name)}")
        for name, value in new.items():
            if name in old:
                yield from difference(old[name], value, f"{path}/{escaped(name)}")
            else:
                yield operation("add", f"{path}/{escaped(name)}", value=value)
    elif isinstance(old, list) and isinstance(new, list):
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from difference(before, after, f"{path}/{index}")
        for value in new[len(old) :]:
            yield operation("add", f"{path}/-", value=value)
        for _ in old[len(new) :]:
            yield operation("remove", f"{path}/{len(new)}")
    elif not same(old, new):
        yield operation("replace", path, value=new)


def escaped(name):
    return name.replace("~", "~0").replace("/", "~1")


@given(objects, objects)
def test_difference_makes_the_one_of_the_other(old, new):
    patch = list(difference(old, new))

    assert same(apply_json_patch(old, patch), new)
    assert same(apply_json_patch(old, [*patch, operation("test", "", value=new)]), new)


@given(objects, objects)
def test_patch_of_a_difference_can_be_taken_back(old, new):
    there, back = list(difference(old, new)), list(difference(new, old))

    assert same(apply_json_patch(old, there + back), old)


pointers = st.lists(names, max_size=3).map(lambda parts: "".join(f"/{escaped(part)}" for part in parts))
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]),
        "path": st.one_of(pointers, documents),
    },
    optional={"from": pointers, "value": documents},
)


@given(objects, st.lists(st.one_of(operations, documents), max_size=4))
def test_any_patch_applies_or_is_refused_and_changes_nothing(document, patch):
    before = copy.deepcopy((document, patch))

    try:
        result = apply_json_patch(document, patch)
    except ApiError:
        result = None

    assert (document, patch) == before
    assert result is not document
