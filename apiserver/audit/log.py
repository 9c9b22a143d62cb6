"""Where audit events go: a file of JSON lines that is put aside when it is large, or standard output.

- One thread writes. In batch mode requests do not wait for it, and events that it cannot keep up with are dropped and counted; in
  blocking mode a request is answered once its event is written. Written is in the file, not on the disk.
- What waits is bounded in number and in octets. Nothing that goes wrong ends the thread: each write tries again to open the file.
- A line that was cut off by a full disk is ended before the next one, so that one event is lost and not two.
- Files are 0600, also one that was there before. A file that somebody else has moved away is begun anew.
"""

import contextlib
import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import structlog

from apiserver.errors import ApiSettingsInvalid

_MOST_EVENTS = 10_000
_MOST_OCTETS = 64 << 20
_LARGEST_WRITE = 1 << 20
_BATCH = 400
_BATCH_SECONDS = (
    0.02  # an event that nobody waits for may wait for company: each write takes the interpreter from requests
)
_MODE = 0o600

_Event = tuple[bytes, "Future[None] | None"]

_log = structlog.get_logger("chancery.apiserver.audit")


class AuditLog:
    """Safe to use from any thread."""

    def __init__(self, path: str, *, largest_octets: int, backups: int) -> None:
        """`path` may be `-`. Raises ApiSettingsInvalid where it cannot be written."""
        self._file = _LogFile(None if path == "-" else Path(path), largest_octets=largest_octets, backups=backups)
        try:
            self._file.open()
        except OSError as err:
            raise ApiSettingsInvalid([f"audit_log_path: {path} cannot be written: {err.strerror or err}"]) from err
        self._waiting: deque[_Event] = deque()
        self._octets = 0
        self._changed = threading.Condition()
        self._closing = False
        self._dropped = self._lost = 0
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Events that are in no file: there was no room in memory, or they could not be written."""
        return self._dropped + self._lost

    def offer(self, line: bytes) -> bool:
        """Whether the line will be written, or tried to be."""
        return self._put((line, None))

    def write(self, line: bytes) -> "Future[None] | None":
        """The future resolves once the line is in the file, or with OSError; None where there is no room for it in memory."""
        future: Future[None] = Future()
        return future if self._put((line, future)) else None

    def close(self) -> None:
        """Writes what waits. Later events are dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._file.close()

    def _put(self, event: _Event) -> bool:
        with self._changed:
            octets = self._octets + len(event[0])
            if self._closing or len(self._waiting) >= _MOST_EVENTS or octets > _MOST_OCTETS:
                self._dropped += 1
                return False
            self._waiting.append(event)
            self._octets = octets
            if len(self._waiting) == 1:
                self._changed.notify()
        return True

    def _run(self) -> None:
        reported = 0
        while events := self._take():
            self._write(events)
            if self._dropped > reported:
                _report("audit events dropped: they come faster than they can be written", events=self._dropped)
                reported = self._dropped

    def _take(self) -> Sequence[_Event]:
        """What waits, up to a write's worth; nothing once all is written and the log closes."""
        taken: list[_Event] = []
        size = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            while self._waiting and size < _LARGEST_WRITE:
                event = self._waiting.popleft()
                taken.append(event)
                size += len(event[0])
            self._octets -= size
        return taken

    def _write(self, events: Sequence[_Event]) -> None:
        try:
            self._file.write(b"".join(line for line, _ in events))
        except OSError as err:
            self._lost += len(events)
            why = err
            _settle(events, lambda future: future.set_exception(why))
            _report("audit events lost", events=len(events), error=str(err))
        else:
            _settle(events, lambda future: future.set_result(None))


class _LogFile:
    """Used by one thread at a time. Methods raise OSError."""

    def __init__(self, path: Path | None, *, largest_octets: int, backups: int) -> None:
        self._path = path
        self._largest = largest_octets
        self._backups = backups
        self._descriptor: int | None = None
        self._size = 0
        self._regular = False
        self._cut_off = False

    def open(self) -> None:
        if self._path is None:
            self._descriptor = os.dup(sys.stdout.fileno())
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        status = os.fstat(descriptor)
        self._regular, self._size = stat.S_ISREG(status.st_mode), status.st_size
        if self._regular and stat.S_IMODE(status.st_mode) != _MODE and status.st_uid == os.geteuid():
            os.fchmod(descriptor, _MODE)
        self._descriptor = descriptor

    def write(self, octets: bytes) -> None:
        self._reopen()
        if self._cut_off:
            octets = b"\n" + octets
        written = 0
        try:
            while written < len(octets):
                written += self._write_some(octets[written:] if written else octets)
        finally:
            if written:
                self._cut_off = octets[written - 1 : written] != b"\n"
            self._size += written
        if self._regular and self._size >= self._largest:
            self._put_aside()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write_some(self, octets: bytes) -> int:
        if self._descriptor is None:
            raise OSError("the audit log is not open")
        return os.write(self._descriptor, octets)

    def _reopen(self) -> None:
        """Where it could not be opened the last time, or is not the file of that name any more."""
        if self._descriptor is not None and self._regular and self._path is not None:
            own = os.fstat(self._descriptor)
            try:
                named = self._path.stat()
            except FileNotFoundError:
                self.close()
            else:
                if (named.st_ino, named.st_dev) != (own.st_ino, own.st_dev):
                    self.close()
        if self._descriptor is None:
            self._cut_off = False
            self.open()

    def _put_aside(self) -> None:
        """The newest is `.1`. A failure leaves the events where they are, and is tried again with the next ones."""
        path = self._path
        if path is None:
            return
        try:
            for number in range(self._backups, 0, -1):
                newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
                if newer.exists():
                    newer.replace(path.with_name(f"{path.name}.{number}"))
            if not self._backups:
                path.unlink()
        except OSError as err:
            _report("the audit log cannot be put aside", error=str(err))
            return
        self.close()


def _report(what: str, **fields: object) -> None:
    """On a full disk the process' own log may fail just as well; then there is nobody left to tell."""
    with contextlib.suppress(OSError):
        _log.error(what, **fields)


def _settle(events: Sequence[_Event], how: "Callable[[Future[None]], None]") -> None:
    for _, future in events:
        if future is not None and future.set_running_or_notify_cancel():
            how(future)
