"""What is seen of threads that do not end."""

import asyncio
import threading

import pytest

from tests import threads


async def waits_for_a_friend(friend: asyncio.Event) -> None:
    await friend.wait()


def test_thread_that_does_not_end_is_shown_with_what_its_tasks_wait_for(monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE_SECONDS", 0.1)
    loop, started, friend = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    loop.call_soon(started.set)
    stubborn = threading.Thread(target=loop.run_until_complete, args=(waits_for_a_friend(friend),), name="stubborn")
    stubborn.start()
    assert started.wait(60)

    with pytest.raises(AssertionError) as caught:
        threads.join(stubborn, loops=[loop])
    loop.call_soon_threadsafe(friend.set)
    monkeypatch.undo()
    threads.join(stubborn)
    loop.close()

    assert "stubborn does not end" in str(caught.value)
    assert "run_until_complete" in str(caught.value)
    assert "in waits_for_a_friend" in str(caught.value)


def test_thread_that_ends_is_awaited():
    ended = []
    thread = threading.Thread(target=lambda: ended.append(True))
    thread.start()

    threads.join(thread)

    assert ended == [True]
