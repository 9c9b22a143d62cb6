import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from random import Random

import pytest

from agent.directories import PublishedFile
from agent.errors import CredentialsInvalid, PublishFailed, StorageFull, UnsafePath
from agent.files import publish_files, read_published

PAIR = ("tls.crt", "tls.key")


def pair(mark: str) -> list[PublishedFile]:
    return [PublishedFile.public("tls.crt", mark.encode()), PublishedFile.private("tls.key", mark.encode())]


def visible(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.startswith("..")}


def test_names_are_symlinks_through_one_data_directory(tmp_path):
    publish_files(tmp_path, pair("one"))

    assert (tmp_path / "tls.crt").readlink() == Path("..data/tls.crt")
    assert visible(tmp_path) == {"tls.crt": b"one", "tls.key": b"one"}


def test_modes_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        publish_files(tmp_path / "new", pair("one"))
    finally:
        os.umask(before)

    modes = {name: stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) for name in (".", "..data", *PAIR)}
    assert modes == {".": 0o700, "..data": 0o700, "tls.crt": 0o644, "tls.key": 0o600}


def test_a_second_publication_replaces_all_and_keeps_one_set_for_late_readers(tmp_path):
    for mark in ("one", "two", "three"):
        publish_files(tmp_path, pair(mark))

    assert visible(tmp_path) == {"tls.crt": b"three", "tls.key": b"three"}
    assert sorted(path.name for path in tmp_path.glob("..set-*")) == ["..set-2", "..set-3"]


def test_a_name_that_is_no_longer_published_disappears(tmp_path):
    publish_files(tmp_path, [*pair("one"), PublishedFile.public("ca.crt", b"roots")])

    publish_files(tmp_path, pair("two"))

    assert visible(tmp_path) == {"tls.crt": b"two", "tls.key": b"two"}


def test_plain_files_are_taken_over_and_others_left_alone(tmp_path):
    for name in ("tls.crt", "tls.key", "notes.txt"):
        (tmp_path / name).write_bytes(b"plain")

    publish_files(tmp_path, pair("one"))

    assert visible(tmp_path) == {"tls.crt": b"one", "tls.key": b"one", "notes.txt": b"plain"}
    assert (tmp_path / "..set-1" / "tls.key").read_bytes() == b"plain"


def test_a_plain_file_put_over_a_published_name_is_taken_over(tmp_path):
    publish_files(tmp_path, pair("one"))
    (tmp_path / "stray").write_bytes(b"stray")
    (tmp_path / "stray").rename(tmp_path / "tls.crt")

    publish_files(tmp_path, pair("two"))

    assert visible(tmp_path) == {"tls.crt": b"two", "tls.key": b"two"}


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "..data", "/etc/passwd", "a\0b", "é"])
def test_a_name_that_is_not_a_plain_component_is_refused(tmp_path, name):
    with pytest.raises(UnsafePath, match="plain file name"):
        publish_files(tmp_path, [PublishedFile.public(name, b"x")])

    assert list(tmp_path.iterdir()) == []


def test_one_name_twice_is_refused(tmp_path):
    with pytest.raises(PublishFailed, match="same name"):
        publish_files(tmp_path, [PublishedFile.public("a", b"1"), PublishedFile.public("a", b"2")])


def test_a_directory_that_is_a_symlink_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")

    with pytest.raises(UnsafePath, match="symlink"):
        publish_files(tmp_path / "link", pair("one"))

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_visible_name_that_leads_elsewhere_is_refused(tmp_path):
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "tls.crt").symlink_to(target)

    with pytest.raises(UnsafePath, match="symlink"):
        publish_files(tmp_path / "live", pair("one"))

    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("target", ["/etc", "..", "..2026_11_21"])
def test_a_data_link_of_another_maker_is_refused(tmp_path, target):
    (tmp_path / "..data").symlink_to(target)

    with pytest.raises(UnsafePath, match="has not made"):
        publish_files(tmp_path, pair("one"))


def test_leftovers_of_a_crash_are_tidied(tmp_path):
    publish_files(tmp_path, pair("one"))
    (tmp_path / "..set-9").mkdir()
    (tmp_path / "..set-9" / "tls.key").write_bytes(b"half")
    (tmp_path / "..data_tmp").symlink_to("..set-9")

    publish_files(tmp_path, pair("two"))

    assert sorted(path.name for path in tmp_path.glob("..*")) == ["..data", "..set-1", "..set-2"]


def test_a_disk_that_fills_up_leaves_the_old_set(tmp_path):
    publish_files(tmp_path, pair("one"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StorageFull, match="the old files stand"):
            publish_files(tmp_path, pair("x" * 10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)

    assert visible(tmp_path) == {"tls.crt": b"one", "tls.key": b"one"}
    assert [path.name for path in tmp_path.glob("..set-*")] == ["..set-1"]


def test_a_file_in_the_way_of_the_directory_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(PublishFailed):
        publish_files(tmp_path / "file", pair("one"))


def test_reading_plain_files_follows_their_symlinks(tmp_path):
    (tmp_path / "real").write_bytes(b"one")
    for name in PAIR:
        (tmp_path / name).symlink_to("real")

    assert read_published(tmp_path, PAIR) == (b"one", b"one")


def test_reading_a_fifo_or_a_huge_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "tls.crt")
    with pytest.raises(CredentialsInvalid, match="regular file"):
        read_published(tmp_path, ["tls.crt"])

    (tmp_path / "tls.key").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(CredentialsInvalid, match="larger than"):
        read_published(tmp_path, ["tls.key"])


def test_publishers_in_several_threads_take_turns(tmp_path):
    def publish(mark: str) -> None:
        for round_number in range(10):
            publish_files(tmp_path, pair(f"{mark}{round_number}"))

    threads = [threading.Thread(target=publish, args=(mark,)) for mark in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    certificate, key = read_published(tmp_path, PAIR)
    assert certificate == key


PUBLISHER = """
    import sys
    from pathlib import Path
    from agent.directories import PublishedFile
    from agent.files import publish_files

    directory, number = Path(sys.argv[1]), int(sys.argv[2])
    print("ready", flush=True)
    while True:
        number += 1
        mark = str(number).encode() * 200
        publish_files(directory, [PublishedFile.public("tls.crt", mark), PublishedFile.private("tls.key", mark)])
        print(number, flush=True)
"""


def test_readers_see_a_matching_pair_whenever_the_publisher_is_killed(tmp_path):
    directory, random, acknowledged = tmp_path / "live", Random(20261121), 0
    for name in PAIR:
        directory.mkdir(exist_ok=True)
        (directory / name).write_bytes(b"0" * 200)
    stop, torn = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            certificate, key = read_published(directory, PAIR)
            if certificate != key:
                torn.append((certificate, key))

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for _ in range(40):
            acknowledged = _publish_until_killed(directory, acknowledged, random.uniform(0.0, 0.03))
            certificate, key = read_published(directory, PAIR)
            assert certificate == key
            assert int(certificate[: len(certificate) // 200]) >= acknowledged
    finally:
        stop.set()
        reader.join()

    assert torn == []
    publish_files(directory, pair("last"))
    assert visible(directory) == {"tls.crt": b"last", "tls.key": b"last"}


def _publish_until_killed(directory: Path, number: int, seconds: float) -> int:
    """Starts a publisher, kills it so long after it is ready, and returns the last number that it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PUBLISHER), str(directory), str(number)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        timer = threading.Timer(seconds, child.kill)
        timer.start()
        lines = child.stdout.read().splitlines()
        timer.join()
    return int(lines[-1]) if lines and lines[-1].isdigit() else number
