"""Makes private keys for callers, aside from the threads that everything else waits for.

- An RSA key takes a second of a core: callers who want many share two threads, and nobody else waits with them.
- Beyond a bounded number that wait, a caller is told to come back.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ca.errors import Overloaded
from certs.keys import KeyFactory, KeyType, PrivateKey

_THREADS = 2


class KeyMaker:
    """Belongs to one event loop. Its threads end with it."""

    def __init__(self, factory: KeyFactory, *, capacity: int = 256) -> None:
        self._factory = factory
        self._capacity = capacity
        self._under_way = 0
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="key-making")

    async def make(self, key_type: KeyType) -> PrivateKey:
        """Raises Overloaded."""
        if self._under_way >= self._capacity:
            raise Overloaded("too many keys are waiting to be made; try again in a moment, or make the key yourself")
        self._under_way += 1
        making = self._pool.submit(self._factory, key_type)
        loop = asyncio.get_running_loop()
        making.add_done_callback(lambda _: loop.call_soon_threadsafe(self._forget))
        return await asyncio.wrap_future(making)

    def _forget(self) -> None:
        self._under_way -= 1
