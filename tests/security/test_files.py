"""Files that others could have touched stop the start, and links lead nothing astray."""

import os
from pathlib import Path

import pytest

from ca.data_directory import DataDirectory, write_private_file
from ca.errors import DataDirectoryInUse, LooseFileMode, PolicyInvalid
from ca.policy import default_policy
from ca.policy_file import PolicyFile
from store.errors import StoreUnavailable
from tests.ca.offices import Premises


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_policy_that_others_may_write_is_not_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(default_policy("cluster.local"))
    path.chmod(mode)

    with pytest.raises(PolicyInvalid, match="chmod"):
        PolicyFile(path)


def test_policy_that_others_came_to_write_is_not_reloaded(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(default_policy("cluster.local"))
    path.chmod(0o644)
    policy = PolicyFile(path)
    before = policy()

    path.write_text(default_policy("evil.example"))
    path.chmod(0o666)

    assert not policy.refresh()
    assert policy() is before


def test_link_planted_in_place_of_a_new_key_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    (directory / ".root.pem.new").symlink_to(victim)
    (directory / "root.pem").symlink_to(victim)

    write_private_file(directory / "root.pem", b"key")

    assert victim.read_bytes() == b"untouched"
    assert not (directory / "root.pem").is_symlink()
    assert (directory / "root.pem").stat().st_mode & 0o777 == 0o600


def test_link_planted_in_place_of_the_database_is_not_followed(premises: Premises, tmp_path: Path) -> None:
    database = premises.directory / "chancery.db"
    database.rename(tmp_path / "elsewhere.db")
    database.symlink_to(tmp_path / "elsewhere.db")

    with pytest.raises(StoreUnavailable), premises.open():
        pass


def test_key_linked_to_a_loose_file_is_refused(premises: Premises, tmp_path: Path) -> None:
    passphrase = premises.directory / "passphrase"
    loose = tmp_path / "loose"
    loose.write_bytes(passphrase.read_bytes())
    loose.chmod(0o644)
    passphrase.unlink()
    passphrase.symlink_to(loose)

    with pytest.raises(LooseFileMode), premises.open():
        pass


def test_lock_is_held_whatever_name_the_directory_goes_by(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    (tmp_path / "alias").symlink_to(directory)
    with DataDirectory.open(directory, create=True):
        for name in (tmp_path / "alias", tmp_path / "data" / ".." / "data", Path(os.path.relpath(directory))):
            with pytest.raises(DataDirectoryInUse):
                DataDirectory.open(name)
