"""Something to profile: a thread that works and one that waits."""

import threading

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


@pytest.fixture
def busy():
    stopping = threading.Event()
    threads = [
        threading.Thread(target=works_hard, args=(stopping,), name="worker"),
        threading.Thread(target=waits_long, args=(stopping,), name="waiter"),
    ]
    for thread in threads:
        thread.start()
    yield
    stopping.set()
    for thread in threads:
        thread.join()
