from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.documents import OpaqueJson
from apiserver.errors import ApplyConflict, BadRequest, UnexpectedValue
from apiserver.fields.apply import apply
from apiserver.fields.managed import record_update
from apiserver.fields.reach import ALL_BUT_STATUS, STATUS_ALONE
from tests.apiserver.fields.things import (
    API_VERSION,
    THING,
    entries_of,
    thing,
    with_entries,
    without_entries,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def applied(document, live=None, *, manager="me", force=False, now=NOW, subresource="", **named):
    return apply(
        THING,
        live=live,
        applied=document,
        manager=manager,
        force=force,
        api_version=named.pop("api_version", API_VERSION),
        subresource=subresource,
        now=now,
        **named,
    )


def updated(document, live=None, *, manager="curl", now=NOW, subresource=""):
    entries = record_update(
        THING,
        live=live,
        new=document,
        manager=manager,
        api_version=API_VERSION,
        subresource=subresource,
        now=now,
    )
    return with_entries(document, entries)


def conflict(document, live, **named):
    with pytest.raises(ApplyConflict) as refusal:
        applied(document, live, **named)
    return refusal.value


# What an apply leaves


def test_first_apply_creates_the_object():
    assert applied(thing(data={"k": "v"})) == thing(
        metadata={
            "managedFields": [
                {
                    "manager": "me",
                    "operation": "Apply",
                    "apiVersion": "example.com/v1",
                    "time": "2026-01-01T00:00:00Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": {"f:k": {}}},
                }
            ]
        },
        data={"k": "v"},
    )


def test_apply_adds_to_what_others_wrote():
    live = updated(thing(data={"a": "1"}))

    result = applied(thing(data={"b": "2"}), live)

    assert result["data"] == {"a": "1", "b": "2"}
    assert entries_of(result) == {
        ("me", "Apply"): {"f:data": {"f:b": {}}},
        ("curl", "Update"): {"f:data": {".": {}, "f:a": {}}},
    }


def test_apply_again_changes_nothing():
    document = thing(
        metadata={"labels": {"a": "b"}}, data={"k": "v"}, spec={"set": ["a"], "containers": [{"name": "c"}]}
    )
    live = applied(document)

    assert applied(document, live, now=LATER) == live


def test_equal_values_are_shared():
    live = applied(thing(data={"k": "v"}), manager="other")

    result = applied(thing(data={"k": "v"}), live)

    assert entries_of(result) == {
        ("me", "Apply"): {"f:data": {"f:k": {}}},
        ("other", "Apply"): {"f:data": {"f:k": {}}},
    }


def test_update_and_apply_of_one_manager_are_two_entries():
    live = updated(thing(data={"a": "1"}), manager="me")

    result = applied(thing(data={"a": "1"}), live, manager="me")

    assert set(entries_of(result)) == {("me", "Update"), ("me", "Apply")}


def test_no_entries_make_way_for_one_that_stands_for_all_writers():
    result = applied(thing(data={"b": "2"}), thing(data={"a": "1"}))

    assert entries_of(result) == {
        ("me", "Apply"): {"f:data": {"f:b": {}}},
        ("before-first-apply", "Update"): {"f:data": {".": {}, "f:a": {}}},
    }


def test_opaque_field_is_applied_as_it_is():
    document = thing(spec={"free": OpaqueJson(b'{"b":[1]}')})
    live = updated(thing(spec={"free": OpaqueJson(b'{"a":[1]}')}))

    assert conflict(document, live).causes[0].field == ".spec.free"
    assert applied(document, live, force=True)["spec"] == document["spec"]


def test_items_of_a_list_map_are_merged_by_key():
    live = updated(thing(spec={"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}))
    document = thing(spec={"containers": [{"name": "c"}, {"name": "b", "args": ["x"]}]})

    result = applied(document, live)

    assert result["spec"]["containers"] == [
        {"name": "a", "image": "1"},
        {"name": "c"},
        {"name": "b", "image": "1", "args": ["x"]},
    ]


def test_missing_key_of_an_item_is_its_default():
    live = updated(thing(spec={"ports": [{"port": 80, "name": "web"}]}))

    result = applied(thing(spec={"ports": [{"port": 80, "protocol": "TCP", "name": "web"}]}), live)

    assert result["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "name": "web"}]


@pytest.mark.parametrize(
    ("live", "applied_set", "merged"),
    [
        (["a", "b"], ["b", "a"], ["b", "a"]),
        (["a", "b", "c"], ["d", "b"], ["a", "d", "b", "c"]),
        (["a"], ["b", "c"], ["a", "b", "c"]),
        ([], ["b"], ["b"]),
        (["a", "a", "b"], ["a"], ["a", "b"]),
        (["a", "b"], [], ["a", "b"]),
    ],
)
def test_order_of_a_merged_set(live, applied_set, merged):
    result = applied(thing(spec={"set": applied_set}), updated(thing(spec={"set": live})), force=True)

    assert result["spec"]["set"] == merged


def test_applied_null_clears_a_leaf_and_leaves_a_container():
    live = updated(thing(spec={"name": "x", "labels": {"a": "1"}}))

    result = applied(thing(spec={"name": None, "labels": None}), live, force=True)

    assert result["spec"] == {"name": None, "labels": {"a": "1"}}


# What an apply takes away


def test_field_applied_no_longer_is_removed():
    live = applied(thing(data={"a": "1", "b": "2"}))

    result = applied(thing(data={"a": "1"}), live, now=LATER)

    assert result["data"] == {"a": "1"}
    assert entries_of(result) == {("me", "Apply"): {"f:data": {"f:a": {}}}}


def test_field_that_somebody_else_manages_stays():
    live = applied(thing(data={"a": "1", "b": "2"}))
    live = applied(thing(data={"b": "2"}), live, manager="other")

    result = applied(thing(data={"a": "1"}), live)

    assert result["data"] == {"a": "1", "b": "2"}
    assert entries_of(result)["other", "Apply"] == {"f:data": {"f:b": {}}}


def test_field_that_an_update_took_over_stays():
    live = applied(thing(data={"a": "1", "b": "2"}))
    live = updated({**live, "data": {"a": "1", "b": "3"}}, live)

    assert applied(thing(data={"a": "1"}), live)["data"] == {"a": "1", "b": "3"}


def test_item_applied_no_longer_is_removed_with_all_that_is_only_its():
    live = applied(thing(spec={"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}))

    result = applied(thing(spec={"containers": [{"name": "b", "image": "1"}]}), live)

    assert result["spec"]["containers"] == [{"name": "b", "image": "1"}]


def test_item_keeps_what_another_manager_has_in_it():
    live = applied(thing(spec={"containers": [{"name": "a", "image": "1"}]}))
    live = applied(thing(spec={"containers": [{"name": "a", "args": ["x"]}]}), live, manager="other")

    result = applied(thing(spec={"containers": []}), live)

    assert result["spec"]["containers"] == [{"name": "a", "args": ["x"]}]


def test_applying_nothing_gives_everything_back():
    live = applied(thing(data={"a": "1"}))

    result = applied(thing(), live)

    assert result == thing(metadata=result["metadata"])
    assert "managedFields" not in result["metadata"]


# Conflicts


def test_one_conflict_is_told_in_the_words_of_kube_apiserver():
    live = record_and_keep(thing(data={"k": "v"}), api_version="v1")

    error = conflict(thing(data={"k": "w"}), live)

    assert str(error) == 'Apply failed with 1 conflict: conflict with "curl" using v1: .data.k'
    assert [cause.document for cause in error.causes] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "curl" using v1', "field": ".data.k"}
    ]


def record_and_keep(document, *, api_version):
    entries = record_update(
        THING, live=None, new=document, manager="curl", api_version=api_version, subresource="", now=NOW
    )
    return with_entries(document, entries)


def test_many_conflicts_are_told_by_manager():
    live = updated(thing(data={"x": "1", "y": "1"}), manager="b")
    live = applied(thing(spec={"set": ["a"], "containers": [{"name": "c", "image": "1"}]}), live, manager="a")

    error = conflict(thing(data={"x": "2", "y": "2"}, spec={"containers": [{"name": "c", "image": "2"}]}), live)

    assert str(error) == (
        'Apply failed with 3 conflicts: conflicts with "a":\n'
        '- .spec.containers[name="c"].image\n'
        'conflicts with "b" using example.com/v1:\n'
        "- .data.x\n"
        "- .data.y"
    )
    assert [cause.field for cause in error.causes] == ['.spec.containers[name="c"].image', ".data.x", ".data.y"]


def test_conflict_names_the_subresource():
    live = updated(thing(status={"phase": "x"}), thing(data={}), subresource="status")
    live = updated(thing(status={"phase": "x"}), subresource="status")

    assert 'conflict with "curl" with subresource "status" using example.com/v1: .status.phase' in str(
        conflict(thing(status={"phase": "y"}), live)
    )


def test_force_takes_the_field():
    live = updated(thing(data={"k": "v"}))

    result = applied(thing(data={"k": "w"}), live, force=True)

    assert result["data"] == {"k": "w"}
    assert entries_of(result) == {("me", "Apply"): {"f:data": {"f:k": {}}}, ("curl", "Update"): {"f:data": {}}}


def test_own_fields_are_no_conflict():
    live = applied(thing(data={"k": "v"}))

    assert applied(thing(data={"k": "w"}), live)["data"] == {"k": "w"}


def test_entries_of_other_groups_of_one_object_are_in_conflict_too():
    live = record_and_keep(thing(data={"k": "v"}), api_version="openreports.io/v1alpha1")

    error = conflict(thing(data={"k": "w"}), live)

    assert str(error) == 'Apply failed with 1 conflict: conflict with "curl" using openreports.io/v1alpha1: .data.k'


# Subresources


def test_main_resource_does_not_manage_status():
    result = applied(thing(data={"k": "v"}, status={"phase": "x"}), reach=ALL_BUT_STATUS)

    assert entries_of(result) == {("me", "Apply"): {"f:data": {"f:k": {}}}}


def test_status_does_not_manage_the_rest():
    live = updated(thing(data={"k": "v"}))
    document = thing(metadata={"labels": {"a": "b"}}, status={"phase": "x"})

    result = applied(document, live, subresource="status", reach=STATUS_ALONE)

    assert entries_of(result)["me", "Apply"] == {"f:status": {"f:phase": {}}}


# What is refused


@pytest.mark.parametrize("entries", [[], [{}], [{"manager": "x"}]])
def test_managed_fields_cannot_be_applied(entries):
    with pytest.raises(BadRequest, match=r"^metadata\.managedFields must be nil$"):
        applied(thing(metadata={"managedFields": entries}))


def test_another_version_cannot_be_applied():
    with pytest.raises(BadRequest, match="Incorrect version specified in apply patch"):
        applied(thing(), api_version="example.com/v2")


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"set": ["a", "a"]}, '.spec.set: duplicate entries for key [="a"]'),
        (
            {"containers": [{"name": "a"}, {"name": "a", "image": "x"}]},
            '.spec.containers: duplicate entries for key [name="a"]',
        ),
        ({"ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]}, ".spec.ports: duplicate entries"),
        ({"bogus": 1}, ".spec.bogus: field not declared in schema"),
        ({"containers": [{"name": "a", "bogus": 1}]}, '.spec.containers[name="a"].bogus: field not declared in schema'),
        ({"name": 1}, ".spec.name: expected string, got &value.valueUnstructured{Value:1}"),
        ({"count": "x"}, ".spec.count: expected numeric (int or float), got string"),
        ({"count": True}, ".spec.count: expected numeric (int or float), got bool"),
        ({"on": 1}, ".spec.on: expected boolean, got &{1}"),
        ({"labels": "x"}, ".spec.labels: expected map, got &{x}"),
        ({"list": "x"}, ".spec.list: expected list, got &{x}"),
        ({"name": {}}, ".spec.name: expected string"),
        ({"name": []}, ".spec.name: expected string"),
        ({"set": [None]}, ".spec.set: element 0: associative list without keys has an element that's an explicit null"),
        ({"set": [{}]}, ".spec.set: element 0: associative list without keys has an element that's a map type"),
        ({"set": [[]]}, ".spec.set: element 0: not supported: associative list with lists as elements"),
        (
            {"containers": [None]},
            ".spec.containers: element 0: associative list with keys may not have a null element",
        ),
        (
            {"containers": ["a"]},
            ".spec.containers: element 0: associative list with keys may not have non-map elements",
        ),
        (
            {"containers": [{"image": "x"}]},
            '.spec.containers: element 0: associative list with keys has an element that omits all key fields ["name"] (',
        ),
    ],
)
def test_document_of_other_types_is_refused_as_by_kube_apiserver(spec, fault):
    with pytest.raises(UnexpectedValue) as refusal:
        applied(thing(spec=spec))

    assert str(refusal.value).startswith(
        f"failed to create typed patch object (gold/a; example.com/v1, Kind=Thing): {fault}"
    )


def test_all_faults_are_told():
    with pytest.raises(UnexpectedValue) as refusal:
        applied(thing(spec={"name": 1, "on": "x"}))

    assert "errors:\n  .spec.name: expected string" in str(refusal.value)
    assert "\n  .spec.on: expected boolean, got &{x}" in str(refusal.value)


def test_free_fields_take_anything():
    spec = {"free": {"a": [1, {"b": None}]}, "any": [1, "x"]}

    assert applied(thing(spec=spec))["spec"] == spec


# Whatever is applied


def test_result_shares_nothing_with_what_was_handed_in():
    live = updated(thing(data={"a": "1"}, spec={"containers": [{"name": "a", "args": ["x"]}]}))
    document = thing(spec={"containers": [{"name": "b", "args": ["y"]}]})
    before = repr((live, document))

    result = applied(document, live)
    result["data"]["a"] = "changed"
    for container in result["spec"]["containers"]:
        container["args"].append("changed")
    result["metadata"]["labels"] = {"changed": "yes"}

    assert repr((live, document)) == before


def test_documents_that_are_too_deep_are_refused():
    value = {}
    for _ in range(5000):
        value = {"a": value}

    with pytest.raises(BadRequest, match="nested too deeply"):
        applied(thing(spec={"free": value}))


def test_deep_documents_are_applied():
    value = {}
    for _ in range(200):
        value = {"a": value}

    assert applied(thing(spec={"free": value}), updated(thing(spec={"free": value})))


letters = st.sampled_from("abc")
specs = st.fixed_dictionaries(
    {},
    optional={
        "name": letters,
        "labels": st.dictionaries(letters, letters, max_size=3),
        "atomicMap": st.dictionaries(letters, letters, max_size=2),
        "list": st.lists(letters, max_size=3),
        "set": st.lists(letters, max_size=3, unique=True),
        "containers": st.lists(
            st.fixed_dictionaries(
                {"name": letters}, optional={"image": letters, "args": st.lists(letters, max_size=1)}
            ),
            max_size=3,
            unique_by=lambda container: container["name"],
        ),
        "free": st.dictionaries(letters, st.one_of(letters, st.dictionaries(letters, letters, max_size=2)), max_size=2),
    },
)
things = st.builds(lambda spec: thing(spec=spec), specs)


@given(things, things, st.booleans())
def test_applying_twice_is_applying_once(before, document, forced):
    live = updated(before)
    try:
        once = applied(document, live, force=forced)
    except ApplyConflict:
        assert not forced
        return

    assert applied(document, once, now=LATER) == once


@given(things, things)
def test_forced_apply_holds_what_was_applied(before, document):
    result = applied(document, updated(before), force=True)

    again = updated(without_entries(result), result, manager="somebody")
    assert again == result
    assert holds(result["spec"], document["spec"])


@given(things, things)
def test_what_one_manager_applies_is_gone_when_it_applies_nothing(before, document):
    live = applied(before, manager="other")
    with_mine = applied(document, live, force=True)

    rest = applied({**thing(), "spec": {}}, with_mine)

    assert ("me", "Apply") not in entries_of(rest) or entries_of(rest)["me", "Apply"] == {"f:spec": {}}


def holds(document, part):
    """Whether each leaf of `part` stands in `document`; items of lists are looked for anywhere."""
    if isinstance(part, dict) and isinstance(document, dict):
        return all(name in document and holds(document[name], value) for name, value in part.items())
    if isinstance(part, list) and isinstance(document, list):
        return all(any(holds(item, wanted) for item in document) for wanted in part)
    return document == part
