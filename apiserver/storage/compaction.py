"""Compaction: history that is older than its retention goes, and bodies with it.

- Nothing current is ever touched. The oldest readable revision moves first; what is behind it goes afterwards, a few rows at a time,
  so that no writer waits for long.
- A body file goes when no row refers to it, and not before it has been so for a grace time: a reader that found the row a moment
  ago may still open the file.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from apiserver.ambient import Clock
from apiserver.storage.body_files import BodyFiles
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.statements import run
from store.database import Database

_CHUNK = 500  # rows in one transaction
_SAMPLES = 20  # within the retention: how precisely it is kept
FILE_GRACE = timedelta(minutes=10)

_MOVE = "UPDATE log_state SET oldest = ? WHERE id = 1 AND oldest < ?"
_SUPERSEDED = (
    "DELETE FROM object_versions WHERE revision IN (SELECT revision FROM object_versions WHERE superseded_at <= ? LIMIT ?) "
    "RETURNING body_id"
)
_UNUSED = "DELETE FROM object_bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM object_versions v WHERE v.body_id = ?)"
_REFERRED = "SELECT 1 FROM object_bodies WHERE digest = ? LIMIT 1"

_log = structlog.get_logger("chancery.apiserver.compaction")


def compact(database: Database, upto: int) -> int:
    """Makes `upto` the oldest readable revision; returns how many versions went. Raises `store.errors` StorageFault leaves."""
    database.write(lambda connection: run(connection, _MOVE, (upto, upto)).close())
    removed = 0
    while chunk := database.write(lambda connection: _remove_chunk(connection, upto)):
        removed += chunk
    return removed


def sweep_files(database: Database, files: BodyFiles, *, unused_since: float) -> int:
    """Deletes the files that no row refers to and that were last written before `unused_since` (seconds since 1970)."""
    removed = 0
    for digest, written_at in files.all():
        if written_at >= unused_since:
            continue
        referred = database.read(
            lambda connection, digest=digest: run(connection, _REFERRED, (digest,)).fetchone() is not None  # type: ignore[misc] # mypy cannot infer a lambda's default
        )
        if not referred:
            removed += files.discard(digest)
    return removed


class Compactor:
    """Decides what may go: call `step` every now and then, from one thread."""

    def __init__(self, log: StoredChangeLog, *, retention: timedelta, clock: Clock) -> None:
        self._log = log
        self._retention = retention
        self._clock = clock
        self._samples: deque[tuple[datetime, int]] = deque()
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
        self._samples.append((now, self._log.current_revision()))
        upto = 0
        while self._samples and now - self._samples[0][0] >= self._retention:
            upto = self._samples.popleft()[1]
        removed = compact(self._log.database, upto) if upto > self._log.oldest_revision() else 0
        if removed:
            _log.debug("compacted", oldest=upto, versions=removed)
        self._sweep(now)
        return removed

    def _sweep(self, now: datetime) -> None:
        if self._log.files is None or (self._swept_at is not None and now - self._swept_at < FILE_GRACE):
            return
        self._swept_at = now
        removed = sweep_files(self._log.database, self._log.files, unused_since=(now - FILE_GRACE).timestamp())
        if removed:
            _log.info("unused body files removed", files=removed)


def _remove_chunk(connection: Connection, upto: int) -> int:
    rows: Sequence[tuple[int]] = run(connection, _SUPERSEDED, (upto, _CHUNK)).fetchall()
    for body_id in {row[0] for row in rows}:
        run(connection, _UNUSED, (body_id, body_id))
    return len(rows)
