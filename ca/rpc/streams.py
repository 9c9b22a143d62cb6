"""Answers a stream of requests side by side: each answer leaves when it is ready, in any order."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

from ca.errors import ShuttingDown

Request = TypeVar("Request")
Response = TypeVar("Response")


async def answer_side_by_side(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Response]],
    *,
    window: int,
    stopping: asyncio.Event,
) -> AsyncGenerator[Response, None]:
    """Yields one response for each request and ends after the last of them.

    An answer never waits for a later request: a caller may hold its next one back until it has read the last. At most
    `window` requests are under way or answered and not yet taken, so a caller that does not read its answers stops being
    read. Whatever is under way is cancelled when the iteration is given up, so close it (`contextlib.aclosing`). Raises
    what `requests` and `answer` raise.

    Once `stopping` is set no further request is read: those under way are answered, then ShuttingDown is raised.
    """
    room = asyncio.Semaphore(window)
    ready: asyncio.Queue[Response | None] = asyncio.Queue()

    async def respond(request: Request) -> None:
        ready.put_nowait(await answer(request))

    async def take(under_way: asyncio.TaskGroup) -> None:
        async for request in requests:
            await room.acquire()
            under_way.create_task(respond(request))

    async def read() -> None:
        try:
            async with asyncio.TaskGroup() as under_way:
                taking = under_way.create_task(take(under_way))
                halting = under_way.create_task(_cancel_when(stopping, taking))
                taking.add_done_callback(lambda _: halting.cancel())
            if taking.cancelled():
                raise ShuttingDown("the server is stopping; send the rest to another one, or again in a moment")
        finally:
            ready.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (response := await ready.get()) is not None:
            yield response
            room.release()
        try:
            await reader
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reader


async def _cancel_when(event: asyncio.Event, task: "asyncio.Task[None]") -> None:
    await event.wait()
    task.cancel()
