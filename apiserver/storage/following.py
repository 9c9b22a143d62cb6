"""Sees what other replicas have committed: by looking a few times a second, and sooner where the database gives a hint.

- Looking is the truth: a hint that is lost costs a quarter of a second. A database that is away is asked again once it is back.
"""

import threading
from collections.abc import Callable

import structlog

from store.database import Database
from store.errors import StorageFault
from store.notifications import Notifications

CHANNEL = "chancery_changes"

_LOOK_SECONDS = 0.25
_PAUSE_SECONDS = 1.0  # after a fault

_log = structlog.get_logger("chancery.apiserver.storage")


class Follower:
    """A thread. `on_change` is called with the newest revision where it is not the one last seen; it returns at once."""

    def __init__(
        self, database: Database, *, current_revision: Callable[[], int], on_change: Callable[[int], None]
    ) -> None:
        self._database = database
        self._current_revision = current_revision
        self._on_change = on_change
        self._seen = current_revision()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-follower", daemon=True)
        self._thread.start()

    def skip(self, revision: int) -> None:
        """This process has written up to `revision`, and everybody here knows."""
        self._seen = revision

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        failing = False
        while not self._closing.is_set():
            try:
                self._follow()
            except StorageFault as fault:
                if not failing:
                    _log.warning("the change log cannot be followed", reason=fault.reason, error=str(fault))
                failing = True
                self._closing.wait(_PAUSE_SECONDS)
            else:
                failing = False

    def _follow(self) -> None:
        """Until the end, or until something fails."""
        notifications = self._database.listen(CHANNEL)
        try:
            while not self._closing.is_set():
                self._look()
                self._wait(notifications)
        finally:
            if notifications is not None:
                notifications.close()

    def _look(self) -> None:
        current = self._current_revision()
        if current != self._seen:
            self._seen = current
            self._on_change(current)

    def _wait(self, notifications: Notifications | None) -> None:
        if notifications is None:
            self._closing.wait(_LOOK_SECONDS)
        else:
            notifications.wait(_LOOK_SECONDS)
