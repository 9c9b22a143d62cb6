"""Answers that are remembered: for how long, how many, and what becomes of those who wait."""

import asyncio
import gc

import pytest

from apiserver.cluster.caches import AnswerCache


class Oracle:
    """Answers with how often it has been asked, once `open` is set; fails while it is `failing`."""

    def __init__(self):
        self.asked = 0
        self.failing = False
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self):
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.failing:
            raise OSError("down")
        return number


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def cache(now):
    return AnswerCache(2, monotonic=lambda: now[0])


async def test_answer_is_good_for_its_time_counted_from_when_it_came(cache, now):
    oracle = Oracle()
    oracle.open.clear()
    asking = asyncio.ensure_future(cache.get("a", oracle, lambda _: 10))
    await asyncio.sleep(0)
    now[0] = 5.0
    oracle.open.set()
    await asking

    found = []
    for now[0] in (5.0, 14.9, 15.0, 24.9):
        found.append(await cache.get("a", oracle, lambda _: 10))

    assert found == [1, 1, 2, 2]


async def test_the_time_may_depend_on_the_answer_and_be_none(cache):
    oracle = Oracle()

    assert [await cache.get("a", oracle, lambda _: 0) for _ in range(3)] == [1, 2, 3]


async def test_least_recently_used_goes_first(cache):
    oracle = Oracle()
    for key in "abac":
        await cache.get(key, oracle, lambda _: 10)

    assert await cache.get("a", oracle, lambda _: 10) == 1
    assert await cache.get("c", oracle, lambda _: 10) == 3
    assert await cache.get("b", oracle, lambda _: 10) == 4


async def test_failure_is_told_to_all_who_wait_and_then_forgotten(cache):
    oracle = Oracle()
    oracle.failing = True
    outcomes = await asyncio.gather(*(cache.get("a", oracle, lambda _: 10) for _ in range(5)), return_exceptions=True)
    oracle.failing = False

    assert [type(outcome) for outcome in outcomes] == [OSError] * 5
    assert await cache.get("a", oracle, lambda _: 10) == 2


async def test_failure_leaves_what_is_known_of_others(cache):
    oracle = Oracle()
    await cache.get("a", oracle, lambda _: 10)
    oracle.failing = True
    with pytest.raises(OSError, match="down"):
        await cache.get("b", oracle, lambda _: 10)

    assert await cache.get("a", oracle, lambda _: 10) == 1


async def test_who_goes_away_takes_the_answer_from_nobody(cache):
    oracle = Oracle()
    oracle.open.clear()
    first, second = (asyncio.ensure_future(cache.get("a", oracle, lambda _: 10)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    oracle.open.set()

    assert await second == 1
    assert oracle.asked == 1
    assert first.cancelled()


async def test_failure_that_nobody_waits_for_any_more_makes_no_noise(cache):
    noise = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: noise.append(context))
    oracle = Oracle()
    oracle.failing = True
    oracle.open.clear()
    asking = asyncio.ensure_future(cache.get("a", oracle, lambda _: 10))
    await asyncio.sleep(0)
    asking.cancel()
    oracle.open.set()
    await asyncio.sleep(0.01)
    gc.collect()
    await asyncio.sleep(0)

    assert noise == []
