"""The roots in force, as the process knows them: set by one, read by those who publish them."""

import threading
from collections.abc import Callable

from kube.trust.roots import Roots


class CurrentRoots:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._roots: Roots | None = None
        self._subscribers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def get(self) -> Roots | None:
        """None before the authority has answered."""
        return self._roots

    def set(self, roots: Roots) -> None:
        """Tells every subscriber."""
        with self._lock:
            self._roots = roots
            subscribers = tuple(self._subscribers)
        for tell in subscribers:
            tell()

    def subscribe(self, tell: Callable[[], None]) -> None:
        """`tell` is called at every change, in the thread of whoever makes it."""
        with self._lock:
            self._subscribers.append(tell)
