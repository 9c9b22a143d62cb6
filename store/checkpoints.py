"""Moves what has been committed from the write-ahead log into the database file, beside the writer.

- Never inside a commit: that would make one caller in a thousand wait for all the others' pages.
- Passive at first: it waits for nobody and nobody waits for it. Only where the log has grown long does a second pass,
  with little left to do, hold the writer up so that the log starts from the front again: to write over a file costs
  half of what it costs to extend one. It gives up where a reader is in the way.
- A checkpoint that fails (a full disk) loses nothing, as the log holds everything; the next one tries again.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable

_COMMITS_BETWEEN = 64
_IDLE_SECONDS = 1.0
_LONG_LOG = 8192  # pages of 4 KiB
_PATIENCE_MILLISECONDS = 50


class Checkpointer:
    """A thread with a connection of its own."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._commits = 0
        self._due = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-checkpointer", daemon=True)
        self._thread.start()

    def notice(self) -> None:
        """Told of each commit by the writing thread."""
        self._commits += 1
        if self._commits >= _COMMITS_BETWEEN:
            self._due.set()

    def close(self) -> None:
        """A last checkpoint. Nothing is written any more by then; the last connection to close removes the log."""
        self._closing = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._closing:
            self._due.wait(_IDLE_SECONDS)
            self._due.clear()
            if not self._commits and not self._closing:
                continue
            self._commits = 0
            with contextlib.suppress(sqlite3.Error):
                connection = connection or self._open()
                _busy, pages, _moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages > _LONG_LOG:
                    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            connection.execute(f"PRAGMA busy_timeout={_PATIENCE_MILLISECONDS}")
            undo.pop_all()
        return connection
