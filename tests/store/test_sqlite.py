"""SQLite: file modes, damaged files, a full disk, group commit and checkpoints."""

import os
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from store.audit import AuditTrail
from store.database import open_database
from store.errors import (
    StorageFault,
    StoreCorrupt,
    StoreExposed,
    StoreFull,
    StoreUnavailable,
    UnsupportedDatabase,
)
from store.inventory import Inventory
from store.schema import sealing_keys
from store.sqlite import SqliteDatabase
from tests.store.samples import NOW, issuance


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fill(path: Path, batches: int = 20) -> None:
    database = open_database(f"sqlite://{path}")
    for _ in range(batches):
        Inventory(database).record([issuance() for _ in range(10)])
    database.close()


def test_files_are_the_owners_alone(sqlite_path: Path) -> None:
    before = os.umask(0o000)
    try:
        database = open_database(f"sqlite://{sqlite_path}")
        Inventory(database).record([issuance()])
        found = {path.name: mode(path) for path in sqlite_path.parent.iterdir()}
        database.close()
    finally:
        os.umask(before)

    assert found == {"chancery.db": 0o600, "chancery.db-wal": 0o600, "chancery.db-shm": 0o600}
    assert mode(sqlite_path.parent) == 0o700


def test_group_permissions_are_taken_back(sqlite_path: Path) -> None:
    fill(sqlite_path, 1)
    sqlite_path.chmod(0o660)

    open_database(f"sqlite://{sqlite_path}").close()

    assert mode(sqlite_path) == 0o600


@pytest.mark.parametrize("loose", [0o604, 0o602, 0o666, 0o777])
def test_file_open_to_others_is_refused(sqlite_path: Path, loose: int) -> None:
    fill(sqlite_path, 1)
    sqlite_path.chmod(loose)

    with pytest.raises(StoreExposed, match="chmod 600"):
        open_database(f"sqlite://{sqlite_path}")
    assert mode(sqlite_path) == loose


def test_directory_that_anyone_may_write_to_is_refused(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.parent.chmod(0o777)

    with pytest.raises(StoreExposed, match="chmod o-w"):
        open_database(f"sqlite://{sqlite_path}")


def test_symbolic_link_is_not_followed(sqlite_path: Path, tmp_path: Path) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreUnavailable):
        open_database(f"sqlite://{sqlite_path}")


def test_directory_in_place_of_the_file_is_refused(sqlite_path: Path) -> None:
    sqlite_path.mkdir(parents=True)

    with pytest.raises(StoreUnavailable):
        open_database(f"sqlite://{sqlite_path}")


@pytest.mark.parametrize("octets", [b"not a database", b"x" * 8192, b"SQLite format 3\x00"])
def test_file_that_is_no_database_is_refused_and_left_alone(sqlite_path: Path, octets: bytes) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.write_bytes(octets)
    sqlite_path.chmod(0o600)

    with pytest.raises(StoreCorrupt):
        open_database(f"sqlite://{sqlite_path}")
    assert sqlite_path.read_bytes() == octets


def test_database_of_another_application_is_refused_and_left_alone(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    other = sqlite3.connect(sqlite_path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    sqlite_path.chmod(0o600)
    before = sqlite_path.read_bytes()

    with pytest.raises(UnsupportedDatabase):
        open_database(f"sqlite://{sqlite_path}")
    assert sqlite_path.read_bytes() == before


@pytest.mark.parametrize("page", [1, 5, 20, 60])
def test_damaged_page_is_found_at_the_start(sqlite_path: Path, page: int) -> None:
    fill(sqlite_path)
    with sqlite_path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)

    with pytest.raises(StoreCorrupt, match="backup"):
        open_database(f"sqlite://{sqlite_path}")


def test_file_cut_short_is_found_at_the_start(sqlite_path: Path) -> None:
    fill(sqlite_path)
    os.truncate(sqlite_path, sqlite_path.stat().st_size // 2)

    with pytest.raises(StoreCorrupt):
        open_database(f"sqlite://{sqlite_path}")


def test_damage_while_running_is_a_fault(sqlite_path: Path) -> None:
    fill(sqlite_path)
    database = open_database(f"sqlite://{sqlite_path}")
    with sqlite_path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (sqlite_path.stat().st_size - 4096))

    with pytest.raises(StoreCorrupt):
        AuditTrail(database).verify_chain()
    with pytest.raises(StoreCorrupt):
        database.verify_integrity()
    with pytest.raises(StoreCorrupt):
        Inventory(database).record([issuance()])
    database.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", path]
    mount = subprocess.run(command, capture_output=True, check=False)
    if mount.returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_full_disk_is_said_loses_nothing_and_passes_without_restart(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (2 << 20))
    database = open_database(f"sqlite://{small_disk}/data/chancery.db")
    inventory = Inventory(database)
    kept: list[str] = []

    def record_on() -> None:
        while True:
            kept.extend(record.id for record in inventory.record([issuance() for _ in range(8)]))

    with pytest.raises(StoreFull, match="make room"):
        record_on()
    for _ in range(3):
        with pytest.raises(StorageFault):
            inventory.record([issuance() for _ in range(500)])
    assert inventory.find(kept[-1]).id == kept[-1]
    ballast.unlink()
    kept += [record.id for record in inventory.record([issuance() for _ in range(8)])]

    assert inventory.counts(now=NOW).total == len(kept)
    assert AuditTrail(database).verify_chain() == len(kept)
    database.verify_integrity()
    database.close()


def test_group_in_which_the_disk_fills_up_fails_only_where_it_must(small_disk: Path) -> None:
    """SQLite may give up the whole transaction; those of the group that fit are then done by themselves."""
    database = open_database(f"sqlite://{small_disk}/data/chancery.db")

    def put(name: str, octets: int):
        def operation(connection: Connection) -> None:
            connection.execute(insert(sealing_keys).values(name=name, wrapped=bytes(octets)))

        return operation

    with held_writer(database):
        futures = [database.submit(put(str(number), 8 << 20 if number == 3 else 100)) for number in range(6)]
    errors = [type(future.exception(timeout=30)) for future in futures]

    assert errors == [type(None)] * 3 + [StoreFull] + [type(None)] * 2
    database.close()


class held_writer:  # noqa: N801 - used as a function
    """Keeps the writing thread busy, so that what is submitted meanwhile becomes one group."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._leave = threading.Event()

    def __enter__(self) -> None:
        inside = threading.Event()

        def hold(_connection: Connection) -> None:
            inside.set()
            assert self._leave.wait(60)

        self._held = self._database.submit(hold)
        assert inside.wait(60)

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._held.result(60)


def test_writers_that_wait_share_one_transaction(sqlite_path: Path) -> None:
    database = SqliteDatabase(sqlite_path)

    with held_writer(database):
        futures = [database.submit(lambda connection: connection.get_transaction()) for _ in range(50)]
    transactions = {id(future.result(60)) for future in futures}

    assert len(transactions) == 1
    database.close()


def test_write_that_nobody_waits_for_any_more_is_left_out(sqlite_path: Path) -> None:
    database = SqliteDatabase(sqlite_path)
    done: list[int] = []

    with held_writer(database):
        cancelled = database.submit(lambda _connection: done.append(1))
        kept = database.submit(lambda _connection: done.append(2))
        assert cancelled.cancel()
    kept.result(60)

    assert done == [2]
    database.close()


def test_durability_settings_hold_on_every_connection(sqlite_path: Path) -> None:
    database = SqliteDatabase(sqlite_path)

    def settings(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert database.write(settings) == ["wal", 2, 1, 0]
    assert database.read(settings) == ["wal", 2, 1, 0]
    database.close()


def test_log_starts_over_under_steady_writing(sqlite_path: Path) -> None:
    database = open_database(f"sqlite://{sqlite_path}")
    inventory = Inventory(database)

    for _ in range(300):
        inventory.record([issuance() for _ in range(32)])
    size = Path(f"{sqlite_path}-wal").stat().st_size

    assert size < 300 << 20
    database.close()
    assert not Path(f"{sqlite_path}-wal").exists()


def test_locked_database_is_unavailable_for_now(sqlite_path: Path) -> None:
    open_database(f"sqlite://{sqlite_path}").close()
    database = SqliteDatabase(sqlite_path, busy_timeout=0.1)
    other = sqlite3.connect(sqlite_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="another process"):
        Inventory(database).record([issuance()])
    other.execute("ROLLBACK")
    other.close()

    (record,) = Inventory(database).record([issuance()])
    assert record.sequence == 1
    database.close()


def test_read_only_directory_is_unavailable_with_a_hint(sqlite_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    sqlite_path.parent.mkdir(mode=0o500)

    with pytest.raises(StoreUnavailable, match="permissions"):
        open_database(f"sqlite://{sqlite_path}")
