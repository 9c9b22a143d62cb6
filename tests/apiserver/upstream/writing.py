"""Scripts of creations and updates: metadata, schemas, fieldValidation, status."""

import itertools
import random
from typing import Any

from tests.apiserver.upstream.playing import API, Player, widget

_OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}

METADATA: tuple[dict[str, Any], ...] = (
    *(
        {"name": name}
        for name in ("", "A", "a_b", "a.b", "a/b", "a%b", ".", "..", "-a", "a-", "x" * 254, "ä", "a b", "1")
    ),
    *({"generateName": base} for base in ("A_", ".", "gen", "gen--", "x" * 254)),
    {"namespace": "other"},
    *(
        {"labels": labels}
        for labels in ({"a": "b c"}, {"/a": "b"}, {"a/b/c": "b"}, {"a" * 64: "b"}, {"a": "x" * 64}, {"": "x"})
    ),
    *({"labels": labels} for labels in ({"UPPER.com/a": "x"}, {"a": 1}, None, [], {"a": None}, 5)),
    *(
        {"annotations": annotations}
        for annotations in ({"a b": "c"}, {"a": "x" * 300_000}, {"UP/a": "c"}, {"a/b/c": "d"}, {"a": 5})
    ),
    *({"finalizers": names} for names in (["foo"], ["kubernetes"], ["a/b", "a/b"], ["orphan", "foregroundDeletion"])),
    *({"finalizers": names} for names in ([""], ["a b/c"], ["x", "a b"], "x", [None], ["b", "a"])),
    *({"ownerReferences": owners} for owners in ([{}], [_OWNER], [_OWNER, _OWNER], {}, [5])),
    {"ownerReferences": [{**_OWNER, "controller": True}, {**_OWNER, "uid": "v", "controller": True}]},
    {"ownerReferences": [{**_OWNER, "kind": "Event"}]},
    {"ownerReferences": [{**_OWNER, "apiVersion": "a/b/c"}]},
    {"ownerReferences": [{**_OWNER, "bogus": 1}]},
    {"ownerReferences": [{**_OWNER, "name": 5}]},
    *({"uid": uid} for uid in ("mine", 5)),
    *({"resourceVersion": version} for version in ("5", "abc", "0", 5)),
    *({"generation": number} for number in (5, "5", -1, 1.0)),
    *({"creationTimestamp": time} for time in ("2001-01-01T00:00:00Z", "yesterday", "2001-01-01", 5)),
    {"deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5},
    {"selfLink": "/x", "bogus": 1},
    *({"managedFields": entries} for entries in ([{}], [{"manager": "m", "operation": "Bogus"}], 5, [5])),
)

SPECS: tuple[dict[str, Any], ...] = (
    *({"color": value} for value in ("pink", 5, None)),
    *({"count": value} for value in (-1, 101, 1.5, "1", None, 13, 2**40)),
    *({"big": value} for value in (2**63 - 1, -(2**63), 1.5)),
    *({"ratio": value} for value in (0.3, 1.5, "x")),
    *({"on": value} for value in ("yes", None, 1)),
    *({"since": value} for value in ("2019-01-01T00:00:00Z", "2019-01-01", "x", "2019-01-01T00:00:00.5+01:00", 5)),
    *({"code": value} for value in ("A", "abcdefg", "ab", "ä", "")),
    *({"note": value} for value in (None, 5)),
    *({"minimum": low, "maximum": 4} for low in (3, 5)),
    *({"port": value} for value in ("http", 5, 5.5, True, None, [])),
    *({"fixed": value} for value in ("a", "a" * 30)),
    *({"tags": value} for value in (["a", "a"], list("abcde"), ["a" * 11], [1], [None], "a", None, [], {})),
    *(
        {"ports": [{"number": 1}, other]}
        for other in ({"number": 1}, {"number": 1, "protocol": "UDP"}, {}, 5, None, {"number": "1"})
    ),
    {"ports": [{"number": 1, "x": {"y": 1}}]},
    *({"words": value} for value in ([], [""])),
    *({"limits": value} for value in ({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": "x"}, {"a.b/c": "x"}, {"a": None}, [])),
    *({"nested": value} for value in ({}, None, {"depth": "x"}, {"mode": None}, {"zz": 1})),
    *({"free": value} for value in ({"known": 5, "x": [None, {"y": None}]}, {"z": {}}, 5)),
    *({"any": value} for value in (5, None, [1, "a", {"b": None}])),
    *(
        {"embedded": value}
        for value in ({}, {"apiVersion": "v1", "kind": "pod kind"}, {"apiVersion": "v1", "kind": "Pod", "a": 1})
    ),
    {"embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "bogus": 1, "labels": {"a b": "c"}}}},
    *({"choice": value} for value in ({}, {"a": "x"}, {"a": "x", "b": "y"})),
    *({"ip": value} for value in ("1.2.3", "1.2.3.4")),
    *({"data": value} for value in ("a", "aGk=", "!!")),
    *({"id": value} for value in ("x", "123e4567-e89b-12d3-a456-426614174000")),
    {"bogus": {"a": 1}, "nested": {"zz": 1}},
)


def metadata_of_new_objects(player: Player) -> None:
    for number, metadata in enumerate(METADATA):
        player.create(widget(f"m{number}", metadata=metadata))
    for metadata in (None, 5, [], "x"):
        player.create({**widget(), "metadata": metadata})


def kinds_of_new_objects(player: Player) -> None:
    player.create({**widget(), "kind": "Gadget"})
    player.create({**widget(), "apiVersion": "v1", "kind": "ConfigMap"})
    player.create({**widget(), "bogus": 1, "status": {"phase": "Good"}})
    for kind, version in ((5, "v1"), ("Widget", 5)):
        player.create({**widget(), "kind": kind, "apiVersion": version}, texts=False)


def specs_of_new_objects(player: Player) -> None:
    for spec in SPECS:
        player.create(widget(**spec), dryRun="All")
    for spec in (None, 5, [], "x"):
        player.create({**widget(), "spec": spec}, dryRun="All")


def specs_of_changed_objects(player: Player) -> None:
    widget_of_before = player.create(widget(fixed="one", tags=["x"], ports=[{"number": 1}], code="ab"))
    path = f"{player.widgets}/a"
    for spec in SPECS:
        player.put(path, {**widget_of_before, "spec": {**widget_of_before["spec"], **spec}}, dryRun="All")


def several_faults_at_once(player: Player) -> None:
    """Drawn from the same values, the same ones each time."""
    drawn = random.Random(36)
    for _ in range(60):
        chosen = dict(itertools.chain.from_iterable(spec.items() for spec in drawn.sample(SPECS, 3)))
        player.create(widget(metadata=drawn.choice(METADATA[20:30]), **chosen), dryRun="All")


def unknown_and_duplicate_fields(player: Player) -> None:
    metadata = b'{"name":"a","labels":{"x":"1","x":"2"}}'
    spec = b'{"color":"red","color":"blue","bogus":1,"ports":[{"number":1,"z":1}],"whole":[{"a":"1","a":"2"}]}'
    kind = b'{"apiVersion":"upstream.example.com/v1","kind":"Widget","metadata":'
    for validation in ("Strict", "Warn", "Ignore", "", "Bogus"):
        body = kind + metadata + b',"spec":' + spec + b',"top":1}'
        player.create(body, fieldValidation=validation, dryRun="All")


def broken_bodies(player: Player) -> None:
    for body in (b"", b"{", b"[]", b"5", b"null", b'"x"', b"\xff", b'{"a":1}}'):
        player.create(body, texts=False)
    for media_type in (
        "text/plain",
        "application/cbor",
        "application/merge-patch+json",
        "application/x-www-form-urlencoded",
    ):
        player.create(widget(), headers={"Content-Type": media_type})
    for body in (b"a: [", b"- a", b""):
        player.create(body, headers={"Content-Type": "application/yaml"}, texts=False)


def life_of_an_object(player: Player) -> None:
    path = f"{player.widgets}/a"
    first = player.create({**widget(free={"x": 1}, bogus=1), "status": {"phase": "Good"}})
    player.create(widget())
    player.create(widget(), dryRun="All")
    player.create(widget("b"), dryRun="All")
    player.get(f"{player.widgets}/b")
    second = player.put(path, {**first, "spec": {"color": "blue"}})
    for document in (first, widget(), widget("b"), second):
        player.put(path, document)
    player.put(f"{player.widgets}/zz", widget("zz"))
    metadata = second["metadata"]
    for change in (
        {"uid": ""},
        {"namespace": "other"},
        {"name": ""},
        {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77},
        {"resourceVersion": "0"},
        {"deletionTimestamp": "2001-01-01T00:00:00Z"},
        {"managedFields": [{"operation": "Bogus"}]},
    ):
        player.put(path, {**second, "metadata": {**metadata, **change}}, dryRun="All")
    player.put(path, {**second, "kind": "Gadget"})
    player.put(path, {**second, "spec": {"color": "green"}}, dryRun="All")
    third = player.put(f"{path}/status", {**second, "status": {"phase": "Good"}, "spec": {"color": "green"}})
    marked = {**third["metadata"], "labels": {"x": "y"}, "finalizers": ["a/b"]}
    player.put(f"{path}/status", {**third, "status": {"phase": "Ugly"}, "metadata": marked})
    player.put(f"{path}/status", {**third, "status": {"phase": "Bad"}, "metadata": marked})
    for patch in (
        {"status": {"seen": 5}, "spec": {"color": "nope"}},
        {"status": None},
        {"metadata": {"labels": {"s": "t"}}},
    ):
        player.patch(f"{path}/status", patch)
    player.get(f"{path}/status")
    player.get(f"{player.widgets}/none/status")
    player.get(f"{path}/none")
    player.delete(path)
    player.get(path)


def object_of_cluster_scope(player: Player) -> None:
    gadgets = f"{API}/gadgets"
    path = f"{gadgets}/a"
    gadget = {"apiVersion": "upstream.example.com/v1", "kind": "Gadget", "metadata": {"name": "a", "namespace": "x"}}
    created = player.request("POST", gadgets, {**gadget, "spec": {"size": 1}, "status": {"phase": "x"}})
    player.put(path, {**created, "status": {"phase": "y"}})
    older = path.replace("/v1/", "/v1beta1/")
    player.get(older)
    player.patch(older, {"data": {"a": "b"}})
    player.get(f"{API}/namespaces/x/gadgets/a")
    player.get(f"{path}/status")
    player.delete(older)


WRITES = (
    metadata_of_new_objects,
    kinds_of_new_objects,
    specs_of_new_objects,
    specs_of_changed_objects,
    several_faults_at_once,
    unknown_and_duplicate_fields,
    broken_bodies,
    life_of_an_object,
    object_of_cluster_scope,
)
