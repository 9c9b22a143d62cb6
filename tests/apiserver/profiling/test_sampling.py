"""CPU profiles: who runs, who only waits, and that one ends when it is told to."""

import threading
import time

import pytest

from apiserver.profiling.sampling import _thread_clock, profile_cpu
from tests.apiserver.profiling.reading import Read

WORKS, WAITS = "conftest.works_hard", "conftest.waits_long"


def taken(seconds=0.5, pause=time.sleep):
    return profile_cpu(seconds, pause=pause, time_nanos=1)


def test_who_runs_has_cpu_time_and_who_waits_has_not(busy):
    begun, worked = time.monotonic(), _thread_clock(busy.native_id)

    def pause(seconds):
        """The rest between two looks; the last is when it has run for long enough, whatever else the machine has to do."""
        time.sleep(seconds)
        return time.monotonic() - begun > 0.4 and _thread_clock(busy.native_id) - worked > 0.2e9

    read = Read(taken(60, pause))

    assert read.shown == "cpu"
    assert read.total("wall", function=WAITS) > 0.2e9
    assert read.total("cpu", function=WAITS) < 0.01e9
    assert read.total("cpu", function=WORKS) > 0.05e9
    assert read.total("cpu", function=WORKS) == read.total("cpu", thread="worker")
    assert read.total("cpu") <= read.total("wall")


def test_the_thread_that_looks_is_not_in_its_own_profile(busy):
    assert all("sampling.profile_cpu" not in stack for _, stack, _ in Read(taken(0.05)).samples)


def test_a_profile_says_how_it_was_taken(busy):
    read = Read(taken(0.05))

    assert read.comments == ["cpu: of each thread's own clock", "a look each 10 ms"]
    assert 0.04e9 < read.duration_nanos < 60e9


def test_a_profile_ends_early_when_it_is_told_to():
    gone = threading.Event()
    gone.set()
    begun = time.monotonic()
    taken(100, gone.wait)

    assert time.monotonic() - begun < 60


def test_a_thread_that_comes_and_goes_does_no_harm():
    def short():
        for _ in range(30):
            thread = threading.Thread(target=sum, args=(range(1000),))
            thread.start()
            thread.join()

    churning = threading.Thread(target=short)
    churning.start()
    profile = taken(0.2)
    churning.join()

    assert Read(profile).duration_nanos


def test_the_clock_of_a_thread_that_is_no_more_is_none():
    thread = threading.Thread(target=int)
    thread.start()
    native_id = thread.native_id
    thread.join()
    while _thread_clock(native_id) is not None:  # joined is before the system has taken it away
        time.sleep(0)

    assert _thread_clock(native_id) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go_shows_who_runs_on_top(busy, pprof, tmp_path):
    (tmp_path / "cpu").write_bytes(taken())

    shown = pprof("-top", "-cum", tmp_path / "cpu")
    of_the_worker = pprof("-top", "-tagfocus=thread=worker", tmp_path / "cpu")

    assert "Type: cpu" in shown
    assert WORKS in shown
    assert WORKS in of_the_worker
    assert WAITS not in of_the_worker
    assert WAITS in pprof("-top", "-sample_index=wall", tmp_path / "cpu")
