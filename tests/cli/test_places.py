"""What is remembered of certificates held in memory, and when it is not to be believed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from cli.places import Place, boot_id

BOOT = "4a6f"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "held.json"


def left(path, *names, boot=BOOT):
    """A process was here, and has ended."""
    place = Place.take(path, boot=boot)
    place.settle(*names)
    place.close()


def recalled(path, boot=BOOT):
    place = Place.take(path, boot=boot)
    place.close()
    return place.names


def test_the_next_process_knows_what_the_one_before_held(path):
    left(path, "first")

    assert recalled(path) == ("first",)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_known_where_nobody_was_before(path):
    assert recalled(path) == ()


def test_what_was_noted_comes_first_and_what_is_held_is_never_dropped(path):
    place = Place.take(path, boot=BOOT)
    place.settle("held")
    for number in range(9):
        place.note(f"asked-{number}")
    place.close()

    assert recalled(path) == ("asked-8", "asked-7", "asked-6", "held")


def test_shorter_memory_after_a_longer_one_is_read_whole(path):
    left(path, "a" * 64, "b" * 64)
    left(path, "c")

    assert recalled(path) == ("c",)


def test_place_that_is_given_up_is_empty(path):
    left(path, "first")
    left(path)

    assert recalled(path) == ()


def test_who_comes_second_while_the_first_lives_knows_nothing_and_changes_nothing(path):
    first = Place.take(path, boot=BOOT)
    first.settle("first")

    second = Place.take(path, boot=BOOT)
    assert second.names == ()
    second.note("second")
    second.close()

    assert second.names == ("second",)
    first.close()
    assert recalled(path) == ("first",)


def test_killed_process_leaves_what_it_held(path):
    code = (
        "import sys, pathlib; from cli.places import Place\n"
        f"place = Place.take(pathlib.Path(sys.argv[1]), boot={BOOT!r}); place.settle('killed')\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    while_it_lives = recalled(path)
    process.kill()
    process.communicate()

    assert while_it_lives == ()
    assert recalled(path) == ("killed",)


def test_what_was_held_before_the_machine_started_is_not_spoken_for(path):
    left(path, "first")

    assert recalled(path, boot="another") == ()


def test_copy_of_a_directory_does_not_speak_for_the_original(path):
    left(path, "first")
    shutil.copytree(path.parent, path.parent.with_name("copy"))

    assert recalled(path.parent.with_name("copy") / path.name) == ()
    assert recalled(path) == ("first",)


def test_directory_that_was_moved_is_the_same_place(path):
    left(path, "first")
    moved = path.parent.rename(path.parent.with_name("moved"))

    assert recalled(moved / path.name) == ("first",)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{", b"[]\n", b"null\n", b'{"names": 7}\n', b'{"names": ["x"]}\n', b"\xff" * 9000, b"[" * 9000],
    ids=range(9),
)
def test_what_cannot_be_read_is_as_good_as_nothing(path, content):
    path.parent.mkdir()
    path.write_bytes(content)

    assert recalled(path) == ()
    left(path, "first")
    assert recalled(path) == ("first",)


@pytest.mark.parametrize("names", [["a", 7], "abc", {"a": 1}, [["a"]]], ids=str)
def test_names_that_are_none_are_not_taken(path, names):
    left(path, "first")
    kept = json.loads(path.read_bytes().partition(b"\n")[0])
    path.write_bytes(json.dumps({**kept, "names": names}).encode() + b"\n")

    assert recalled(path) == ()


def test_link_to_elsewhere_is_not_followed(path, tmp_path):
    path.parent.mkdir()
    (tmp_path / "elsewhere").write_text("precious")
    path.symlink_to(tmp_path / "elsewhere")

    left(path, "first")

    assert (tmp_path / "elsewhere").read_text() == "precious"


@pytest.mark.parametrize("make", ["mkdir", "mkfifo", "a file above"])
def test_what_is_no_file_costs_the_memory_alone(path, make):
    if make == "a file above":
        path.parent.write_text("")
    else:
        path.parent.mkdir()
        getattr(os, make)(path)

    place = Place.take(path, boot=BOOT)
    place.note("first")

    assert place.names == ("first",)


def test_machine_that_does_not_name_its_boots_has_no_memory(path):
    left(path, "first", boot="")

    assert not path.exists()
    assert recalled(path, boot="") == ()


def test_this_machine_names_its_boot():
    assert boot_id() == boot_id()
    assert len(boot_id()) == 36
