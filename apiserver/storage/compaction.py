"""Compaction: history that is older than its retention goes, and bodies with it.

- Nothing current is ever touched. The oldest readable revision moves first; what is behind it goes after that, few rows at a time,
  so that no writer waits for long.
- A body goes with the last version that refers to it. Its file goes a grace time after that: a reader that found the row a
  moment ago may still open the file. Files that a crash has left without a row go in the same way.
- Replicas that share a PostgreSQL database may all compact: each keeps its retention, and the first to come does the work.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from apiserver.ambient import Clock
from apiserver.storage.body_files import PREFIXES, BodyFiles, Sweep
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.statements import run
from store.database import Database
from store.locks import Lock, take_lock

FILE_GRACE = timedelta(minutes=10)
"""How long a body's file outlives the last version that referred to it, at least."""

_CHUNK_SECONDS = 0.01  # with its commit: writers wait for it
_SMALLEST_CHUNK, _LARGEST_CHUNK = 20, 500  # rows in one transaction
_SAMPLES = 20  # within the retention: how precisely it is kept

_MOVE = "UPDATE log_state SET oldest = ? WHERE id = 1 AND oldest < ? AND revision >= ?"
_SUPERSEDED = (
    "DELETE FROM object_versions WHERE revision IN (SELECT revision FROM object_versions WHERE superseded_at <= ? LIMIT ?) "
    "RETURNING body_id"
)
_UNUSED = "DELETE FROM object_bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM object_versions v WHERE v.body_id = ?)"
_REFERRED = "SELECT DISTINCT digest FROM object_bodies WHERE digest >= ? AND digest <= ?"

_log = structlog.get_logger("chancery.apiserver.compaction")


def compact(database: Database, upto: int, *, stopping: threading.Event | None = None) -> int:
    """Makes `upto`, no revision of the future, the oldest that can be read; returns how many versions went.

    Takes half of the writer's time at most. Where it is told to stop, the next call does the rest. Raises `store.errors`
    StorageFault leaves.
    """
    stopping = stopping or threading.Event()
    database.write(lambda connection: run(connection, _MOVE, (upto, upto, upto)).close())
    removed, chunk = 0, _SMALLEST_CHUNK
    while True:
        begun = time.monotonic()
        found = database.write(lambda connection, rows=chunk: _remove_chunk(connection, rows))  # type: ignore[misc] # mypy cannot infer a lambda's default
        took = time.monotonic() - begun
        removed += found
        if found < chunk or stopping.wait(took):
            return removed
        if took < _CHUNK_SECONDS / 2:
            chunk = min(2 * chunk, _LARGEST_CHUNK)
        elif took > _CHUNK_SECONDS:
            chunk = max(chunk // 2, _SMALLEST_CHUNK)


class Compactor:
    """Decides what may go: call `step` every now and then, from one thread."""

    def __init__(self, log: StoredChangeLog, *, retention: timedelta, clock: Clock) -> None:
        self._log = log
        self._retention = retention
        self._clock = clock
        self._stopping = threading.Event()
        self._samples: deque[tuple[datetime, int]] = deque()
        self._sweeper = None if log.files is None else FileSweeper(log.database, log.files)
        self._swept_at: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """How often `step` is worth calling."""
        return max(self._retention / _SAMPLES, timedelta(seconds=1))

    def step(self) -> int:
        """Compacts up to what was current a retention ago; returns how many versions went."""
        now = self._clock()
        if self._samples and now < self._samples[-1][0]:
            self._samples.clear()  # the clock went back: ages are unknown, and history is kept rather longer
            self._swept_at = None
        self._samples.append((now, self._log.current_revision()))
        upto = 0
        while self._samples and now - self._samples[0][0] >= self._retention:
            upto = self._samples.popleft()[1]
        removed = 0
        if upto > self._log.oldest_revision():
            removed = compact(self._log.database, upto, stopping=self._stopping)
        if removed:
            _log.debug("compacted", oldest=upto, versions=removed)
        self._sweep(now)
        return removed

    def stop(self) -> None:
        """A step that is under way ends soon, with what it has done so far; later ones do next to nothing. From any thread."""
        self._stopping.set()

    def _sweep(self, now: datetime) -> None:
        if self._sweeper is None or (self._swept_at is not None and now - self._swept_at < FILE_GRACE):
            return
        self._swept_at = now
        removed = self._sweeper.sweep(now)
        if removed:
            _log.info("unused body files removed", files=removed)


class FileSweeper:
    """Deletes files that no row refers to, once they have been seen so for a grace time. For one thread."""

    def __init__(self, database: Database, files: BodyFiles) -> None:
        self._database = database
        self._files = files
        self._unused_since: dict[bytes, datetime] = {}

    def sweep(self, now: datetime) -> int:
        """Looks through all files, unless a backup holds them; returns how many went. Raises StorageFault leaves."""
        with self._files.sweep() as sweep:
            return 0 if sweep is None else self._sweep(sweep, now)

    def _sweep(self, sweep: Sweep, now: datetime) -> int:
        removed = 0
        found: dict[bytes, datetime] = {}
        for prefix in PREFIXES:
            for digest in self._unused(prefix):
                since = min(self._unused_since.get(digest, now), now)
                if now - since >= FILE_GRACE and sweep.discard(digest):
                    removed += 1
                else:
                    found[digest] = since
        self._unused_since = found
        return removed

    def _unused(self, prefix: str) -> set[bytes]:
        present = self._files.digests(prefix)
        if not present:
            return set()
        least, greatest = bytes.fromhex(prefix), bytes.fromhex(prefix) + b"\xff" * 31
        rows = self._database.read(lambda connection: run(connection, _REFERRED, (least, greatest)).fetchall())
        return set(present) - {bytes(row[0]) for row in rows}


def _remove_chunk(connection: Connection, rows: int) -> int:
    take_lock(connection, Lock.COMPACTION)
    (oldest,) = run(connection, "SELECT oldest FROM log_state WHERE id = 1").fetchone()
    removed: Sequence[tuple[int]] = run(connection, _SUPERSEDED, (oldest, rows)).fetchall()
    for body_id in {row[0] for row in removed}:
        run(connection, _UNUSED, (body_id, body_id))
    return len(removed)
