"""Asking again: five times at most, waiting longer each time (k8s.io/apiserver/pkg/util/webhook: DefaultRetryBackoff)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from apiserver.ambient import Entropy
from apiserver.errors import ClusterUnreachable

T = TypeVar("T")

_ATTEMPTS = 5
_FACTOR, _JITTER = 1.5, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`first` is the first pause, `deadline` the time for all attempts together; in seconds."""

    first: float = 0.5
    deadline: float = 10.0


WEBHOOK_PACE = Pace()
"""As kube-apiserver asks its webhooks."""


async def repeated(function: Callable[[], T], *, workers: Executor, entropy: Entropy, pace: Pace) -> T:
    """Calls a blocking function in a worker until it succeeds. Raises ClusterUnreachable when time or attempts are used up."""
    loop = asyncio.get_running_loop()
    pause = pace.first
    try:
        async with asyncio.timeout(pace.deadline):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return await loop.run_in_executor(workers, function)
                except ClusterUnreachable:
                    await asyncio.sleep(pause * (1 + _JITTER * entropy(1)[0] / 256))
                    pause *= _FACTOR
            return await loop.run_in_executor(workers, function)
    except TimeoutError as err:
        raise ClusterUnreachable(f"the cluster has not answered within {pace.deadline:.0f} seconds") from err
