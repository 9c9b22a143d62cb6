"""A backup while many write, what it holds, how it is put back, and which backups are refused."""

import json
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from apiserver.storage.backup import back_up
from apiserver.storage.body_files import BodyDirectory
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import FILE_GRACE, Compactor, FileSweeper, compact
from apiserver.storage.manifest import BackupRefused, Manifest
from apiserver.storage.migrations import CHANGE_LOG
from apiserver.storage.opening import DATABASE, DataDirectory, open_change_log
from apiserver.storage.records import Compacted, StaleWrite
from apiserver.storage.restore import BUMP, bump, restore
from store.database import open_database
from store.errors import StoreCorrupt, StoreFull, StoreUnavailable
from tests.apiserver.storage.samples import (
    FLUNDERS,
    create,
    delete,
    key,
    large_body,
    names,
    update,
    write,
)
from tests.apiserver.storage.test_compaction import NOON, RETENTION, FixedClock
from tests.threads import join


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "backups" / "today"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "restored"


def open_restored(target: Path) -> StoredChangeLog:
    return open_change_log(f"sqlite://{target / DATABASE}", target)


def contents(log, at=None):
    page = StoredChangeLog(log.database, log.files, cache_octets=0).page(
        FLUNDERS, namespace=None, at=at, after=None, limit=500, with_bodies=True
    )
    assert not page.more
    return [(one.key, one.revision, one.metadata, one.body.inline) for one in page.records]


def test_backup_is_put_back_as_it_was(sqlite_log, destination, target, sqlite_url, directory):
    record = create(sqlite_log, "a", label="first")
    update(sqlite_log, record, label="second")
    create(sqlite_log, "b", body=large_body("b"))
    create(sqlite_log, "c", body=large_body("b"))
    delete(sqlite_log, create(sqlite_log, "gone", body=large_body("gone")))
    before = contents(sqlite_log)

    manifest = back_up(sqlite_url, directory, destination, now=NOON)
    create(sqlite_log, "later")
    revision = restore(destination, target)

    assert (manifest.revision, manifest.bodies, manifest.missing) == (sqlite_log.current_revision() - 1, 2, ())
    assert manifest.created_at == "2026-11-27T12:00:00+00:00"
    log = open_restored(target)
    assert contents(log) == before
    assert log.current_revision() == log.oldest_revision() == revision == manifest.revision + BUMP
    log.database.verify_integrity()
    log.close()


def test_after_a_restore_old_revisions_mean_nothing_and_watches_start_over(
    sqlite_log, destination, target, sqlite_url, directory
):
    record = create(sqlite_log, "a")
    back_up(sqlite_url, directory, destination, now=NOON)
    lost = update(sqlite_log, record)
    restore(destination, target)
    log = open_restored(target)

    for revision in (record.revision, lost.revision):
        with pytest.raises(Compacted):
            log.changes(after=revision, limit=9)
        with pytest.raises(Compacted):
            names(log, at=revision)
    with pytest.raises(StaleWrite) as refused:
        log.commit(write(record.key, expected=lost.revision)).result(60)
    assert refused.value.current.revision == record.revision
    start = log.current_revision()
    again = update(log, record)
    assert again.revision == start + 1
    (change,) = log.changes(after=start, limit=9)
    assert (change.record, change.previous.revision) == (again, record.revision)
    log.close()


def test_history_of_before_a_restore_is_compacted_in_time(sqlite_log, destination, target, sqlite_url, directory):
    clock = FixedClock()
    record = create(sqlite_log, "a")
    for _ in range(5):
        record = update(sqlite_log, record)
    back_up(sqlite_url, directory, destination, now=NOON)
    restore(destination, target)
    log = open_restored(target)
    compactor = Compactor(log, retention=RETENTION, clock=clock)
    create(log, "b")
    compactor.step()
    clock.now += RETENTION
    compactor.step()

    assert (
        log.database.read(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM object_versions").scalar()
        )
        == 2
    )
    log.close()


def test_backup_amid_writes_compaction_and_sweeps_is_one_state_with_all_its_bodies(
    sqlite_log, tmp_path, sqlite_url, directory
):
    stop = threading.Event()

    def write_on(thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            at = key(f"n{thread}-{number % 3}")
            current = sqlite_log.get(at, with_body=False)
            body = large_body(f"{thread}/{number}", 300_000) if number % 2 else b""
            sqlite_log.commit(write(at, expected=current.revision if current else 0, body=body)).result(60)

    def clean() -> None:
        sweeper, now = FileSweeper(sqlite_log.database, sqlite_log.files), NOON
        while not stop.is_set():
            compact(sqlite_log.database, sqlite_log.current_revision())
            sweeper.sweep(now)
            now += FILE_GRACE

    threads = [threading.Thread(target=write_on, args=(number,)) for number in range(2)]
    threads.append(threading.Thread(target=clean))
    for thread in threads:
        thread.start()
    try:
        manifests = [back_up(sqlite_url, directory, tmp_path / f"backup-{number}", now=NOON) for number in range(5)]
    finally:
        stop.set()
        join(*threads)

    for number, manifest in enumerate(manifests):
        assert manifest.missing == ()
        assert restore(tmp_path / f"backup-{number}", tmp_path / f"restored-{number}") == manifest.revision + BUMP
        log = open_restored(tmp_path / f"restored-{number}")
        assert all(record[1] <= manifest.revision for record in contents(log))
        log.close()


def test_files_of_a_backup_are_the_owners_alone_and_shared_with_the_store(
    sqlite_log, directory, destination, sqlite_url
):
    create(sqlite_log, "a", body=large_body("a"))

    back_up(sqlite_url, directory, destination, now=NOON)

    found = {path: stat.S_IMODE(path.stat().st_mode) for path in destination.rglob("*")}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in found.items() if path.is_dir()} | {stat.S_IMODE(destination.stat().st_mode)} == {
        0o700
    }
    assert sorted(path.name for path in destination.iterdir()) == ["apiserver.db", "bodies", "manifest.json"]
    (original,), (copy,) = (list(place.glob("bodies/??/*")) for place in (directory, destination))
    assert original.samefile(copy)


def test_backup_onto_another_file_system_copies(sqlite_log, tmp_path, target, sqlite_url, directory):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", disk]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        create(sqlite_log, "a", body=large_body("a"))
        back_up(sqlite_url, directory, disk / "backup", now=NOON)
        restore(disk / "backup", target)
        log = open_restored(target)
        assert contents(log) == contents(sqlite_log)
        log.close()
        create(sqlite_log, "b", body=large_body("b", 20 << 20))
        with pytest.raises(StoreFull):
            back_up(sqlite_url, directory, disk / "another", now=NOON)
        with pytest.raises(BackupRefused, match="no whole backup"):
            restore(disk / "another", tmp_path / "never")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_backup_overwrites_nothing(sqlite_log, destination, sqlite_url, directory):
    destination.mkdir(parents=True)
    (destination / "precious").touch()

    with pytest.raises(BackupRefused, match="not empty"):
        back_up(sqlite_url, directory, destination, now=NOON)
    assert [path.name for path in destination.iterdir()] == ["precious"]


def test_what_is_damaged_already_is_listed_and_does_not_stop_the_backup(
    sqlite_log, directory, destination, target, sqlite_url
):
    create(sqlite_log, "a", body=large_body("a"))
    (path,) = directory.glob("bodies/??/*")
    path.write_bytes(b"damaged")
    create(sqlite_log, "b")

    manifest = back_up(sqlite_url, directory, destination, now=NOON)
    restore(destination, target)

    assert (manifest.missing, manifest.bodies) == ((path.name,), 0)
    log = open_restored(target)
    with pytest.raises(StoreCorrupt):
        log.get(key("a"))
    assert log.get(key("b")) is not None
    log.close()


@pytest.fixture
def backup(sqlite_log, destination, sqlite_url, directory):
    create(sqlite_log, "a", body=large_body("a"))
    create(sqlite_log, "b")
    back_up(sqlite_url, directory, destination, now=NOON)
    return destination


def test_restore_overwrites_nothing(backup, directory, sqlite_log):
    with pytest.raises(BackupRefused, match="another data directory"):
        restore(backup, directory)
    assert contents(sqlite_log)


def test_restore_into_a_directory_in_use_is_refused(backup, target):
    with DataDirectory(target), pytest.raises(StoreUnavailable, match="another process uses"):
        restore(backup, target)
    assert not (target / DATABASE).exists()


@pytest.mark.parametrize("damage", ["database", "body", "missing body", "cut database"])
def test_damaged_backup_is_refused_and_nothing_is_left_that_could_be_served(backup, target, damage):
    (body,) = backup.glob("bodies/??/*")
    path = backup / DATABASE if "database" in damage else body
    octets = bytearray(path.read_bytes())
    path.unlink()  # the store has the same file
    if damage == "cut database":
        path.write_bytes(octets[: len(octets) // 2])
    elif damage != "missing body":
        octets[len(octets) // 2] ^= 1
        path.write_bytes(octets)

    with pytest.raises(StoreCorrupt, match="restore another backup"):
        restore(backup, target)
    assert list(target.glob(f"{DATABASE}*")) == []


def test_restore_that_failed_can_be_started_again(backup, target):
    (body,) = backup.glob("bodies/??/*")
    body.rename(backup / "aside")
    with pytest.raises(StoreCorrupt):
        restore(backup, target)
    (target / f"{DATABASE}.restoring").write_bytes(b"of a restore that was killed")
    (backup / "aside").rename(body)

    restore(backup, target)

    log = open_restored(target)
    assert len(contents(log)) == 2
    log.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no whole backup"),
        (b"{", "cannot be read"),
        (b"[]", "another release"),
        (b'{"format": 2}', "another release"),
        (b'{"format": 1}', "damaged"),
        (b'{"format": 1, "created_at": 7, "revision": "x"}', "damaged"),
    ],
)
def test_directory_that_is_no_backup_is_refused(backup, target, content, why):
    (backup / "manifest.json").unlink()
    if content is not None:
        (backup / "manifest.json").write_bytes(content)

    with pytest.raises(BackupRefused, match=why):
        restore(backup, target)
    assert not target.exists()


def test_manifest_is_read_as_it_was_written(tmp_path):
    manifest = Manifest(
        created_at=NOON.isoformat(), revision=7, database_octets=8, database_sha256="00", bodies=3, missing=("ab",)
    )
    manifest.write(tmp_path)

    assert Manifest.read(tmp_path) == manifest
    assert json.loads((tmp_path / "manifest.json").read_text())["format"] == 1


@pytest.mark.postgresql
def test_postgresql_is_backed_up_with_its_own_tools(postgresql_url, directory, destination):
    with pytest.raises(BackupRefused, match="pg_dump"):
        back_up(postgresql_url, directory, destination, now=NOON)
    assert not destination.exists()


def test_bump_moves_the_revision_ahead_and_ends_history(log, url):
    record = create(log, "a")
    database = open_database(url, CHANGE_LOG)

    revision = bump(database)

    assert revision == record.revision + BUMP == log.current_revision() == log.oldest_revision()
    assert log.get(key("a")) == record
    with pytest.raises(Compacted):
        log.changes(after=record.revision, limit=1)
    assert update(log, record).revision == revision + 1
    database.close()


def test_backup_of_a_server_that_does_not_run(sqlite_log, sqlite_url, directory, destination, target):
    record = create(sqlite_log, "a", body=large_body("a"))
    sqlite_log.close()

    back_up(sqlite_url, directory, destination, now=NOON)
    restore(destination, target)

    log = open_restored(target)
    assert log.get(key("a")) == record
    log.close()


def test_backup_of_nothing_is_refused(directory, sqlite_url, destination):
    with pytest.raises(BackupRefused, match="there is no"):
        back_up(sqlite_url, directory, destination, now=NOON)
    assert not destination.exists()


def test_nothing_is_swept_while_a_backup_holds_the_files(sqlite_log):
    digest = sqlite_log.files.keep(b"no row ever came")
    sqlite_log.files.let_go(digest)
    sweeper = FileSweeper(sqlite_log.database, sqlite_log.files)
    sweeper.sweep(NOON)

    with BodyDirectory(sqlite_log.files.path).held():
        assert sweeper.sweep(NOON + FILE_GRACE) == 0

    assert sweeper.sweep(NOON + FILE_GRACE) == 1
