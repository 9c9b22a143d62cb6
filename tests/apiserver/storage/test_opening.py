"""Who may open a store: one server for a data directory, and only the database that the bodies beside it belong to."""

import subprocess
import sys
from pathlib import Path

import pytest

from apiserver.storage.opening import DataDirectory, open_change_log
from store.errors import StorageFault, StoreExposed, StoreUnavailable, UnsupportedDatabase

ROOT = Path(__file__).parents[3]


def test_data_directory_is_for_one_at_a_time(tmp_path):
    path = tmp_path / "data"
    with DataDirectory(path), pytest.raises(StoreUnavailable, match="another process uses"):
        DataDirectory(path)

    DataDirectory(path).close()
    assert path.stat().st_mode & 0o777 == 0o700


def test_data_directory_of_a_process_that_was_killed_is_free(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from apiserver.storage.opening import DataDirectory\n"
        "taken = DataDirectory(Path(sys.argv[1])); print('taken', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path / "data"], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"taken\n"
    with pytest.raises(StoreUnavailable, match="another process uses"):
        DataDirectory(tmp_path / "data")

    process.kill()
    process.wait(20)
    process.stdout.close()

    DataDirectory(tmp_path / "data").close()


def test_data_directory_that_others_may_look_into_is_refused(tmp_path):
    tmp_path.chmod(0o750)

    with pytest.raises(StoreExposed, match="chmod 700"):
        DataDirectory(tmp_path)


def test_data_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match="another data directory"):
        DataDirectory(tmp_path / "file")


def test_database_outside_of_the_data_directory_is_refused(directory, tmp_path):
    """Its bodies would be looked for here."""
    with pytest.raises(UnsupportedDatabase, match="outside"):
        open_change_log(f"sqlite://{tmp_path / 'elsewhere.db'}", directory)


def test_second_database_in_one_data_directory_is_refused(directory):
    """The bodies of the first would look unused to it."""
    open_change_log(f"sqlite://{directory / 'one.db'}", directory).close()

    with pytest.raises(UnsupportedDatabase, match=r"belongs to one\.db"):
        open_change_log(f"sqlite://{directory / 'two.db'}", directory)
    open_change_log(f"sqlite://{directory / 'one.db'}", directory).close()


def test_second_change_log_on_one_data_directory_is_refused(directory, sqlite_url):
    first = open_change_log(sqlite_url, directory)
    with pytest.raises(StoreUnavailable, match="another process writes"):
        open_change_log(sqlite_url, directory)
    first.close()

    open_change_log(sqlite_url, directory).close()


def test_change_log_that_does_not_open_leaves_nothing_taken(directory, sqlite_url):
    (directory / "apiserver.db").write_bytes(b"no database" * 100)
    with pytest.raises(StorageFault):
        open_change_log(sqlite_url, directory)

    (directory / "apiserver.db").unlink()
    open_change_log(sqlite_url, directory).close()
