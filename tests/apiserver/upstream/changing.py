"""Scripts of patches and applies."""

from typing import Any

from tests.apiserver.upstream.playing import Player, widget

_JSON_PATCHES: tuple[Any, ...] = (
    [],
    {},
    [{}],
    [5],
    "x",
    [{"op": "bogus", "path": "/spec"}],
    [{"op": "add", "path": "spec"}],
    [{"op": "add", "path": 5}],
    [{"op": "add", "path": "/spec/count"}],
    [{"op": "add", "path": "/spec/count", "value": 7, "bogus": 1}],
    [{"op": "add", "path": "/spec/missing/x", "value": 5}],
    [{"op": "add", "path": "/spec/bogus", "value": 1}],
    [{"op": "add", "path": "/spec/limits/a~1b", "value": 1}],
    [{"op": "add", "path": "/status", "value": {"seen": 1}}],
    *([{"op": "add", "path": f"/spec/tags/{index}", "value": "z"}] for index in ("-", "9", "-1", "x")),
    *(
        [{"op": "remove", "path": path}]
        for path in ("/spec/nope", "/spec/tags/-", "/metadata/name", "", "/metadata", "/spec")
    ),
    *([{"op": "test", "path": "/spec/color", "value": value}] for value in ("red", "blue")),
    *([{"op": "test", "path": "/spec/nope", **value}] for value in ({}, {"value": None})),
    *([{"op": op, "from": "/spec/tags", "path": "/spec/words"}] for op in ("copy", "move")),
    [{"op": "move", "from": "/spec/nope", "path": "/spec/words"}],
    [{"op": "replace", "path": "", "value": 5}],
    *([{"op": "replace", "path": f"/metadata/{name}", "value": "other"}] for name in ("name", "namespace", "uid")),
    [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}],
    [{"op": "replace", "path": "/metadata/generation", "value": 77}],
    [{"op": "replace", "path": "/metadata/creationTimestamp", "value": "2001-01-01T00:00:00Z"}],
    [{"op": "replace", "path": "/kind", "value": "Gadget"}],
    [{"op": "replace", "path": "/apiVersion", "value": "v1"}],
)

_MERGE_PATCHES: tuple[dict[str, Any], ...] = (
    {},
    {"bogus": 1},
    *({"spec": value} for value in (None, 5, [], {"tags": ["z"]}, {"limits": {"a": None, "b": 2}}, {"count": None})),
    *({"spec": {"nested": value}} for value in (None, {"depth": None})),
    {"metadata": None},
    *({"metadata": {"name": value}} for value in ("z", None)),
    *({"metadata": {"uid": value}} for value in ("x", None)),
    *({"metadata": {"resourceVersion": value}} for value in ("1", None)),
    *({"metadata": {"labels": value}} for value in (None, {"l": None}, {"x": "y"})),
    *({"metadata": {"managedFields": value}} for value in (None, [{}])),
    {"metadata": {"namespace": None, "generation": 9, "creationTimestamp": None, "bogus": 1}},
    {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}},
    {"metadata": {"finalizers": ["x"]}},
    {"kind": "X"},
    {"apiVersion": "v1"},
    {"status": {"seen": 1}},
)


def patched(player: Player) -> str:
    player.create(
        widget(metadata={"labels": {"l": "1"}}, tags=["x", "y"], limits={"a": 1}, ports=[{"number": 1, "name": "n"}])
    )
    return f"{player.widgets}/a"


def json_patches(player: Player) -> None:
    path = patched(player)
    for operations in _JSON_PATCHES:
        player.patch(path, operations, kind="json-patch+json", dryRun="All")
    player.patch(path, b'[{"op":"add","op":"remove","path":"/spec/count"}]', kind="json-patch+json", dryRun="All")


def merge_patches(player: Player) -> None:
    path = patched(player)
    for patch in _MERGE_PATCHES:
        player.patch(path, patch, dryRun="All")
    duplicates = b'{"spec":{"color":"red","color":"blue","bogus":1}}'
    for validation in ("Warn", "Ignore"):
        player.patch(path, duplicates, dryRun="All", fieldValidation=validation)
    player.patch(path, duplicates, fieldValidation="Strict", texts=False)
    for patch in ({"metadata": {"labels": {"x": 5}}}, {"metadata": 5}, b"{", b"[]", b"5", b""):
        player.patch(path, patch, texts=False)


def options_of_patches(player: Player) -> None:
    path = patched(player)
    for options in (
        *({"force": text} for text in ("true", "false", "bogus")),
        *({"fieldManager": text} for text in ("x" * 129, "a\0b", "a\nb", "a\u200bb", '"\t', "ü")),
        *({"fieldValidation": text} for text in ("x", "strict", "")),
        *({"dryRun": text} for text in ("x", ["All", "All"], ["All", "x"])),
        {"fieldManager": "x" * 129, "fieldValidation": "x", "dryRun": "x"},
    ):
        player.patch(path, {}, **options)
    for media_type in ("text/plain", "application/json", "application/strategic-merge-patch+json"):
        player.request("PATCH", path, {}, headers={"Content-Type": media_type}, texts=False)


def managers(player: Player) -> None:
    path = patched(player)
    for manager, count in (("one", 2), ("one", 3), ("two", 3), ("two", 4)):
        player.patch(path, {"spec": {"count": count}}, fieldManager=manager)
    player.patch(path, {"metadata": {"managedFields": [{}]}})
    player.patch(path, {"spec": {"count": 5}})


def applied(name: str = "a", **spec: object) -> dict[str, Any]:
    return {**widget(name), "spec": spec}


def applies(player: Player) -> None:
    path = f"{player.widgets}/a"
    mine = applied(color="red", tags=["x"], ports=[{"number": 1, "name": "one"}], limits={"a": 1}, solid={"a": "1"})
    player.apply(path, mine, manager="m1")
    player.apply(path, applied(color="red", tags=["y"], ports=[{"number": 2}], limits={"b": 1}), manager="m2")
    taken = applied(color="blue", limits={"a": 5}, solid={"b": "2"}, ports=[{"number": 1, "name": "other"}])
    player.apply(path, taken, manager="m2")
    player.apply(path, applied(color="blue", limits={"a": 5}), manager="m2", force="true")
    player.apply(path, applied(color="green"), manager="m1", force="false")
    player.apply(path, applied(color="blue"), manager="m1")
    player.apply(path, applied(color="blue", count=7), manager="m1", dryRun="All")
    player.get(path)
    status = {**widget(), "status": {"conditions": [{"type": "A", "status": "x"}]}}
    status.pop("spec")
    player.apply(f"{path}/status", status, manager="s1")
    player.apply(f"{path}/status", {**status, "status": {"conditions": [{"type": "A", "status": "y"}]}}, manager="s2")
    player.apply(f"{player.widgets}/none/status", {**status, "metadata": {"name": "none"}})
    player.put(path, {**player.get(path), "spec": {"color": "green", "limits": {"z": 1}}}, fieldManager="u1")
    player.apply(path, applied(color="red", limits={"z": 2}), manager="m1")
    player.apply(path, applied(color="green", tags=["n", "o"], whole=[{"a": "q"}]), manager="m3")
    player.apply(path, applied(color="green", tags=["o"], whole=[{"a": "r"}]), manager="m3")
    player.apply(path, applied(color="green", whole=[{"a": "s"}]), manager="m4")
    player.apply(path, applied(color="green"), manager="m3")


def applies_that_are_refused(player: Player) -> None:
    path = f"{player.widgets}/a"
    player.patch(path, applied(color="blue"), kind="apply-patch+yaml")
    player.apply(path, applied("c", color="blue"))
    player.apply(path, {**applied(color="red"), "metadata": {}})
    player.apply(path, {**applied(color="red"), "metadata": {"name": "a", "uid": "x"}})
    for document in (
        *({}, {"kind": "Widget"}, {"apiVersion": "upstream.example.com/v1"}, {"apiVersion": "v1", "kind": "ConfigMap"}),
        {"apiVersion": "upstream.example.com/v1", "kind": "Gadget"},
        *(applied(color="red", **spec) for spec in ({"bogus": 1}, {"count": "x"}, {"tags": ["a", "a"]})),
        *(applied(color="red", ports=ports) for ports in ([{"number": 1}, {"number": 1}], [{"name": "x"}])),
        *({**applied(color="red"), **change} for change in ({"bogus": 1}, {"spec": 5})),
        *({**applied(), "spec": spec} for spec in ({"color": "pink"}, {})),
        {**applied(color="red"), "metadata": {"name": "a", "managedFields": [{}]}},
        {**applied(color="red"), "metadata": {"name": "a", "namespace": "other"}},
    ):
        for validation in ("Warn", "Strict"):
            player.apply(path, document, dryRun="All", fieldValidation=validation)
    for body in (b"a: [", b"{", b"- a\n", b"x\n", b"5"):
        player.apply(path, body, texts=False)


CHANGES = (
    json_patches,
    merge_patches,
    options_of_patches,
    managers,
    applies,
    applies_that_are_refused,
)
