"""Something to profile: a thread that works and one that waits."""

import sys
import threading
import time

import pytest

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
        while place.__code__ not in codes_of(thread):
            time.sleep(0.001)
    yield threads[0]
    stopping.set()
    for thread in threads:
        thread.join()
