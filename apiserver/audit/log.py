"""Where audit events go: a file of JSON lines that is put aside when it is large, or standard output.

- One thread writes. In batch mode requests do not wait for it, and events that it cannot keep up with are dropped and counted; in
  blocking mode a request is answered once its event is written.
- Files are 0600.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

import structlog

from apiserver.errors import ApiSettingsInvalid

_CAPACITY = 10_000  # events that wait
_BATCH = 400

_log = structlog.get_logger("chancery.apiserver.audit")


class AuditLog:
    """Safe to use from any thread."""

    def __init__(self, path: str, *, largest_octets: int, backups: int) -> None:
        """`path` may be `-`. Raises ApiSettingsInvalid where it cannot be written."""
        self._path = None if path == "-" else Path(path)
        self._largest = largest_octets
        self._backups = backups
        self._queue: queue.Queue[tuple[bytes, Future[None]] | None] = queue.Queue(_CAPACITY)
        self.dropped = 0
        self._file = self._open()
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> "Future[None] | None":
        """The future resolves once the line is in the file; None where there is no room for it in memory."""
        future: Future[None] = Future()
        try:
            self._queue.put_nowait((line, future))
        except queue.Full:
            self.dropped += 1
            return None
        return future

    def close(self) -> None:
        """Writes what waits."""
        self._queue.put(None)
        self._thread.join()
        if self._path is not None:
            self._file.close()

    def _run(self) -> None:
        closing = False
        while not closing:
            taken = [self._queue.get()]
            while len(taken) < _BATCH and not self._queue.empty():
                taken.append(self._queue.get_nowait())
            closing = None in taken
            self._write([one for one in taken if one is not None])

    def _write(self, events: "list[tuple[bytes, Future[None]]]") -> None:
        try:
            self._file.write(b"".join(line for line, _ in events))
            self._file.flush()
            self._rotate()
        except OSError as err:
            _log.exception("audit events lost", events=len(events))
            why = err
            _settle(events, lambda future: future.set_exception(why))
        else:
            _settle(events, lambda future: future.set_result(None))

    def _rotate(self) -> None:
        if self._path is None or self._file.tell() < self._largest:
            return
        self._file.close()
        for number in range(self._backups, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        if not self._backups:
            self._path.unlink()
        self._file = self._open()

    def _open(self) -> BinaryIO:
        if self._path is None:
            return sys.stdout.buffer
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise ApiSettingsInvalid([f"audit_log_path: {self._path} cannot be written: {err.strerror}"]) from err
        return os.fdopen(descriptor, "ab")


def _settle(events: "list[tuple[bytes, Future[None]]]", how: "Callable[[Future[None]], None]") -> None:
    for _, future in events:
        if future.set_running_or_notify_cancel():
            how(future)
