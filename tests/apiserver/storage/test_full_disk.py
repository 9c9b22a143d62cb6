"""A disk without room: an error that says so, nothing half-done, and on once there is room."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.opening import DATABASE, open_change_log
from store.errors import StorageFault, StoreFull
from tests.apiserver.storage.samples import create, delete, key, large_body, names, write
from tests.store.test_sqlite import held_writer


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", path]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def small_log(small_disk: Path) -> Iterator[StoredChangeLog]:
    log = open_change_log(f"sqlite://{small_disk / DATABASE}", small_disk)
    yield log
    log.close()


def test_body_that_does_not_fit_is_said_leaves_nothing_and_small_writes_go_on(small_log, small_disk):
    create(small_log, "before")

    with pytest.raises(StoreFull, match="no restart is needed"):
        create(small_log, "large", body=large_body("large", 40 << 20))

    assert small_log.get(key("large")) is None
    assert list((small_disk / "bodies").glob("*/*")) == []
    create(small_log, "after")
    assert [name for _, name, _ in names(small_log)] == ["after", "before"]


def test_full_disk_is_said_loses_nothing_and_passes_without_restart(small_log, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (4 << 20))
    kept: list[str] = []

    def create_on(octets: int) -> None:
        for number in range(10_000):
            name = f"n{octets}-{number}"
            create(small_log, name, body=large_body(name, octets))
            kept.append(name)

    with pytest.raises(StoreFull):
        create_on(500_000)
    with pytest.raises(StorageFault):
        create_on(20_000)
    assert kept
    before = small_log.current_revision()
    assert {name for _, name, _ in names(small_log)} == set(kept)
    ballast.unlink()
    record = create(small_log, "after", body=large_body("after", 300_000))

    assert record.revision == before + 1
    reader = StoredChangeLog(small_log.database, small_log.files, cache_octets=0)
    for name in kept:
        found = reader.get(key(name))
        assert found.body.inline == large_body(name, int(name[1:].partition("-")[0]))
    small_log.database.verify_integrity()


def test_on_a_full_disk_what_is_there_is_read_and_after_it_may_be_deleted(small_log, small_disk):
    record = create(small_log, "a", body=large_body("a"))
    fill(ballast := small_disk / "ballast")

    def create_on() -> None:
        for number in range(100):
            create(small_log, f"n{number}", body=large_body(number, 60_000))

    with pytest.raises(StorageFault):
        create_on()
    assert small_log.get(key("a")) == record
    ballast.unlink()

    assert delete(small_log, record).deleted


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_group_in_which_the_disk_fills_up_fails_only_where_it_must(small_log):
    """Bodies in rows: all together do not fit, and those that come first take the room."""
    with held_writer(small_log.database):
        futures = [
            small_log.commit(write(key(f"n{number:03}"), body=large_body(number, 65_000))) for number in range(400)
        ]
    errors = [future.exception(60) for future in futures]

    kept = {f"n{number:03}" for number, error in enumerate(errors) if error is None}
    assert 20 < len(kept) < 400
    assert {"n000", "n001", "n002"} <= kept
    assert {type(error) for error in errors} == {type(None), StoreFull}
    assert {name for _, name, _ in names(small_log)} == kept
    assert small_log.current_revision() == 1 + len(kept)
    small_log.database.verify_integrity()
