"""Watches on a real change log; names in the manner of the upstream checklist (watcher_tests.go)."""

import asyncio
import threading
import weakref

import pytest

from apiserver.storage.compaction import compact
from apiserver.watch.session import WatchFailed
from apiserver.watch.watcher import MOST_EVENTS, End
from tests.apiserver.watch.worlds import Reader, names, world


async def test_watch_from_zero_begins_with_what_there_is(tmp_path):
    async with world(tmp_path) as here:
        await here.write("x")
        reader = Reader(here.watch(revision=0))
        first = await reader.next()
        await here.write("y")
        second = await reader.next()
        await reader.close()

    assert names([first, second]) == [("ADDED", "x"), ("ADDED", "y")]


async def test_watch_from_non_zero_tells_later_changes_only(tmp_path):
    async with world(tmp_path) as here:
        start = await here.write("x")
        reader = Reader(here.watch(revision=start.revision))
        await here.write("x", v="2")
        await here.write("x", deletes=True)
        events = await reader.take(2)
        await reader.close()

    assert names(events) == [("MODIFIED", "x"), ("DELETED", "x")]


async def test_delayed_watch_delivers_history_then_what_happens(tmp_path):
    async with world(tmp_path) as here:
        start = await here.write("a")
        for number in range(1200):  # more than a page of history
            await here.write("a", n=str(number))
        reader = Reader(here.watch(revision=start.revision))
        past = await reader.take(1200)
        live = await here.write("a", n="live")
        last = await reader.next()
        await reader.close()

    assert [event["labels"]["n"] for event in past] == [str(number) for number in range(1200)]
    assert last["revision"] == live.revision


async def test_delete_event_has_the_latest_revision_and_the_last_state(tmp_path):
    async with world(tmp_path) as here:
        created = await here.write("x", colour="red")
        reader = Reader(here.watch(revision=created.revision))
        await here.write("x", deletes=True)
        event = await reader.next()
        await reader.close()

    assert event["revision"] > created.revision
    assert event["labels"] == {"colour": "red"}
    assert event["body"] == {"spec": 0}


@pytest.mark.parametrize("selection", [{"labels": "x=1"}, {"fields": "spec.colour=1"}])
async def test_object_that_begins_and_ceases_to_match_is_added_and_deleted(tmp_path, selection):
    async with world(tmp_path) as here:
        start = await here.write("o")
        reader = Reader(here.watch(revision=start.revision, **selection))
        for value in ("1", "1", "2", "3", "1"):
            await here.write("o", x=value)
        await here.write("o", deletes=True)
        live = await reader.take(5)
        past = Reader(here.watch(revision=start.revision, **selection))
        again = await past.take(5)
        await reader.close()
        await past.close()

    assert [event["type"] for event in live] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    assert live[2]["labels"] == {"x": "1"}
    assert live[2]["body"] == live[1]["body"]
    assert live[2]["revision"] > live[1]["revision"]
    assert again == live


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"namespace": "a"}, ["a/x", "a/y"]),
        ({"fields": "metadata.name=x"}, ["a/x", "b/x"]),
        ({"namespace": "a", "fields": "metadata.name=x"}, ["a/x"]),
        ({"fields": "metadata.namespace=b"}, ["b/x"]),
        ({"fields": "metadata.name!=x"}, ["a/y"]),
        ({"namespace": "a", "fields": "metadata.namespace=b"}, []),
    ],
)
async def test_namespace_scoped_watch_is_told_of_its_own(tmp_path, selection, expected):
    async with world(tmp_path) as here:
        start = here.hub.seen
        reader = Reader(here.watch(revision=start, bookmarks=True, **selection))
        for namespace, name in (("a", "x"), ("b", "x"), ("a", "y")):
            await here.write(name, namespace=namespace)
        events = await reader.take(len(expected))
        await reader.close()

    assert [event["name"] for event in events] == expected


async def test_send_initial_events_end_with_a_bookmark(tmp_path):
    async with world(tmp_path) as here:
        record = await here.write("x")
        reader = Reader(here.watch(revision=record.revision, initial_events=True, bookmarks=True))
        added, bookmark = await reader.take(2)
        await reader.close()

    assert added["type"] == "ADDED"
    assert bookmark == {"type": "BOOKMARK", "revision": record.revision, "end": True}


async def test_watch_without_initial_events_begins_now(tmp_path):
    async with world(tmp_path) as here:
        await here.write("x")
        reader = Reader(here.watch(initial_events=False))
        waiting = asyncio.ensure_future(reader.next())
        await live(here)
        await here.write("y")
        event = await waiting
        await reader.close()

    assert event["name"] == "a/y"


async def test_watch_that_begins_while_changes_are_read_is_told_them_with_bodies(tmp_path):
    async with world(tmp_path) as here:
        was_read, may_go_on = threading.Event(), threading.Event()
        read = here.log.changes

        def read_slowly(**asked):
            changes = read(**asked)
            was_read.set()
            may_go_on.wait(60)
            return changes

        here.log.changes = read_slowly
        written = await here.write("x")
        await asyncio.to_thread(was_read.wait, 60)
        reader = Reader(here.watch(revision=written.revision - 1))
        may_go_on.set()
        event = await reader.next()
        await reader.close()

    assert (event["name"], event["body"]) == ("a/x", {"spec": 0})


async def live(here):
    """Waits until some watcher has its past behind it."""
    while not any(watcher.is_live for watchers in here.hub._watchers.values() for watcher in watchers.values()):  # noqa: ASYNC110 - nobody sets an event for a test
        await asyncio.sleep(0)


async def test_compacted_revision_is_too_old(tmp_path):
    async with world(tmp_path) as here:
        first = await here.write("x")
        last = await here.write("x", v="2")
        compact(here.log.database, last.revision)
        reader = Reader(here.watch(revision=first.revision))
        with pytest.raises(WatchFailed) as caught:
            await reader.next()
        await reader.close()

    assert caught.value.error.message == f"too old resource version: {first.revision} ({last.revision - 1})"


async def test_state_that_is_read_more_slowly_than_history_is_kept_is_too_old(tmp_path):
    async with world(tmp_path) as here:
        for number in range(501):  # more than a page
            last = await here.write(f"n{number:03}")
        reader = Reader(here.watch(revision=0))
        first = await reader.next()
        newer = await here.write("n000", v="2")
        compact(here.log.database, newer.revision)
        with pytest.raises(WatchFailed) as caught:
            await reader.take(501)
        await reader.close()

    assert first["name"] == "a/n000"
    assert caught.value.error.message == f"too old resource version: {last.revision} ({newer.revision - 1})"


async def test_revision_of_the_future_is_waited_for_or_refused(tmp_path):
    async with world(tmp_path) as here:
        record = await here.write("x")
        patient = Reader(here.watch(revision=record.revision + 1))
        impatient = Reader(here.watch(revision=record.revision + 100, initial_events=True))
        with pytest.raises(WatchFailed, match="Too large resource version"):
            await impatient.next()
        await here.write("y")
        await here.write("z")
        event = await patient.next()
        await patient.close()
        await impatient.close()

    assert event["name"] == "a/z"


async def test_bookmarks_tell_the_revision_that_was_reached(tmp_path):
    async with world(tmp_path) as here:
        record = await here.write("x")
        reader = Reader(here.watch(revision=record.revision, namespace="elsewhere", bookmarks=True, seconds=600))
        waiting = asyncio.ensure_future(reader.next())
        await live(here)
        await here.write("y")
        assert await here.feed.wait_for(record.revision + 1, 60)
        here.now[0] += 61
        here.hub.tick()
        event = await waiting
        await reader.close()

    assert event == {"type": "BOOKMARK", "revision": record.revision + 1, "end": False}


async def test_watcher_timeout_ends_the_watch(tmp_path):
    async with world(tmp_path) as here:
        reader = Reader(here.watch(revision=here.hub.seen, seconds=5))
        over = asyncio.ensure_future(reader.rest())
        await live(here)
        here.now[0] += 6
        here.hub.tick()
        events = await asyncio.wait_for(over, 60)
        await reader.close()

    assert events == []
    assert reader.session.end is End.TIMEOUT


async def test_watcher_that_does_not_keep_up_is_cut_off_and_others_go_on(tmp_path):
    async with world(tmp_path) as here:
        start = here.hub.seen
        slow, quick = Reader(here.watch(revision=start)), Reader(here.watch(revision=start))
        await here.write("first")
        await slow.next()
        await quick.next()
        cut = []
        slow.session.on_cut_off(lambda: cut.append(True))
        for number in range(MOST_EVENTS + 50):
            await here.write("x", n=str(number))
            await quick.next()
        rest = await slow.rest()
        await slow.close()
        await quick.close()

    assert cut == [True]
    assert slow.session.end is End.TOO_SLOW
    assert rest == []


async def test_watcher_that_leaves_before_its_time_holds_no_connection(tmp_path):
    class Connection:
        def abort(self) -> None: ...

    connection = Connection()
    left = weakref.ref(connection)
    async with world(tmp_path) as here:
        session = here.watch(revision=0, bookmarks=True, seconds=3600.0)
        session.on_cut_off(connection.abort)
        reader = Reader(session)
        await here.write("x")
        await reader.next()
        del connection
        assert left() is not None

        await reader.close()

        assert left() is None


async def test_watchers_that_come_and_go_leave_room_and_those_that_stay_are_served(tmp_path):
    async with world(tmp_path) as here:
        staying = [Reader(here.watch(revision=0, bookmarks=True, seconds=100.0)) for _ in range(3)]
        for _ in range(1000):
            await Reader(here.watch(revision=0, bookmarks=True, seconds=3600.0)).close()
        waiting = len(here.hub._due)
        await here.write("x")
        first = [await reader.next() for reader in staying]
        here.now[0] += 101
        here.hub.tick()
        for reader in staying:
            await reader.rest()
            await reader.close()

    assert waiting < 150
    assert names(first) == [("ADDED", "x")] * 3
    assert [reader.session.end for reader in staying] == [End.TIMEOUT] * 3


async def test_graceful_stop_ends_every_watch(tmp_path):
    async with world(tmp_path) as here:
        readers = [Reader(here.watch(revision=here.hub.seen)) for _ in range(20)]
        over = [asyncio.ensure_future(reader.rest()) for reader in readers]
        await asyncio.sleep(0)
        here.hub.stop()
        await asyncio.wait_for(asyncio.gather(*over), 60)
        for reader in readers:
            await reader.close()

        assert len(here.hub) == 0


async def test_watch_that_begins_after_the_stop_tells_what_there_is_and_ends(tmp_path):
    """Its request was under way already: the grace of a stop is for answers, not for it."""
    async with world(tmp_path) as here:
        await here.write("x")
        here.hub.stop()
        reader = Reader(here.watch())
        told = await asyncio.wait_for(reader.rest(), 60)
        await reader.close()

        assert names(told) == [("ADDED", "x")]
        assert reader.session.end is End.STOPPING


async def test_thousand_watchers_are_told_in_one_order(tmp_path):
    async with world(tmp_path) as here:
        start = here.hub.seen
        readers = [Reader(here.watch(revision=start)) for _ in range(1000)]
        for number in range(20):
            await here.write(f"n{number % 3}", n=str(number))
        told = [await reader.take(20) for reader in readers]
        for reader in readers:
            await reader.close()

    assert all(events == told[0] for events in told)
    assert [event["revision"] for event in told[0]] == sorted(event["revision"] for event in told[0])
