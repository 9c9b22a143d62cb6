"""A place at which one process at a time holds a certificate in memory: what was issued there, kept for the process after it.

- Its file is locked for as long as the process lives, however it ends: who has the lock knows that the one before has ended, and
  its key with it. Who does not get it knows nothing and says nothing.
- What the file says counts for the same boot of the machine and for that very file: a copy of it, a restored backup or the image of
  a machine says nothing about who holds the original.
- Names are noted before they are used: what was issued and never arrived is known, too.
- Whatever is wrong with the file costs nothing but that memory.
"""

import fcntl
import os
import stat
from pathlib import Path
from typing import Self

import msgspec
import structlog

from serving.records import read_by_threads

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LARGEST = 4096
_MOST = 4
"""Names that may be of something: the oldest is of what is held, the others of requests whose answers did not come."""

_log = structlog.get_logger("chancery.places")


def boot_id() -> str:
    """What the kernel calls this run of the machine; empty where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@read_by_threads
class _Memory(msgspec.Struct, kw_only=True, frozen=True):
    """One line of JSON."""

    boot: str
    device: int
    inode: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, descriptor: int, boot: str, names: tuple[str, ...]) -> "_Memory":
        found = os.fstat(descriptor)
        return cls(boot=boot, device=found.st_dev, inode=found.st_ino, names=names)


class Place:
    """Belongs to one thread at a time. `names` are identifiers or request_ids, the newest first."""

    def __init__(self, descriptor: int | None = None, boot: str = "") -> None:
        """Without a descriptor, or a boot, it remembers for this process alone."""
        self._descriptor = descriptor
        self._boot = boot
        self.names: tuple[str, ...] = ()

    @classmethod
    def take(cls, path: Path, *, boot: str) -> Self:
        """Locks `path` for the rest of this process, and recalls what was noted there. Never raises for what it finds."""
        if not boot:
            return cls()
        try:
            descriptor = _locked(path)
        except BlockingIOError:
            _log.warning("another process holds a certificate here; nothing is said about it", path=str(path))
            return cls()
        except OSError as err:
            _log.warning("what is issued here is not remembered", path=str(path), error=err.strerror)
            return cls()
        place = cls(descriptor, boot)
        place.names = place._recall()
        return place

    def note(self, name: str) -> None:
        """Something is about to be issued under `name`, perhaps."""
        between, oldest = self.names[:-1], self.names[-1:]
        self._keep((name, *between[: _MOST - 2], *oldest))

    def settle(self, *names: str) -> None:
        """That, and nothing else, is held here."""
        self._keep(names)

    def close(self) -> None:
        """Somebody else may have the place."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _keep(self, names: tuple[str, ...]) -> None:
        self.names = names
        if self._descriptor is None:
            return
        line = msgspec.json.encode(_Memory.of(self._descriptor, self._boot, names)) + b"\n"
        try:
            os.pwrite(self._descriptor, line, 0)  # what is left of a longer line lies behind the end of this one
        except OSError as err:
            _log.warning("what is issued here is not remembered", error=err.strerror)

    def _recall(self) -> tuple[str, ...]:
        assert self._descriptor is not None  # noqa: S101 - who has no file is not asked
        try:
            line, end, _rest = os.pread(self._descriptor, _LARGEST, 0).partition(b"\n")
            kept = msgspec.json.decode(line, type=_Memory)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return ()
        return kept.names[:_MOST] if end and kept == _Memory.of(self._descriptor, self._boot, kept.names) else ()


def _locked(path: Path) -> int:
    """Raises OSError; BlockingIOError where another process has it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(None, "is no file")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat(follow_symlinks=False).st_ino != os.fstat(descriptor).st_ino:
            raise BlockingIOError
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
