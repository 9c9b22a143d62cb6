"""The data directory: one process, strict modes, files that appear whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from ca.data_directory import DataDirectory, read_private_file, write_private_file
from ca.errors import DataDirectoryInUse, KeyFileMissing, LooseFileMode, Misconfigured, NotInitialised


def test_directory_is_made_private(tmp_path: Path) -> None:
    with DataDirectory.open(tmp_path / "a" / "data", create=True) as directory:
        assert directory.path.stat().st_mode & 0o777 == 0o700


def test_missing_directory_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised, match="ca-cli init"):
        DataDirectory.open(tmp_path / "data")


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_loose_directory_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(mode)

    with pytest.raises(LooseFileMode, match=f"chmod 0700 {path}"):
        DataDirectory.open(path)
    assert path.stat().st_mode & 0o777 == mode


def test_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").touch(mode=0o600)

    with pytest.raises(Misconfigured, match="not a directory"):
        DataDirectory.open(tmp_path / "data", create=True)


def test_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match="cannot be made"):
        DataDirectory.open(tmp_path / "file" / "data", create=True)


def test_second_user_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with DataDirectory.open(tmp_path / "data", create=True), pytest.raises(DataDirectoryInUse, match="stop it first"):
        DataDirectory.open(tmp_path / "data")

    DataDirectory.open(tmp_path / "data").close()


def test_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ca.data_directory import DataDirectory\n"
        "DataDirectory.open(Path(sys.argv[1]), create=True); print('held', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "data"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataDirectoryInUse):
            DataDirectory.open(path)
        holder.kill()
        holder.wait(60)

    DataDirectory.open(path).close()


def test_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    write_private_file(path, b"one")
    (path.parent / ".key.new").write_bytes(b"left over by a crash")

    write_private_file(path, b"two")

    assert read_private_file(path) == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def test_private_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / ".key.new").symlink_to(tmp_path / "elsewhere")

    write_private_file(tmp_path / "key", b"secret")

    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "key").is_symlink()


def test_loose_and_missing_private_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(KeyFileMissing):
        read_private_file(path)
    path.write_bytes(b"x")
    path.chmod(0o604)

    with pytest.raises(LooseFileMode):
        read_private_file(path)


def test_a_directory_is_no_private_file_and_nobody_is_told_to_change_its_mode(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is a directory; name a file in it"):
        read_private_file(tmp_path)
