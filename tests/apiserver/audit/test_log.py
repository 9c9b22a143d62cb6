"""The file of audit events: nothing lost, nothing halved, nothing that others may read; and what happens when the disk is full."""

import os
import resource
import signal
import threading
from pathlib import Path

import orjson
import pytest

from apiserver.audit import log as audit_log
from apiserver.audit.log import AuditLog
from apiserver.errors import ApiSettingsInvalid
from tests.threads import join

FOREVER = 60


def opened(path, *, largest_octets=1 << 20, backups=3):
    return AuditLog(str(path), largest_octets=largest_octets, backups=backups)


def line(number):
    return orjson.dumps({"number": number}, option=orjson.OPT_APPEND_NEWLINE)


def numbers(path):
    return [orjson.loads(text)["number"] for text in path.read_bytes().splitlines()]


def test_what_is_offered_is_in_the_file_once_the_log_is_closed(tmp_path):
    log = opened(tmp_path / "audit.log")
    for number in range(1000):
        assert log.offer(line(number))
    log.close()

    assert numbers(tmp_path / "audit.log") == list(range(1000))
    assert log.dropped == 0


def test_what_is_waited_for_is_in_the_file_when_the_waiting_ends(tmp_path):
    log = opened(tmp_path / "audit.log")
    log.write(line(1)).result(FOREVER)

    assert numbers(tmp_path / "audit.log") == [1]
    log.close()


def test_many_threads_write_whole_lines(tmp_path):
    log = opened(tmp_path / "audit.log")
    threads = [
        threading.Thread(target=lambda start=start: [log.offer(line(start + number)) for number in range(200)])
        for start in range(0, 1000, 200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    assert sorted(numbers(tmp_path / "audit.log")) == list(range(1000))


def test_others_may_not_read_it(tmp_path):
    old = os.umask(0)
    try:
        (tmp_path / "before.log").touch(0o644)
        for name in ("before.log", "new.log"):
            opened(tmp_path / name).close()
    finally:
        os.umask(old)

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_it_goes_on_where_it_was(tmp_path):
    for number in (1, 2):
        log = opened(tmp_path / "audit.log")
        log.offer(line(number))
        log.close()

    assert numbers(tmp_path / "audit.log") == [1, 2]


def test_a_large_file_is_put_aside_and_the_oldest_goes(tmp_path):
    log = opened(tmp_path / "audit.log", largest_octets=1, backups=2)
    for number in range(5):
        log.write(line(number)).result(FOREVER)
    log.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.log.1", "audit.log.2"]
    assert numbers(tmp_path / "audit.log.1") == [4]
    assert numbers(tmp_path / "audit.log.2") == [3]


def test_without_backups_a_large_file_is_begun_anew(tmp_path):
    log = opened(tmp_path / "audit.log", largest_octets=1, backups=0)
    for number in range(3):
        log.write(line(number)).result(FOREVER)
    log.close()

    assert not list(tmp_path.iterdir())


def test_a_file_that_somebody_moves_away_is_begun_anew(tmp_path):
    log = opened(tmp_path / "audit.log")
    log.write(line(1)).result(FOREVER)
    (tmp_path / "audit.log").rename(tmp_path / "moved.log")
    log.write(line(2)).result(FOREVER)
    (tmp_path / "audit.log").unlink()
    log.write(line(3)).result(FOREVER)
    log.close()

    assert numbers(tmp_path / "moved.log") == [1]
    assert numbers(tmp_path / "audit.log") == [3]


def test_standard_output_takes_events_and_stays_open(capfd):
    log = opened("-")
    log.write(line(1)).result(FOREVER)
    log.close()
    os.write(1, b"still open\n")

    assert capfd.readouterr().out == '{"number":1}\nstill open\n'


@pytest.mark.parametrize("path", ["/proc/nowhere/audit.log", "/dev/full/audit.log"])
def test_a_file_that_cannot_be_is_the_operators_fault(path):
    with pytest.raises(ApiSettingsInvalid, match="audit_log_path"):
        opened(path)


def test_a_full_disk_loses_events_and_not_the_log(tmp_path):
    target = tmp_path / "audit.log"
    target.symlink_to("/dev/full")
    log = opened(target)
    lost = log.write(line(1))
    assert isinstance(lost.exception(FOREVER), OSError)

    target.unlink()
    log.close()

    assert log.dropped == 1


def test_a_directory_that_goes_loses_events_until_it_is_back(tmp_path):
    target = tmp_path / "logs" / "audit.log"
    log = opened(target)
    target.unlink()
    target.parent.rmdir()
    target.parent.touch()
    assert isinstance(log.write(line(1)).exception(FOREVER), OSError)

    target.parent.unlink()
    log.write(line(2)).result(FOREVER)
    log.close()

    assert numbers(target) == [2]


def test_a_line_that_was_cut_off_does_not_take_the_next_one_along(tmp_path):
    log = opened(tmp_path / "audit.log")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        log.write(line(1)).result(FOREVER)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "audit.log").stat().st_size + 5, before[1]))
        assert isinstance(log.write(line(2)).exception(FOREVER), OSError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    log.write(line(3)).result(FOREVER)
    log.close()

    assert (tmp_path / "audit.log").read_bytes() == b'{"number":1}\n{"num\n{"number":3}\n'


class Held:
    """A named pipe that nobody empties holds up the thread that writes."""

    def __init__(self, directory):
        self.path = Path(directory) / "pipe"
        os.mkfifo(self.path)
        self.reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def fill(self, log):
        future = log.write(b"x" * (1 << 20) + b"\n")
        while log._waiting:
            pass
        return future

    def drain(self):
        os.set_blocking(self.reader, True)

        def read():
            while os.read(self.reader, 1 << 16):
                pass

        thread = threading.Thread(target=read)
        thread.start()
        return thread


def test_what_waits_is_bounded_and_the_rest_is_dropped_and_counted(tmp_path):
    held = Held(tmp_path)
    log = opened(held.path)
    first = held.fill(log)
    taken = [log.offer(line(number)) for number in range(audit_log._MOST_EVENTS + 10)]

    assert taken.count(True) == audit_log._MOST_EVENTS
    assert log.dropped == 10
    assert log.write(line(0)) is None

    reader = held.drain()
    first.result(FOREVER)
    log.close()
    join(reader)
    os.close(held.reader)


def test_what_waits_is_bounded_in_octets(tmp_path):
    held = Held(tmp_path)
    log = opened(held.path)
    held.fill(log)
    large = b"x" * (16 << 20) + b"\n"
    taken = [log.offer(large) for _ in range(5)]

    assert taken == [True, True, True, False, False]

    reader = held.drain()
    log.close()
    join(reader)
    os.close(held.reader)


def test_after_its_end_a_log_drops_events(tmp_path):
    log = opened(tmp_path / "audit.log")
    log.close()

    assert not log.offer(line(1))
    assert log.write(line(1)) is None
