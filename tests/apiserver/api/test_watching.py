"""Watches over HTTP."""

import json

import pytest

from tests.apiserver.client import REPORTS, WARDLE, eventually, flunder, in_background, report

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.fixture
def flunders(namespace):
    return f"{WARDLE}/namespaces/{namespace}/flunders"


def seen(event):
    return event["type"], event["object"]["metadata"]["name"]


def revision(document):
    return int(document["metadata"]["resourceVersion"])


def test_watch_from_a_revision_tells_every_later_change(api, flunders):
    start = revision(api.get(flunders).document)
    api.create(flunders, flunder("a"))
    api.patch(f"{flunders}/a", {"metadata": {"labels": {"x": "y"}}})

    with api.watch(flunders, resourceVersion=start) as watch:
        past = [watch.next(), watch.next()]
        api.delete(f"{flunders}/a")
        deleted = watch.next()

    assert [seen(event) for event in [*past, deleted]] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert revision(deleted["object"]) > revision(past[1]["object"])
    assert deleted["object"]["metadata"]["labels"] == {"x": "y"}


def test_watch_from_nothing_begins_with_what_there_is(api, flunders):
    api.create(flunders, flunder("a"))
    api.create(flunders, flunder("b"))

    with api.watch(flunders) as watch:
        first = {seen(watch.next()), seen(watch.next())}
        api.create(flunders, flunder("c"))
        live = seen(watch.next())

    assert first == {("ADDED", "a"), ("ADDED", "b")}
    assert live == ("ADDED", "c")


def test_watch_list_ends_its_initial_events_with_a_bookmark(api, flunders):
    api.create(flunders, flunder("a"))

    with api.watch(
        flunders, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    ) as watch:
        events, bookmark = watch.until_bookmark()

    assert [seen(event) for event in events] == [("ADDED", "a")]
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert bookmark["object"]["kind"] == "Flunder"
    assert revision(bookmark["object"]) >= revision(events[0]["object"])


def test_selector_edges_are_additions_and_deletions(api, flunders):
    path = f"{flunders}/a"
    start = revision(api.create(flunders, flunder("a")).document)
    with api.watch(flunders, resourceVersion=start, labelSelector="x=1") as watch:
        api.patch(path, {"metadata": {"labels": {"x": "1"}}})
        api.patch(path, {"spec": {"reference": "z"}})
        api.patch(path, {"metadata": {"labels": {"x": "2"}}})
        api.patch(path, {"metadata": {"labels": {"x": "1"}}})
        events = [watch.next() for _ in range(4)]

    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    assert events[2]["object"]["metadata"]["labels"] == {"x": "1"}
    assert revision(events[2]["object"]) > revision(events[1]["object"])


def test_watch_of_one_name(api, flunders):
    start = revision(api.get(flunders).document)
    with api.watch(flunders, resourceVersion=start, fieldSelector="metadata.name=b") as watch:
        api.create(flunders, flunder("a"))
        api.create(flunders, flunder("b"))

        assert seen(watch.next()) == ("ADDED", "b")


def test_watch_ends_after_its_time(api, flunders):
    with api.watch(flunders, timeoutSeconds=1, allowWatchBookmarks="true", resourceVersion="1") as watch:
        assert watch.status == 200
        assert {event["type"] for event in watch.rest()} <= {"BOOKMARK", "ERROR"}


def test_headers_come_before_any_event(api, flunders):
    start = revision(api.get(flunders).document)
    with api.watch(flunders, resourceVersion=start) as watch:
        assert watch.status == 200
        assert watch.response.headers["Content-Type"] == "application/json"


def test_metadata_watch_keeps_bodies_away(api, namespace):
    reports = f"{REPORTS}/namespaces/{namespace}/policyreports"
    start = revision(api.get(reports).document)
    with api.watch(reports, resourceVersion=start, headers={"Accept": PARTIAL}) as watch:
        api.create(reports, report("a"))
        event = watch.next()

    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert set(event["object"]) == {"kind", "apiVersion", "metadata"}


def test_table_watch_names_its_columns_once(api, flunders):
    start = revision(api.get(flunders).document)
    with api.watch(flunders, resourceVersion=start, headers={"Accept": TABLE}) as watch:
        api.create(flunders, flunder("a"))
        api.create(flunders, flunder("b"))
        first, second = watch.next(), watch.next()

    assert first["object"]["columnDefinitions"]
    assert not second["object"].get("columnDefinitions")
    assert [event["object"]["rows"][0]["cells"][0] for event in (first, second)] == ["a", "b"]


def test_every_view_of_a_report_sees_its_changes(api, namespace):
    other = f"/apis/openreports.io/v1alpha1/namespaces/{namespace}/reports"
    start = revision(api.get(other).document)
    with api.watch(other, resourceVersion=start) as watch:
        api.create(f"{REPORTS}/namespaces/{namespace}/policyreports", report("a"))
        event = watch.next()

    assert (event["object"]["kind"], event["object"]["apiVersion"]) == ("Report", "openreports.io/v1alpha1")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"sendInitialEvents": "true"}, 422),
        ({"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1"}, 422),
        ({"continue": "x"}, 422),
        ({"resourceVersion": "abc"}, 500),
        ({"labelSelector": "a=("}, 400),
    ],
)
def test_bad_watch_options_are_told(api, flunders, query, status):
    with api.watch(flunders, **query) as watch:
        assert watch.status == status


def test_watch_list_of_the_future_ends_in_an_error(api, flunders):
    with api.watch(
        flunders, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", resourceVersion=10**12
    ) as watch:
        (event,) = watch.rest()

    assert event["type"] == "ERROR"
    assert event["object"]["code"] == 504
    assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_many_watchers_see_the_same_order(api, flunders):
    start = revision(api.get(flunders).document)
    watches = [api.watch(flunders, resourceVersion=start) for _ in range(8)]
    writers = [in_background(lambda index=index: api.create(flunders, flunder(f"f{index:02}"))) for index in range(12)]
    for writer in writers:
        writer.join()

    orders = [[watch.next()["object"]["metadata"]["resourceVersion"] for _ in range(12)] for watch in watches]

    for watch in watches:
        watch.close()
    assert all(order == orders[0] for order in orders)
    assert orders[0] == sorted(orders[0], key=int)


def test_watch_whose_caller_has_gone_is_forgotten_at_once_and_written_down(server, api, flunders):
    def watchers():
        (line,) = [
            line
            for line in api.get("/metrics").octets.decode().splitlines()
            if line.startswith("chancery_apiserver_watchers ")
        ]
        return float(line.split()[1])

    def stages():
        lines = (server.directory / "audit.log").read_text().splitlines()
        return [event["stage"] for event in map(json.loads, lines) if event["auditID"] == "gone-watcher"]

    before = watchers()
    start = revision(api.get(flunders).document)
    watch = api.watch(flunders, resourceVersion=start, headers={"Audit-ID": "gone-watcher"})
    during = watchers()
    watch.close()

    assert during == before + 1
    eventually(lambda: watchers() == before)
    eventually(lambda: stages() == ["ResponseStarted", "ResponseComplete"])
