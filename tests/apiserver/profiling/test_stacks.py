"""Stacks of threads and of tasks that wait."""

import asyncio

import pytest

from apiserver.profiling.stacks import profile_stacks, thread_stacks
from tests.apiserver.profiling.reading import Read


async def innermost(gate):
    await gate.wait()


async def middle(gate):
    await innermost(gate)


@pytest.fixture
async def tasks():
    gate = asyncio.Event()
    waiting = [asyncio.create_task(middle(gate)) for _ in range(5)]
    await asyncio.sleep(0)
    yield waiting
    gate.set()
    await asyncio.gather(*waiting)


def test_every_thread_is_told_by_name_with_its_place(busy):
    text = thread_stacks()

    assert "thread worker:\n\t" in text
    assert "thread waiter:\n\tthreading." in text
    assert "conftest.waits_long" in text
    assert "thread MainThread:" in text


async def test_tasks_that_wait_at_one_place_are_told_once_with_all_they_wait_through(tasks):
    text = thread_stacks(tasks)
    waiting = text[text.index("5 x task:") :]

    assert [line.strip() for line in waiting.splitlines() if line.startswith("\t") and not line.startswith("\t\t")] == [
        "locks.Event.wait",
        "test_stacks.innermost",
        "test_stacks.middle",
    ]


async def test_a_task_that_has_ended_is_nowhere(tasks):
    ended = asyncio.create_task(asyncio.sleep(0))
    await ended

    assert "x task" not in thread_stacks([ended])


async def test_the_profile_counts_threads_and_tasks(busy, tasks):
    read = Read(profile_stacks(tasks, time_nanos=1))

    assert read.kinds == ["goroutine"]
    assert read.total("goroutine", kind="task") == 5
    assert read.total("goroutine", thread="worker") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go_shows_where_threads_are(busy, pprof, tmp_path):
    (tmp_path / "goroutine").write_bytes(profile_stacks(time_nanos=1))

    assert "conftest.waits_long" in pprof("-top", tmp_path / "goroutine")
