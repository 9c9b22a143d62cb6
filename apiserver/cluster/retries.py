"""Asking again: five times at most, waiting longer each time (k8s.io/apiserver/pkg/util/webhook: DefaultRetryBackoff)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from apiserver.ambient import Entropy
from apiserver.errors import ClusterUnreachable

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_SECONDS, _FACTOR, _JITTER = 0.5, 1.5, 0.2
DEADLINE_SECONDS = 10.0
"""For all attempts together."""


async def repeated(function: Callable[[], T], *, workers: Executor, entropy: Entropy) -> T:
    """Calls a blocking function in a worker until it succeeds. Raises ClusterUnreachable when time or attempts are used up."""
    loop = asyncio.get_running_loop()
    pause = _FIRST_SECONDS
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return await loop.run_in_executor(workers, function)
                except ClusterUnreachable:
                    await asyncio.sleep(pause * (1 + _JITTER * entropy(1)[0] / 256))
                    pause *= _FACTOR
            return await loop.run_in_executor(workers, function)
    except TimeoutError as err:
        raise ClusterUnreachable(f"the cluster has not answered within {DEADLINE_SECONDS:.0f} seconds") from err
