"""What k8s.io/apiserver/pkg/storage/testing/watcher_tests.go asks of a watch, asked of the server.

Names of tests and cases are upstream's, so that a reader can match them.
"""

import itertools
import threading
import time

import pytest

from tests.apiserver.client import eventually, in_background
from tests.apiserver.conformance.pods import GROUP, pod, revision, seen
from tests.threads import join

MATCH = {"resourceVersionMatch": "NotOlderThan"}
_numbers = itertools.count()


def initial_events_end(event) -> bool:
    annotations = event["object"]["metadata"].get("annotations") or {}
    return event["type"] == "BOOKMARK" and annotations == {"k8s.io/initial-events-end": "true"}


def told_until(watch, name):
    """Events up to the first of such a name, which is not told itself."""
    found = []
    while (event := watch.next())["type"] == "BOOKMARK" or not event["object"]["metadata"]["name"].startswith(name):
        found.append(event)
    return found


def live_until(pods, told):
    """Something happens again and again: nobody knows when a watch that begins with nothing was established."""
    for number in range(600):
        pods.create(f"live-{number}")
        if told.wait(0.1):
            return


# Watch


def test_watch_create_a_key(pods):
    with pods.watch(resourceVersion=pods.present) as watch:
        created = pods.create("a")
        event = watch.next()

    assert (seen(event), revision(event["object"])) == (("ADDED", "a"), created)


def test_watch_key_updated_to_match_predicate(pods):
    start = pods.create("a")
    with pods.watch(resourceVersion=start, labelSelector="x=y") as watch:
        matching = pods.label("a", x="y")
        event = watch.next()

    assert (seen(event), revision(event["object"])) == (("ADDED", "a"), matching)


def test_watch_update(pods):
    start = pods.create("a")
    with pods.watch(resourceVersion=start) as watch:
        changed = pods.label("a", x="y")
        event = watch.next()

    assert (seen(event), revision(event["object"])) == (("MODIFIED", "a"), changed)


def test_watch_delete_because_of_being_filtered(pods):
    start = pods.create("a", x="y")
    with pods.watch(resourceVersion=start, labelSelector="x=y") as watch:
        filtered = pods.label("a", x="z")
        event = watch.next()

    assert (seen(event), revision(event["object"])) == (("DELETED", "a"), filtered)
    assert event["object"]["metadata"]["labels"] == {"x": "y"}


def test_watch_filtering(pods):
    start = pods.create("a")
    with pods.watch(resourceVersion=start, fieldSelector="metadata.name=b") as watch:
        pods.label("a", x="y")
        pods.create("b")

        assert seen(watch.next()) == ("ADDED", "b")


def test_watch_from_zero(pods):
    created = pods.create("a")
    with pods.watch(resourceVersion=0) as watch:
        first = watch.next()
        changed = pods.label("a", x="y")
        second = watch.next()
        pods.delete("a")
        third = watch.next()

    assert [seen(event) for event in (first, second, third)] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert [revision(event["object"]) for event in (first, second)] == [created, changed]
    with pods.watch(resourceVersion=0) as watch:
        pods.create("b")
        assert seen(watch.next()) == ("ADDED", "b")


def test_watch_from_non_zero(pods):
    start = pods.create("a")
    changed = pods.label("a", x="y")
    with pods.watch(resourceVersion=start) as watch:
        event = watch.next()

    assert (seen(event), revision(event["object"])) == (("MODIFIED", "a"), changed)


def test_delayed_watch_delivery(pods):
    start = pods.present
    for number in range(20):
        pods.create(f"p{number:02}")
    with pods.watch(resourceVersion=start) as watch:
        events = [watch.next() for _ in range(20)]

    assert [event["object"]["metadata"]["name"] for event in events] == [f"p{number:02}" for number in range(20)]


def test_delete_trigger_watch(pods):
    start = pods.create("a")
    with pods.watch(resourceVersion=start) as watch:
        pods.delete("a")

        assert seen(watch.next()) == ("DELETED", "a")


def test_watch_delete_event_object_have_latest_rv(pods):
    start = pods.create("a")
    with pods.watch(resourceVersion=start) as watch:
        pods.delete("a")
        event = watch.next()

    assert start < revision(event["object"]) <= pods.present


def test_watcher_timeout(pods):
    begun = time.monotonic()
    with pods.watch(resourceVersion=pods.present, timeoutSeconds=1) as watch:
        assert watch.rest() == []
    assert time.monotonic() - begun < 40  # one of which none is said ends after half an hour


def test_watch_context_cancel(server, pods):
    """A caller that goes leaves nothing behind."""

    def watchers() -> float:
        lines = pods.api.get("/metrics").octets.decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("chancery_apiserver_watchers "))

    before = watchers()
    pods.watch(resourceVersion=pods.present).close()

    eventually(lambda: watchers() == before)


def test_watch_initialization_signal(pods):
    """Headers come at once, also where nothing happens: a client waits for them for a minute."""
    with pods.watch(resourceVersion=pods.present) as watch:
        assert watch.status == 200


# ClusterScopedWatch, NamespaceScopedWatch


@pytest.mark.parametrize("named", [True, False], ids=["name in path", "name not in path"])
@pytest.mark.parametrize("selector", ["", "spec.nodeName=n1"], ids=["no field selector", "spec.nodeName"])
def test_cluster_scoped_watch(api, named, selector):
    wanted, other = (f"node-{next(_numbers)}" for _ in range(2))
    start = revision(api.get(f"{GROUP}/nodes").document)
    terms = [selector] * bool(selector) + [f"metadata.name={wanted}"] * named

    def node(name, where):
        return {"kind": "Node", "apiVersion": "conformance.example.com/v1", "metadata": {"name": name}, "spec": where}

    with api.watch(f"{GROUP}/nodes", resourceVersion=start, fieldSelector=",".join(terms)) as watch:
        api.create(f"{GROUP}/nodes", node(other, {"nodeName": "n2"}))
        api.create(f"{GROUP}/nodes", node(wanted, {"nodeName": "n1"}))
        api.create(f"{GROUP}/nodes", node(f"{wanted}-last", {"nodeName": "n1"}))
        api.delete(f"{GROUP}/nodes/{wanted}")
        events = []
        while not events or events[-1][0] != "DELETED":
            events.append(seen(watch.next()))

    told = [name for kind, name in events if kind == "ADDED"]
    expected = [other, wanted, f"{wanted}-last"]
    assert told == [name for name in expected if (not named or name == wanted) and (not selector or name != other)]
    assert "namespace" not in api.get(f"{GROUP}/nodes/{other}").document["metadata"]


@pytest.mark.parametrize("in_path", [True, False], ids=["namespace in path", "namespace not in path"])
@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", ["a/x", "b/x", "a/y"]),
        ("metadata.name=x", ["a/x", "b/x"]),
        ("metadata.namespace={a}", ["a/x", "a/y"]),
        ("metadata.namespace={b}", ["b/x"]),
        ("spec.nodeName=n1", ["a/x", "b/x"]),
        ("metadata.name=x,metadata.namespace={a}", ["a/x"]),
        ("metadata.name=x,spec.nodeName=n2", []),
        ("metadata.namespace={a},spec.nodeName=n2", ["a/y"]),
        ("metadata.name=y,metadata.namespace={a},spec.nodeName=n2", ["a/y"]),
    ],
)
def test_namespace_scoped_watch(pods, in_path, selector, expected):
    a, b = pods.beside("a"), pods.beside("b")
    path = a.path if in_path else f"{GROUP}/pods"
    field_selector = selector.format(a=a.namespace, b=b.namespace)
    with pods.api.watch(
        path, resourceVersion=pods.present, fieldSelector=field_selector, labelSelector=f"of={pods.namespace}"
    ) as watch:
        for place, name, node in ((a, "x", "n1"), (b, "x", "n1"), (a, "y", "n2")):
            place.create(name, node=node, of=pods.namespace)
        expected = [one for one in expected if one.startswith("a/") or not in_path]
        events = [watch.next() for _ in expected]
        for place, name in ((a, "x"), (b, "x"), (a, "y")):
            place.delete(name)
        gone = [watch.next() for _ in expected]

    def told(events, kind):
        assert {event["type"] for event in events} <= {kind}
        metadata = [event["object"]["metadata"] for event in events]
        return [f"{one['namespace'].rpartition('-')[2]}/{one['name']}" for one in metadata]

    assert told(events, "ADDED") == told(gone, "DELETED") == expected


# Bookmarks and initial events


@pytest.mark.parametrize("allowed", [True, False], ids=["allowWatchBookmarks=true", "allowWatchBookmarks=false"])
def test_watch_dispatch_bookmark_events(pods, allowed):
    with pods.watch(
        resourceVersion=pods.present, timeoutSeconds=4, allowWatchBookmarks="true" if allowed else "false"
    ) as watch:
        last = pods.beside("other").create("a")
        events = watch.rest()

    assert {event["type"] for event in events} == ({"BOOKMARK"} if allowed else set())
    if allowed:
        assert revision(events[-1]["object"]) >= last
        assert set(events[-1]["object"]) == {"kind", "apiVersion", "metadata"}


def test_watch_bookmarks_with_correct_resource_version(pods):
    with pods.watch(resourceVersion=pods.present, timeoutSeconds=4, allowWatchBookmarks="true") as watch:
        for number in range(10):
            pods.create(f"p{number}")
        events = watch.rest()

    revisions = [revision(event["object"]) for event in events]
    assert "BOOKMARK" in {event["type"] for event in events}
    assert revisions == sorted(revisions)
    last = max(index for index, event in enumerate(events) if event["type"] == "BOOKMARK")
    pods.create("end")
    with pods.watch(resourceVersion=revisions[last]) as again:
        assert [seen(event) for event in told_until(again, "end")] == [seen(event) for event in events[last + 1 :]]


@pytest.mark.parametrize("bookmarks", [True, False], ids=["allowWatchBookmarks=true", "allowWatchBookmarks=false"])
@pytest.mark.parametrize("initial", [True, False], ids=["sendInitialEvents=true", "sendInitialEvents=false"])
@pytest.mark.parametrize("asked", ["unset", "0", "1", "useCurrentRV"])
def test_watch_semantics(pods, bookmarks, initial, asked):
    for name in "abc":
        pods.create(name)
    query = {"sendInitialEvents": str(initial).lower(), "allowWatchBookmarks": str(bookmarks).lower(), **MATCH}
    present = pods.present
    if asked != "unset":
        query["resourceVersion"] = str(present) if asked == "useCurrentRV" else asked
    if asked == "1" and not initial:
        query["resourceVersion"] = str(present - 3)  # what 1 is in a store that holds nothing else

    with pods.watch(**query) as watch:
        told = threading.Event()
        writing = in_background(lambda: live_until(pods, told))
        events = told_until(watch, "live")
        told.set()
        join(writing)

    added = [seen(event) for event in events if event["type"] == "ADDED"]
    ends = [event for event in events if initial_events_end(event)]
    assert added == ([("ADDED", name) for name in "abc"] if initial or asked == "1" else [])
    assert len(ends) == (initial and bookmarks)
    if ends:
        assert events[-1] == ends[0]
        assert revision(ends[0]["object"]) >= present
        assert ends[0]["object"]["kind"] == "Pod"


@pytest.mark.parametrize("asked", ["unset", "0"], ids=["legacy, RV=unset", "legacy, RV=0"])
@pytest.mark.parametrize("bookmarks", [True, False], ids=["allowWatchBookmarks=true", "allowWatchBookmarks=false"])
def test_watch_semantics_legacy(pods, asked, bookmarks):
    """With bookmarks, kube-apiserver 1.36 ends the initial events with one here, too."""
    for name in "ab":
        pods.create(name)
    query = {"allowWatchBookmarks": "true"} if bookmarks else {}
    with pods.watch(**query, **({} if asked == "unset" else {"resourceVersion": asked})) as watch:
        pods.create("live") if not bookmarks else None
        events = told_until(watch, "live") if not bookmarks else [watch.next() for _ in range(3)]

    assert sorted(seen(event) for event in events if event["type"] == "ADDED") == [("ADDED", "a"), ("ADDED", "b")]
    assert [initial_events_end(event) for event in events] == [False, False] + [True] * bookmarks


def test_send_initial_events_backward_compatibility(pods):
    """The option without its companion is refused, and so is the companion without the option."""
    with pods.watch(sendInitialEvents="true") as watch:
        assert watch.status == 422
    with pods.watch(**MATCH, resourceVersion="1") as watch:
        assert watch.status == 422


def test_watch_semantic_initial_events_extended(pods):
    """What changed before the watch was established is told once, as it is now."""
    pods.create("a")
    pods.create("b")
    pods.label("a", x="y")
    pods.delete("b")
    pods.create("c")
    with pods.watch(sendInitialEvents="true", allowWatchBookmarks="true", **MATCH) as watch:
        events, bookmark = watch.until_bookmark()

    assert [seen(event) for event in events] == [("ADDED", "a"), ("ADDED", "c")]
    assert events[0]["object"]["metadata"]["labels"] == {"x": "y"}
    assert initial_events_end(bookmark)


def test_watch_list_match_single(pods):
    for name in "abc":
        pods.create(name)
    with pods.watch(
        sendInitialEvents="true", allowWatchBookmarks="true", fieldSelector="metadata.name=b", **MATCH
    ) as watch:
        events, bookmark = watch.until_bookmark()
        pods.create("d")
        pods.label("b", x="y")
        live = watch.next()

    assert [seen(event) for event in events] == [("ADDED", "b")]
    assert initial_events_end(bookmark)
    assert seen(live) == ("MODIFIED", "b")


def test_watch_error_is_blocking_further_events(pods):
    """An ERROR event is the last one."""
    with pods.watch(sendInitialEvents="true", resourceVersion=1 << 50, **MATCH) as watch:
        pods.create("a")
        events = watch.rest()

    assert [event["type"] for event in events] == ["ERROR"]
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (504, "Timeout")


def test_watch_of_an_object_that_cannot_be_made_tells_nothing(pods):
    start = pods.present
    with pods.watch(resourceVersion=start) as watch:
        assert pods.api.create(pods.path, pod("NO")).status == 422
        pods.create("a")

        assert seen(watch.next()) == ("ADDED", "a")
