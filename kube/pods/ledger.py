"""What is remembered of each pod, by its UID; lost with the process, and made up for by the full pass."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kube.pods.decisions import Remembered

_STRIPES = 256


class Ledger:
    """Safe from any thread; one thread at a time has a pod's entry."""

    def __init__(self) -> None:
        self._entries: dict[str, Remembered] = {}
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    @contextmanager
    def entry(self, uid: str) -> Iterator[Remembered]:
        """To be read and changed within the block, calls to others included: two that are made at once could arrive the other
        way round."""
        with self._locks[hash(uid) % _STRIPES]:
            yield self._entries.setdefault(uid, Remembered())

    def forget(self, uid: str) -> None:
        self._entries.pop(uid, None)

    def forget_names(self, uid: str) -> None:
        """As if nothing had been registered for the pod."""
        with self.entry(uid) as remembered:
            remembered.names = None

    def clear(self) -> None:
        self._entries.clear()

    def uids(self) -> frozenset[str]:
        return frozenset(self._entries.copy())

    def __len__(self) -> int:
        return len(self._entries)
