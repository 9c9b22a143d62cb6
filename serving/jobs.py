"""Jobs that run beside a server, for as long as it does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine


@contextlib.asynccontextmanager
async def running(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs `jobs` for the length of the block; they are cancelled at its end."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
