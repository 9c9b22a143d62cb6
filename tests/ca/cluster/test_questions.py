"""Asking the cluster: who waits, and who is told to come back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from ca.cluster.questions import Pace, Questions
from ca.errors import Overloaded

PACE = Pace(waiting=8, waiting_of_one=3)


@pytest.fixture
def answered() -> Iterator[threading.Event]:
    """Until it is set, the cluster says nothing."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
async def questions() -> AsyncIterator[Questions]:
    made = Questions(entropy=bytes, pace=PACE)
    yield made
    made.close()


async def asked(questions: Questions, answered: threading.Event, *sources: str) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.create_task(questions.ask(lambda: answered.wait(60), source=source)) for source in sources]
    await asyncio.sleep(0)
    return tasks


async def test_one_source_leaves_room_for_the_others(questions: Questions, answered: threading.Event) -> None:
    waiting = await asked(questions, answered, "rogue", "rogue", "rogue")
    with pytest.raises(Overloaded):
        await questions.ask(lambda: True, source="rogue")
    others = await asked(questions, answered, "a", "b")
    answered.set()

    assert await asyncio.gather(*waiting, *others) == [True] * 5
    assert await questions.ask(lambda: True, source="rogue")


async def test_all_together_are_bounded_as_well(questions: Questions, answered: threading.Event) -> None:
    waiting = await asked(questions, answered, *(f"10.0.0.{number}" for number in range(8)))
    with pytest.raises(Overloaded):
        await questions.ask(lambda: True, source="10.0.0.9")
    answered.set()

    assert await asyncio.gather(*waiting) == [True] * 8


async def test_nothing_is_kept_of_a_source_that_has_its_answers(questions: Questions) -> None:
    for number in range(100):
        await questions.ask(lambda: True, source=str(number))

    assert not questions._waiting
