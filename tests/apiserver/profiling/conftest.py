"""Something to profile: a thread that works and one that waits."""

import sys
import threading

import pytest

from tests.apiserver.client import eventually
from tests.apiserver.profiling.reading import Pprof
from tests.servers.go import find_go


@pytest.fixture
def pprof():
    return Pprof(find_go())


def works_hard(stopping):
    while not stopping.is_set():
        sum(range(1000))


def waits_long(stopping):
    stopping.wait()


def codes_of(thread):
    frame, found = sys._current_frames().get(thread.ident), []
    while frame is not None:
        found.append(frame.f_code)
        frame = frame.f_back
    return found


@pytest.fixture
def busy():
    """Both are where they shall be; yields the one that works."""
    stopping = threading.Event()
    threads = [
        threading.Thread(target=works_hard, args=(stopping,), name="worker"),
        threading.Thread(target=waits_long, args=(stopping,), name="waiter"),
    ]
    for thread in threads:
        thread.start()
    for thread, place in zip(threads, (works_hard, threading.Condition.wait), strict=True):
        eventually(lambda thread=thread, place=place: place.__code__ in codes_of(thread), 60)
    yield threads[0]
    stopping.set()
    for thread in threads:
        thread.join()
