"""Following the log: order, what came before, the floor that compaction leaves, bodies that are damaged, other replicas."""

import threading

import pytest

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import compact
from apiserver.storage.opening import open_change_log
from apiserver.storage.records import ChangeType, Compacted
from tests.apiserver.storage.samples import (
    FISCHERS,
    FLUNDERS,
    body_of,
    create,
    delete,
    key,
    large_body,
    update,
    write,
)
from tests.threads import join


def types(changes):
    return [(change.type.value, change.record.key.name) for change in changes]


def test_changes_come_in_the_order_of_revisions_each_with_what_was_before(log):
    start = log.current_revision()
    first = create(log, "a", label="first")
    other = create(log, "b", storage=FISCHERS)
    second = update(log, first, label="second")
    tombstone = delete(log, second)
    again = create(log, "a", label="again")

    changes = log.changes(after=start, limit=10)

    assert [change.type for change in changes] == [
        ChangeType.ADDED, ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED, ChangeType.ADDED,
    ]  # fmt: skip
    assert [change.record for change in changes[:3]] == [first, other, second]
    assert [change.previous and change.previous.revision for change in changes] == [
        None, None, first.revision, second.revision, None,
    ]  # fmt: skip
    assert changes[2].previous is not None
    assert changes[2].previous.projection == first.projection
    assert (changes[3].revision, changes[3].record.metadata) == (tombstone.revision, tombstone.metadata)
    assert changes[3].record.body.inline == body_of("a/second")
    assert changes[4].record == again


def test_changes_of_one_storage_alone(log):
    start = log.current_revision()
    create(log, "a")
    record = create(log, "b", storage=FISCHERS)
    create(log, "c")

    assert types(log.changes(after=start, limit=9, storage=FLUNDERS)) == [("ADDED", "a"), ("ADDED", "c")]
    assert types(log.changes(after=record.revision, limit=9, storage=FISCHERS)) == []


def test_changes_are_read_on_from_the_last_one(log):
    after = log.current_revision()
    for number in range(7):
        create(log, f"n{number}")
    found = []

    while changes := log.changes(after=after, limit=3):
        found += types(changes)
        after = changes[-1].revision

    assert found == [("ADDED", f"n{number}") for number in range(7)]
    assert after == log.current_revision()


def test_changes_without_bodies(log):
    start = log.current_revision()
    create(log, "a")

    (change,) = log.changes(after=start, limit=9, with_bodies=False)

    assert change.record.body.inline is None


def test_changes_with_bodies_end_where_they_would_be_too_many(log):
    start = log.current_revision()
    for number in range(4):
        create(log, f"n{number}", body=large_body(number, 3 << 20))

    changes = log.changes(after=start, limit=9)

    assert [change.record.body.inline for change in changes] == [large_body(number, 3 << 20) for number in range(2)]
    assert types(log.changes(after=changes[-1].revision, limit=9)) == [("ADDED", "n2"), ("ADDED", "n3")]


def test_nothing_after_the_newest(log):
    record = create(log, "a")

    assert log.changes(after=record.revision, limit=9) == []
    assert log.changes(after=record.revision + 100, limit=9) == []


def test_changes_behind_the_floor_are_whole_and_before_it_compacted(log):
    first = create(log, "a", label="first")
    second = update(log, first, label="second")
    third = update(log, second, label="third")
    gone = create(log, "b")
    delete(log, gone)

    compact(log.database, second.revision)

    changes = log.changes(after=second.revision, limit=9)
    assert types(changes) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "b")]
    assert changes[0].record == third
    assert changes[0].previous is not None
    assert changes[0].previous.projection == second.projection
    for after in (second.revision - 1, 0):
        with pytest.raises(Compacted) as refused:
            log.changes(after=after, limit=9)
        assert refused.value.oldest == second.revision


def test_where_all_is_compacted_changes_go_on_from_the_newest(log):
    record = create(log, "a")
    tombstone = delete(log, record)
    compact(log.database, tombstone.revision)

    again = create(log, "a")

    (change,) = log.changes(after=tombstone.revision, limit=9)
    assert (change.record, change.previous, change.type) == (again, None, ChangeType.ADDED)


def test_changes_of_a_reader_that_follows_miss_nothing_and_repeat_nothing(log):
    """A watch: woken, it reads on from where it was, while many write."""
    start = log.current_revision()
    woken, ended = threading.Event(), threading.Event()
    log.subscribe(woken.set)
    seen: list[int] = []

    def follow() -> None:
        after = start
        while not (ended.is_set() and after == log.current_revision()):
            woken.wait(5)
            woken.clear()
            while changes := log.changes(after=after, limit=7):
                seen.extend(change.revision for change in changes)
                after = changes[-1].revision

    reader = threading.Thread(target=follow)
    reader.start()
    for future in [log.commit(write(key(f"n{number}"))) for number in range(500)]:
        future.result(60)
    ended.set()
    woken.set()
    join(reader)

    assert seen == list(range(start + 1, start + 501))


@pytest.mark.postgresql
def test_replicas_see_each_others_changes(postgresql_url, directory):
    one, other = (open_change_log(postgresql_url, directory) for _ in range(2))
    woken = threading.Event()
    other.subscribe(woken.set)
    start = other.current_revision()

    record = create(one, "a", body=large_body("a"))

    assert woken.wait(60)
    (change,) = other.changes(after=start, limit=9)
    assert change.record == record
    assert update(other, record).revision == record.revision + 1
    assert one.get(key("a")).revision == record.revision + 1
    one.close()
    other.close()


@pytest.mark.postgresql
def test_replicas_give_out_each_revision_once_and_in_order(postgresql_url, directory):
    logs = [open_change_log(postgresql_url, directory) for _ in range(3)]
    seen: list[int] = []
    ended = threading.Event()

    def follow() -> None:
        after = 1
        while not (ended.is_set() and after == logs[2].current_revision()):
            for change in logs[2].changes(after=after, limit=50, with_bodies=False):
                seen.append(change.revision)
                after = change.revision

    reader = threading.Thread(target=follow)
    reader.start()
    futures = [logs[number % 2].commit(write(key(f"n{number}"))) for number in range(300)]
    revisions = [future.result(60).revision for future in futures]
    ended.set()
    join(reader)

    assert sorted(revisions) == list(range(2, 302))
    assert seen == list(range(2, 302))
    for log in logs:
        log.close()


@pytest.mark.postgresql
def test_changes_are_seen_again_after_the_connections_of_a_replica_were_cut(postgresql_url, directory):
    one, other = (open_change_log(postgresql_url, directory) for _ in range(2))
    woken = threading.Event()
    other.subscribe(woken.set)
    one.database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).all()
    )
    create(one, "a")

    assert woken.wait(20)
    assert types(other.changes(after=1, limit=9)) == [("ADDED", "a")]
    one.close()
    other.close()


def test_bodies_of_what_was_just_written_are_in_memory(sqlite_log):
    """Were they not, they would be read from files that are gone."""
    start = sqlite_log.current_revision()
    record = create(sqlite_log, "a", body=large_body("a"))
    (path,) = sqlite_log.files.path.glob("??/*")
    path.unlink()

    (change,) = sqlite_log.changes(after=start, limit=9)

    assert change.record.body.inline == large_body("a")
    assert sqlite_log.get(key("a")) == record


def test_memory_for_bodies_is_bounded(sqlite_log):
    log = StoredChangeLog(sqlite_log.database, sqlite_log.files, cache_octets=1 << 20)
    for number in range(40):
        create(log, f"n{number}", body=large_body(number, 100_000))
    create(log, "too-large", body=large_body("too-large", 500_000))
    cache = log._bodies._cache

    assert cache._octets <= 1 << 20
    assert cache._octets == sum(map(len, cache._bodies.values()))
    assert len(cache._bodies) == 10
