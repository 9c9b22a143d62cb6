import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from ca.errors import ShuttingDown
from ca.rpc.streams import answer_side_by_side


async def stream(items: Sequence[int]) -> AsyncIterator[int]:
    for item in items:
        yield item


async def test_every_request_is_answered_once():
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return number * 10

    answers = [one async for one in answer_side_by_side(stream(range(100)), answer, window=7, stopping=asyncio.Event())]

    assert sorted(answers) == [number * 10 for number in range(100)]


async def test_an_answer_does_not_wait_for_the_next_request():
    taken = asyncio.Event()

    async def hesitant() -> AsyncIterator[int]:
        yield 1
        await taken.wait()
        yield 2

    async def answer(number: int) -> int:
        return number

    answers = answer_side_by_side(hesitant(), answer, window=10, stopping=asyncio.Event())

    assert await asyncio.wait_for(anext(answers), 60) == 1
    taken.set()
    assert [one async for one in answers] == [2]


async def test_a_slow_answer_does_not_hold_up_a_quick_one():
    release = asyncio.Event()

    async def answer(number: int) -> int:
        if number == 1:
            await release.wait()
        return number

    answers = answer_side_by_side(stream([1, 2]), answer, window=10, stopping=asyncio.Event())

    assert await asyncio.wait_for(anext(answers), 60) == 2
    release.set()
    assert [one async for one in answers] == [1]


async def test_a_caller_that_takes_no_answers_is_not_read_beyond_the_window():
    read = 0

    async def endless() -> AsyncIterator[int]:
        nonlocal read
        while True:
            read += 1
            yield read

    async def answer(number: int) -> int:
        return number

    answers = answer_side_by_side(endless(), answer, window=5, stopping=asyncio.Event())
    await anext(answers)
    for _ in range(50):
        await asyncio.sleep(0)

    assert read <= 7
    await answers.aclose()


async def test_giving_up_cancels_what_is_under_way():
    cancelled = []

    async def answer(number: int) -> int:
        if number == 1:
            return number
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    answers = answer_side_by_side(stream([1, 2, 3]), answer, window=10, stopping=asyncio.Event())
    await anext(answers)
    await asyncio.sleep(0)
    await answers.aclose()

    assert sorted(cancelled) == [2, 3]


async def test_a_stream_that_breaks_off_says_so_after_what_was_answered():
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError("reset")

    async def answer(number: int) -> int:
        return number

    answers = answer_side_by_side(broken(), answer, window=10, stopping=asyncio.Event())

    with pytest.raises(ConnectionError, match="reset"):
        async for _ in answers:
            pass


async def test_a_stop_lets_what_is_under_way_be_answered_and_reads_no_further():
    stopping, release, under_way = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def unending() -> AsyncIterator[int]:
        yield 1
        yield 2
        await asyncio.Event().wait()

    async def answer(number: int) -> int:
        if number == 2:
            under_way.set()
        await release.wait()
        return number

    answers = answer_side_by_side(unending(), answer, window=10, stopping=stopping)
    first = asyncio.ensure_future(anext(answers))
    await under_way.wait()
    stopping.set()
    await asyncio.sleep(0.01)
    release.set()

    assert {await first, await anext(answers)} == {1, 2}
    with pytest.raises(ShuttingDown):
        await asyncio.wait_for(anext(answers), 60)
