"""Heap profiles: what was allocated meanwhile, and that tracing ends as it began."""

import threading
import tracemalloc

import pytest

from apiserver.profiling.heap import profile_heap
from tests.apiserver.profiling.reading import Read


class Allocating:
    """Stands in for the time of a profile: allocates, then lets it end."""

    def __init__(self):
        self.kept = []
        self.waited = None

    def wait(self, seconds):
        self.waited = seconds
        self.kept.append(bytearray(3 << 20))


def test_what_was_allocated_meanwhile_and_is_held_is_shown():
    allocating = Allocating()
    read = Read(profile_heap(allocating, 5, time_nanos=1))

    largest = max(read.samples, key=lambda sample: sample[0]["inuse_space"])
    assert largest[0]["inuse_space"] == pytest.approx(3 << 20, rel=0.01)
    assert largest[0]["inuse_objects"] < 10
    assert largest[1][0].startswith("test_heap.py:")
    assert read.shown == "inuse_space"
    assert (allocating.waited, tracemalloc.is_tracing()) == (5, False)


def test_where_tracing_was_on_before_all_is_shown_at_once_and_tracing_goes_on():
    tracemalloc.start(5)
    try:
        kept = bytearray(2 << 20)
        allocating = Allocating()
        read = Read(profile_heap(allocating, 5, time_nanos=1))

        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert kept is not None
    assert allocating.waited is None
    assert read.total("inuse_space") >= 2 << 20
    assert read.comments == ["allocated since the process began and still held"]


def test_a_profile_ends_early_when_it_is_told_to():
    gone = threading.Event()
    gone.set()

    assert Read(profile_heap(gone, 100, time_nanos=1)).duration_nanos < 60e9


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go_shows_who_allocated(pprof, tmp_path):
    (tmp_path / "heap").write_bytes(profile_heap(Allocating(), 1, time_nanos=1))

    shown = pprof("-top", tmp_path / "heap")

    assert "Type: inuse_space" in shown
    assert "3MB" in shown
    assert "test_heap.py:" in shown
