"""What compaction removes and what it never does; files that nobody refers to."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apiserver.storage.compaction import FILE_GRACE, Compactor, FileSweeper, compact
from apiserver.storage.opening import open_change_log
from apiserver.storage.records import Compacted
from tests.apiserver.storage.samples import body_of, create, delete, key, large_body, names, update, write
from tests.threads import join

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
RETENTION = timedelta(minutes=5)


class FixedClock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return FixedClock()


def rows(log, table):
    return log.database.read(lambda connection: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar())


def files(directory: Path):
    return {path.name for path in (directory / "bodies").glob("??/*")}


def test_compact_removes_old_versions_and_their_bodies_and_nothing_current(log):
    kept = create(log, "kept")
    record = create(log, "a", label="0")
    for number in range(1, 700):
        record = update(log, record, label=str(number)) if number % 100 == 0 else record
    for _ in range(3):
        record = update(log, record, label="metadata", body=None)
    gone = create(log, "gone")
    delete(log, gone)

    removed = compact(log.database, log.current_revision())

    assert removed == 6 + 3 + 2
    assert (rows(log, "object_versions"), rows(log, "object_bodies")) == (2, 2)
    assert log.get(key("a")) is not None
    assert log.get(key("a")).body.inline == body_of("a/600")
    assert log.get(key("kept")) == kept
    assert compact(log.database, log.current_revision()) == 0


def test_revision_does_not_go_back_when_everything_is_gone(log, url, directory):
    tombstone = delete(log, create(log, "a"))
    compact(log.database, tombstone.revision)
    assert (rows(log, "object_versions"), rows(log, "object_bodies")) == (0, 0)
    log.close()

    again = open_change_log(url, directory)

    assert again.current_revision() == again.oldest_revision() == tombstone.revision
    assert create(again, "a").revision == tombstone.revision + 1
    again.close()


def test_compact_never_goes_back_nor_ahead_of_the_newest(log):
    record = create(log, "a")
    compact(log.database, record.revision)

    compact(log.database, record.revision - 1)
    compact(log.database, record.revision + 10)

    assert log.oldest_revision() == record.revision


def test_compact_in_many_steps_lets_writers_in_between(log):
    records = [log.commit(write(key(f"n{number}"))).result(60) for number in range(300)]
    for future in [log.commit(write(one.key, expected=one.revision, body=None)) for one in records]:
        future.result(60)
    upto = log.current_revision()
    stop = threading.Event()

    def write_on() -> None:
        number = 0
        while not stop.is_set():
            create(log, f"more{number}")
            number += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    removed = compact(log.database, upto)
    stop.set()
    join(writer)

    assert removed == 300
    present = names(log)
    assert {name for _, name, _ in present} >= {f"n{number}" for number in range(300)}
    assert rows(log, "object_versions") == rows(log, "object_bodies") == len(present)


def test_compaction_that_is_told_to_stop_leaves_the_rest_to_the_next(log, clock):
    compactor = Compactor(log, retention=RETENTION, clock=clock)
    record = create(log, "a")
    for _ in range(70):
        record = update(log, record, body=None)
    compactor.step()
    compactor.stop()
    clock.now += RETENTION

    assert compactor.step() == 20
    assert log.oldest_revision() == record.revision
    assert names(log) == [("default", "a", record.revision)]
    assert compact(log.database, record.revision) == 50


def test_reader_that_began_before_sees_its_snapshot_to_the_end(log):
    record = create(log, "a", label="first")
    update(log, record, label="second")

    def read(connection):
        sql = "SELECT count(*) FROM object_versions"
        before = connection.exec_driver_sql(sql).scalar()
        thread = threading.Thread(target=compact, args=(log.database, log.current_revision()))
        thread.start()
        join(thread)
        return before, connection.exec_driver_sql(sql).scalar()

    assert log.database.read(read) == (2, 2)
    assert rows(log, "object_versions") == 1


def test_history_is_kept_for_its_retention_and_then_goes(log, clock):
    compactor = Compactor(log, retention=RETENTION, clock=clock)
    first = create(log, "a", label="first")
    compactor.step()
    second = update(log, first, label="second")

    clock.now += RETENTION - timedelta(seconds=1)
    assert compactor.step() == 0
    assert names(log, at=first.revision)[0][2] == first.revision
    clock.now += timedelta(seconds=1)
    assert compactor.step() == 0
    assert log.oldest_revision() == first.revision
    assert names(log, at=first.revision)[0][2] == first.revision
    clock.now += RETENTION
    assert compactor.step() == 1
    assert log.oldest_revision() == second.revision
    with pytest.raises(Compacted):
        names(log, at=first.revision)
    assert names(log)[0][2] == second.revision


def test_clock_that_goes_back_removes_nothing_early(log, clock):
    compactor = Compactor(log, retention=RETENTION, clock=clock)
    record = create(log, "a")
    compactor.step()
    update(log, record)
    clock.now -= timedelta(days=1)
    compactor.step()

    clock.now += RETENTION - timedelta(seconds=1)
    compactor.step()
    assert log.oldest_revision() == 1

    clock.now += timedelta(seconds=1)
    compactor.step()
    assert log.oldest_revision() == record.revision + 1


def test_compactor_says_how_often_it_is_worth_calling(sqlite_log, clock):
    assert Compactor(sqlite_log, retention=RETENTION, clock=clock).interval == timedelta(seconds=15)
    assert Compactor(sqlite_log, retention=timedelta(seconds=2), clock=clock).interval == timedelta(seconds=1)


@pytest.mark.postgresql
def test_replicas_that_compact_at_once_remove_everything_once(postgresql_url, directory):
    logs = [open_change_log(postgresql_url, directory) for _ in range(3)]
    record = create(logs[0], "a")
    for _ in range(60):
        record = update(logs[0], record)
    removed: list[int] = []

    threads = [
        threading.Thread(target=lambda log=log: removed.append(compact(log.database, record.revision))) for log in logs
    ]
    for thread in threads:
        thread.start()
    join(*threads)

    assert sum(removed) == 60
    assert len(removed) == 3
    assert (rows(logs[0], "object_versions"), rows(logs[0], "object_bodies")) == (1, 1)
    for log in logs:
        log.close()


def test_file_goes_a_grace_time_after_the_last_version_that_refers_to_it(sqlite_log, directory, clock):
    sweeper = FileSweeper(sqlite_log.database, sqlite_log.files)
    first = create(sqlite_log, "a", body=large_body("a"))
    update(sqlite_log, first, body=None)
    assert sweeper.sweep(clock.now) == 0
    delete(sqlite_log, sqlite_log.get(key("a")))
    clock.now += 2 * FILE_GRACE
    assert sweeper.sweep(clock.now) == 0

    compact(sqlite_log.database, sqlite_log.current_revision())
    assert rows(sqlite_log, "object_bodies") == 0
    assert sweeper.sweep(clock.now) == 0
    clock.now += FILE_GRACE - timedelta(seconds=1)
    assert sweeper.sweep(clock.now) == 0
    assert len(files(directory)) == 1
    clock.now += timedelta(seconds=1)
    assert sweeper.sweep(clock.now) == 1
    assert files(directory) == set()


def test_file_that_two_objects_share_stays_for_the_other(sqlite_log, directory, clock):
    sweeper = FileSweeper(sqlite_log.database, sqlite_log.files)
    one = create(sqlite_log, "a", body=large_body("same"))
    create(sqlite_log, "b", body=large_body("same"))
    assert len(files(directory)) == 1
    delete(sqlite_log, one)
    compact(sqlite_log.database, sqlite_log.current_revision())

    for _ in range(3):
        sweeper.sweep(clock.now)
        clock.now += FILE_GRACE

    again = open_body(sqlite_log, "b")
    assert again == large_body("same")


def open_body(log, name):
    """Read past what is in memory."""
    fresh = type(log)(log.database, log.files, cache_octets=0)
    return fresh.get(key(name)).body.inline


def test_file_that_is_referred_to_again_is_not_deleted(sqlite_log, directory, clock):
    sweeper = FileSweeper(sqlite_log.database, sqlite_log.files)
    delete(sqlite_log, create(sqlite_log, "a", body=large_body("a")))
    compact(sqlite_log.database, sqlite_log.current_revision())
    sweeper.sweep(clock.now)

    create(sqlite_log, "b", body=large_body("a"))
    clock.now += 2 * FILE_GRACE
    assert sweeper.sweep(clock.now) == 0
    assert open_body(sqlite_log, "b") == large_body("a")


def test_file_kept_between_look_and_deletion_stays(sqlite_log, directory):
    """A writer may come, commit and be gone between the sweeper's question and its answer."""
    delete(sqlite_log, create(sqlite_log, "a", body=large_body("a")))
    compact(sqlite_log.database, sqlite_log.current_revision())
    (name,) = files(directory)
    digest = bytes.fromhex(name)

    with sqlite_log.files.sweep() as sweep:
        create(sqlite_log, "b", body=large_body("a"))
        assert not sweep.discard(digest)

    assert open_body(sqlite_log, "b") == large_body("a")
    delete(sqlite_log, sqlite_log.get(key("b")))
    with sqlite_log.files.sweep() as sweep:
        assert sweep.discard(digest)


def test_file_that_is_being_kept_stays_also_where_that_ends_amid_a_sweep(sqlite_log):
    bodies = sqlite_log.files
    digest = bodies.keep(b"x" * 1000)
    with bodies.sweep() as sweep:
        assert not sweep.discard(digest)
        bodies.let_go(digest)
        assert not sweep.discard(digest)
    with bodies.sweep() as sweep:
        assert sweep.discard(digest)
    assert not bodies.path_of(digest).exists()


def test_leftovers_of_a_crash_go(sqlite_log, sqlite_url, directory, clock):
    create(sqlite_log, "a", body=large_body("a"))
    digest = sqlite_log.files.keep(b"no row ever came" * 1000)
    (directory / "bodies" / "incoming" / "17").write_bytes(b"half")
    sqlite_log.close()
    log = open_change_log(sqlite_url, directory)
    assert list((directory / "bodies" / "incoming").iterdir()) == []
    compactor = Compactor(log, retention=RETENTION, clock=clock)

    compactor.step()
    assert digest.hex() in files(directory)
    clock.now += FILE_GRACE
    compactor.step()

    assert digest.hex() not in files(directory)
    assert open_body(log, "a") == large_body("a")
    log.close()
