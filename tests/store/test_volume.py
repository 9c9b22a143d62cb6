"""Volumes that a kubelet has given to the group of a pod."""

import os
from pathlib import Path

import pytest

from store.volume import take_back


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """As a kubelet leaves it that found a key in it."""
    volume = tmp_path / "volume"
    (volume / "ca" / "keys").mkdir(parents=True)
    (volume / "ca" / "keys" / "key").touch()
    (volume / "ca" / "keys" / "key").chmod(0o660)
    for directory in (volume, volume / "ca", volume / "ca" / "keys"):
        directory.chmod(0o2770)
    return volume


def modes(volume: Path) -> list[int]:
    return [
        path.stat().st_mode & 0o7777 for path in (volume / "ca", volume / "ca" / "keys", volume / "ca" / "keys" / "key")
    ]


def test_files_that_a_kubelet_gave_to_our_group_are_taken_back(volume, logs):
    take_back(volume / "ca", is_mount=volume.samefile)

    assert modes(volume) == [0o700, 0o700, 0o600]
    assert volume.stat().st_mode & 0o7777 == 0o2770
    assert [each["log_level"] for each in logs] == ["warning"]


def test_link_in_a_volume_leads_to_nothing_that_is_changed(volume, tmp_path):
    (tmp_path / "elsewhere").touch(mode=0o660)
    (tmp_path / "elsewhere").chmod(0o660)
    (volume / "ca" / "link").symlink_to(tmp_path / "elsewhere")

    take_back(volume / "ca", is_mount=volume.samefile)

    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("loose", [0o770, 0o2750, 0o700])
def test_directory_that_no_kubelet_has_changed_is_left_to_people(volume, loose):
    (volume / "ca").chmod(loose)

    take_back(volume / "ca", is_mount=volume.samefile)

    assert modes(volume)[1:] == [0o2770, 0o660]


def test_directory_on_no_volume_is_left_to_people(volume):
    take_back(volume / "ca")

    assert modes(volume) == [0o2770, 0o2770, 0o660]


def test_what_is_open_to_everybody_stays_so(volume):
    (volume / "ca" / "keys" / "key").chmod(0o664)

    take_back(volume / "ca", is_mount=volume.samefile)

    assert modes(volume)[2] == 0o604


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another group: takes root")
def test_files_of_another_group_are_left_to_people(volume):
    os.chown(volume / "ca", -1, 4242)
    (volume / "ca").chmod(0o2770)

    take_back(volume / "ca", is_mount=volume.samefile)

    assert modes(volume)[1:] == [0o2770, 0o660]
