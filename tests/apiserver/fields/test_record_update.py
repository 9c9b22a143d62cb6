from datetime import UTC, datetime, timedelta

import pytest

from apiserver.documents import OpaqueJson
from apiserver.errors import BadRequest
from apiserver.fields.managed import record_update
from apiserver.fields.reach import ALL_BUT_STATUS, STATUS_ALONE
from tests.apiserver.fields.things import API_VERSION, THING, entries_of, thing, with_entries

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def record(new, live=None, *, manager="curl", now=NOW, subresource="", api_version=API_VERSION, **named):
    return record_update(
        THING,
        live=live,
        new=new,
        manager=manager,
        api_version=api_version,
        subresource=subresource,
        now=now,
        **named,
    )


def written(new, live=None, **named):
    return with_entries(new, record(new, live, **named))


def test_creation_is_an_update_by_its_manager():
    assert record(thing(data={"k": "v"})) == [
        {
            "manager": "curl",
            "operation": "Update",
            "apiVersion": "example.com/v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {".": {}, "f:k": {}}},
        }
    ]


def test_identity_and_system_fields_are_nobodys():
    metadata = {
        "uid": "1",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "resourceVersion": "7",
        "generateName": "a-",
        "labels": {"app": "x"},
    }

    entries = record(thing(metadata=metadata))

    assert entries[0]["fieldsV1"] == {"f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app": {}}}}


def test_metadata_is_managed_by_item_and_key():
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u1"}
    document = thing(metadata={"finalizers": ["a/b"], "ownerReferences": [owner], "annotations": {"x/y": "1"}})

    entries = record(document)

    assert entries[0]["fieldsV1"] == {
        "f:metadata": {
            "f:annotations": {".": {}, "f:x/y": {}},
            "f:finalizers": {".": {}, 'v:"a/b"': {}},
            "f:ownerReferences": {".": {}, 'k:{"uid":"u1"}': {}},
        }
    }


def test_fields_follow_the_schema():
    spec = {
        "atomicMap": {"a": "b"},
        "list": ["a"],
        "set": ["x"],
        "containers": [{"name": "c", "env": {"A": "1"}}],
        "ports": [{"port": 80}],
        "free": {"deep": {"list": [1]}},
    }

    entries = record(thing(spec=spec))

    assert entries[0]["fieldsV1"]["f:spec"] == {
        ".": {},
        "f:atomicMap": {},
        "f:containers": {
            ".": {},
            'k:{"name":"c"}': {".": {}, "f:env": {".": {}, "f:A": {}}, "f:name": {}},
        },
        "f:free": {".": {}, "f:deep": {".": {}, "f:list": {}}},
        "f:list": {},
        "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
        "f:set": {".": {}, 'v:"x"': {}},
    }


def test_opaque_field_is_one_leaf_and_compared_by_its_octets():
    live = written(thing(spec={"free": OpaqueJson(b'{"a":1}')}))

    same = record(thing(spec={"free": OpaqueJson(b'{"a":1}')}), live, manager="b", now=LATER)
    changed = record(thing(spec={"free": OpaqueJson(b'{"a":2}')}), live, manager="b", now=LATER)

    assert same == live["metadata"]["managedFields"]
    assert changed[1]["fieldsV1"] == {"f:spec": {"f:free": {}}}


def test_changed_field_moves_to_who_changed_it():
    live = written(thing(data={"a": "1", "b": "1"}))

    new = written(thing(data={"a": "2", "b": "1"}), live, manager="kubectl", now=LATER)

    assert entries_of(new) == {
        ("curl", "Update"): {"f:data": {".": {}, "f:b": {}}},
        ("kubectl", "Update"): {"f:data": {"f:a": {}}},
    }


def test_time_moves_with_the_manager_that_writes_only():
    live = written(thing(data={"a": "1", "b": "1"}))

    entries = record(thing(data={"a": "2", "b": "1"}), live, manager="kubectl", now=LATER)

    assert [(entry["manager"], entry["time"]) for entry in entries] == [
        ("curl", "2026-01-01T00:00:00Z"),
        ("kubectl", "2026-01-01T01:00:00Z"),
    ]


def test_removed_field_is_dropped_everywhere():
    live = written(thing(data={"a": "1", "b": "1"}))

    entries = record(thing(data={"a": "1"}), live, manager="kubectl", now=LATER)

    assert [(entry["manager"], entry["fieldsV1"]) for entry in entries] == [("curl", {"f:data": {".": {}, "f:a": {}}})]


def test_update_of_nothing_gives_back_what_is_stored():
    live = written(thing(metadata={"resourceVersion": "1"}, data={"a": "1"}))
    new = thing(metadata={"resourceVersion": "2", "generation": 7}, data={"a": "1"})

    entries = record(new, live, manager="somebody-else", now=LATER)

    assert entries is live["metadata"]["managedFields"]


def test_true_is_not_one():
    live = written(thing(spec={"any": {"list": [1]}}))

    entries = record(thing(spec={"any": {"list": [True]}}), live, manager="b", now=LATER)

    assert entries[-1]["fieldsV1"] == {"f:spec": {"f:any": {"f:list": {}}}}


def test_moving_an_item_changes_no_owner():
    live = written(thing(spec={"set": ["a", "b"]}))

    assert record(thing(spec={"set": ["b", "a"]}), live, manager="b") == live["metadata"]["managedFields"]


def test_subresource_has_an_entry_of_its_own():
    live = written(thing(spec={"name": "x"}))
    new = thing(spec={"name": "x"}, status={"phase": "ready"})

    entries = record(new, live, subresource="status", now=LATER)

    assert [entry.get("subresource") for entry in entries] == [None, "status"]
    assert entries[1]["fieldsV1"] == {"f:status": {".": {}, "f:phase": {}}}


def test_endpoint_makes_nobody_manager_of_what_it_does_not_write():
    new = thing(spec={"name": "x"}, status={"phase": "ready"})

    main = record(new, reach=ALL_BUT_STATUS)
    status = record(new, reach=STATUS_ALONE, subresource="status")

    assert list(main[0]["fieldsV1"]) == ["f:spec"]
    assert list(status[0]["fieldsV1"]) == ["f:status"]


def test_entries_are_sorted_by_operation_time_and_manager():
    def entry(manager, operation, time, name):
        return {
            "manager": manager,
            "operation": operation,
            "apiVersion": "v1",
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {f"f:{name}": {}}},
        }

    given = [
        entry("b", "Update", "2025-01-01T00:00:00Z", "a"),
        entry("z", "Update", "2024-01-01T00:00:00Z", "b"),
        entry("a", "Update", "2025-01-01T00:00:00Z", "c"),
        entry("z", "Apply", "2025-06-01T00:00:00Z", "d"),
    ]
    live = with_entries(thing(data=dict.fromkeys("abcd", "1")), given)

    entries = record(thing(data=dict.fromkeys("abcde", "1")), live, now=NOW)

    assert [(entry["operation"], entry["manager"]) for entry in entries] == [
        ("Apply", "z"),
        ("Update", "z"),
        ("Update", "a"),
        ("Update", "b"),
        ("Update", "curl"),
    ]


@pytest.mark.parametrize("reset", [[], [{}]])
def test_managed_fields_are_reset_on_request_and_stay_off(reset):
    live = written(thing(data={"a": "1"}))
    new = thing(metadata={"managedFields": reset}, data={"a": "2"})

    assert record(new, live) == []
    assert record(thing(data={"a": "3"}), thing(data={"a": "2"})) == []


@pytest.mark.parametrize("reset", [[], [{}]])
def test_new_object_is_managed_whatever_it_asks_for(reset):
    assert len(record(thing(metadata={"managedFields": reset}, data={"a": "2"}))) == 1


def test_entries_that_a_caller_writes_are_kept():
    live = written(thing(data={"a": "1"}))
    given = [{**live["metadata"]["managedFields"][0], "manager": "renamed"}]

    entries = record(with_entries(thing(data={"a": "1"}), given), live)

    assert entries == given


def test_entries_that_a_caller_writes_through_a_subresource_are_not():
    live = written(thing(data={"a": "1"}))
    given = [{**live["metadata"]["managedFields"][0], "manager": "renamed"}]

    assert record(with_entries(thing(data={"a": "1"}), given), live, subresource="status") == entries_in(live)


def entries_in(document):
    return document["metadata"]["managedFields"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manager": "x" * 129}, "Too long: may not be more than 128 bytes"),
        ({"manager": "a\nb"}, r"invalid character U\+000A \(at position 1\)"),
        ({"manager": 1}, "manager: must be a string"),
        ({"subresource": "x" * 257}, "Too long"),
        ({"time": "yesterday"}, "RFC 3339"),
    ],
)
def test_entries_with_fields_that_cannot_be_are_refused(change, message):
    live = written(thing(data={"a": "1"}))
    given = [{**live["metadata"]["managedFields"][0], **change}]

    with pytest.raises(BadRequest, match=message):
        record(with_entries(thing(data={"a": "1"}), given), live)


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "Create"},
        {"operation": None},
        {"apiVersion": ""},
        {"fieldsType": "FieldsV2"},
        {"fieldsType": None},
        {"fieldsV1": {"nonsense": {}}},
        {"fieldsV1": ["f:a"]},
    ],
)
def test_entries_of_no_known_form_leave_the_live_ones(change):
    live = written(thing(data={"a": "1"}))
    given = [{**live["metadata"]["managedFields"][0], **change}]

    assert record(with_entries(thing(data={"a": "1"}), given), live) == entries_in(live)


@pytest.mark.parametrize("given", ["x", {"a": 1}, ["x"]])
def test_managed_fields_of_another_type_are_refused(given):
    with pytest.raises(BadRequest):
        record(with_entries(thing(data={"a": "1"}), given), thing())


def test_unreadable_entries_in_store_count_as_none():
    live = with_entries(thing(data={"a": "1"}), [{"manager": "x"}])

    assert record(thing(data={"a": "2"}), live) == []


def test_oldest_updaters_become_ancient_changes():
    live = None
    for number in range(13):
        now = NOW + timedelta(minutes=number)
        data = {f"k{key}": "1" for key in range(number + 1)}
        live = written(thing(data=data), live, manager=f"m{number:02}", now=now)

    entries = live["metadata"]["managedFields"]

    assert [entry["manager"] for entry in entries] == ["ancient-changes", *(f"m{n:02}" for n in range(4, 13))]
    assert entries[0]["fieldsV1"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}}}
    assert entries[0]["time"] == "2026-01-01T00:03:00Z"


def test_appliers_are_never_capped():
    applied = [
        {
            "manager": f"m{number:02}",
            "operation": "Apply",
            "apiVersion": API_VERSION,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
        for number in range(12)
    ]
    live = with_entries(thing(data={"a": "1"}), applied)

    assert len(record(thing(data={"a": "1", "b": "1"}), live)) == 13


def test_entries_of_other_groups_of_one_object_are_honoured():
    live = written(thing(data={"a": "1", "b": "1"}), api_version="openreports.io/v1alpha1")

    entries = record(thing(data={"a": "2", "b": "1"}), live, api_version="wgpolicyk8s.io/v1alpha2", now=LATER)

    assert [(entry["apiVersion"], entry["fieldsV1"]) for entry in entries] == [
        ("openreports.io/v1alpha1", {"f:data": {".": {}, "f:b": {}}}),
        ("wgpolicyk8s.io/v1alpha2", {"f:data": {"f:a": {}}}),
    ]


def test_field_that_became_atomic_is_owned_whole():
    granular = [
        {
            "manager": "a",
            "operation": "Update",
            "apiVersion": API_VERSION,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:atomicMap": {".": {}, "f:x": {}}, "f:list": {'v:"a"': {}}}},
        }
    ]
    live = with_entries(thing(spec={"atomicMap": {"x": "1"}, "list": ["a"]}), granular)

    entries = record(thing(spec={"atomicMap": {"x": "1"}, "list": ["a"], "name": "b"}), live)

    assert {entry["manager"]: entry["fieldsV1"] for entry in entries}["a"] == {
        "f:spec": {"f:atomicMap": {}, "f:list": {}}
    }


def test_duplicates_are_owned_as_one():
    entries = record(thing(spec={"set": ["a", "a"], "containers": [{"name": "a"}, {"name": "a", "image": "x"}]}))

    assert entries[0]["fieldsV1"]["f:spec"] == {
        ".": {},
        "f:containers": {".": {}, 'k:{"name":"a"}': {}},
        "f:set": {".": {}, 'v:"a"': {}},
    }


def test_items_without_a_key_are_left_to_validation():
    entries = record(thing(spec={"set": [{"a": 1}, "b"], "containers": [{"image": "x"}, 7]}))

    assert entries[0]["fieldsV1"]["f:spec"] == {".": {}, "f:containers": {}, "f:set": {".": {}, 'v:"b"': {}}}


def test_nobody_is_unknown():
    assert record(thing(data={"a": "1"}), manager="")[0]["manager"] == "unknown"


def test_nothing_that_is_handed_in_changes():
    live = written(thing(data={"a": "1"}, spec={"set": ["a"]}))
    new = thing(data={"b": "1"}, spec={"set": ["a", "b"]})
    before = repr((live, new))

    record(new, live, manager="b")

    assert repr((live, new)) == before


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = {"a": value}
    return thing(spec={"free": value})


def test_deep_documents_are_recorded():
    assert record(nested(200))


def test_documents_that_are_too_deep_are_refused():
    with pytest.raises(BadRequest, match="nested too deeply"):
        record(nested(5000))
