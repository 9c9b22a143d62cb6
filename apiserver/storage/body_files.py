"""Large bodies as files, named after the SHA-256 of what is in them.

- A file appears whole: written aside, synced, renamed, and its directory synced, before any row refers to it.
- A file is never changed once it is there, so a backup may share it by a hard link.
- A file that no row refers to is never served. It is deleted once nobody can be about to refer to it: see `Sweep`.
- A backup, which another process may make, holds all files: the kernel's lock on a file beside them ends with that process.
"""

import errno
import fcntl
import hashlib
import itertools
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path

from store.errors import StorageFault, StoreCorrupt, StoreFull, StoreUnavailable

PREFIXES = tuple(f"{octet:02x}" for octet in range(256))
"""The directories below, each for the digests that begin with it."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NAME = re.compile("[0-9a-f]{64}")
_INCOMING = "incoming"
_OWNER = "database"
_HOLD = "hold"
_LOCK = "lock"


class BodyDirectory:
    """For reading, by any process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, digest: bytes) -> bytes:
        """Raises StoreCorrupt where the file is missing or is not what its name says."""
        try:
            encoded = self.path_of(digest).read_bytes()
        except FileNotFoundError as err:
            raise StoreCorrupt(f"the body {digest.hex()} is missing; restore it from a backup") from err
        except OSError as err:
            raise StoreUnavailable(f"the body {digest.hex()} cannot be read: {err.strerror}") from err
        if hashlib.sha256(encoded).digest() != digest:
            raise StoreCorrupt(f"the body {digest.hex()} is damaged; restore it from a backup")
        return encoded

    def path_of(self, digest: bytes) -> Path:
        name = digest.hex()
        return self.path / name[:2] / name

    @contextmanager
    def held(self) -> Iterator[None]:
        """In the block no file is deleted. Waits for a sweep that is under way. Raises OSError."""
        with _locked(self.path / _HOLD, fcntl.LOCK_SH):
            yield


class BodyFiles(BodyDirectory):
    """Below one directory, mode 0700, to which nobody else writes until `close`; from any thread."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory where it is missing, and removes what a crash left half-written.

        Raises StoreUnavailable, also where there is another such object, in whatever process.
        """
        super().__init__(directory)
        self._incoming = directory / _INCOMING
        self._lock = threading.Lock()
        self._pending: Counter[bytes] = Counter()
        self._kept_lately: set[bytes] = set()
        self._numbers = itertools.count()
        self._ownership = ExitStack()
        with ExitStack() as undo, _faults("the directory of bodies cannot be used"):
            undo.callback(self._ownership.close)
            self._prepare()
            undo.pop_all()

    def close(self) -> None:
        self._ownership.close()

    def keep(self, encoded: bytes) -> bytes:
        """Returns the digest of `encoded`, whose file is durable now and stays until `let_go`.

        Raises StoreFull, StoreUnavailable; then there is nothing to let go of.
        """
        digest = hashlib.sha256(encoded).digest()
        with self._lock:
            self._pending[digest] += 1
            self._kept_lately.add(digest)
        try:
            with _faults("the body of an object cannot be written"):
                self._place(digest, encoded)
        except BaseException:
            self.let_go(digest)
            raise
        return digest

    def let_go(self, digest: bytes) -> None:
        """The row that refers to the file is committed, or there will be none."""
        with self._lock:
            self._pending[digest] -= 1
            if not self._pending[digest]:
                del self._pending[digest]

    def digests(self, prefix: str) -> Set[bytes]:
        """Of the files in one of the directories."""
        path = self.path / prefix
        with _faults("the directory of bodies cannot be read"):
            if not path.exists():
                return set()
            with os.scandir(path) as entries:
                return {bytes.fromhex(entry.name) for entry in entries if _NAME.fullmatch(entry.name)}

    def owner(self, name: str) -> str:
        """The name of the database that the files belong to: `name`, if there was none so far. Raises StoreUnavailable."""
        path = self.path / _OWNER
        with _faults("the directory of bodies cannot be used"):
            if not path.exists():
                aside = self._incoming / _OWNER
                write_durably(aside, name.encode())
                aside.replace(path)
                sync_directory(self.path)
            return path.read_text()

    @contextmanager
    def sweep(self) -> Iterator["Sweep | None"]:
        """Ask which files are referred to only in the block. None where somebody holds the files: then not now."""
        with self._lock:
            self._kept_lately = set(self._pending)
        with ExitStack() as stack:
            sweep: Sweep | None = Sweep(self._discard)
            with _faults("the bodies cannot be swept"):
                try:
                    stack.enter_context(_locked(self.path / _HOLD, fcntl.LOCK_EX | fcntl.LOCK_NB))
                except BlockingIOError:
                    sweep = None
            yield sweep

    def _discard(self, digest: bytes) -> bool:
        with self._lock, _faults("a body that is not used cannot be deleted"):
            if digest in self._pending or digest in self._kept_lately:
                return False
            self.path_of(digest).unlink(missing_ok=True)
            return True

    def _prepare(self) -> None:
        made = not self.path.exists()
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self._own()
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        if made:
            sync_directory(self.path)
            sync_directory(self.path.parent)

    def _own(self) -> None:
        try:
            self._ownership.enter_context(_locked(self.path / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError as err:
            raise StoreUnavailable(
                f"another process writes to {self.path.parent}; stop it first, or use another data directory"
            ) from err

    def _place(self, digest: bytes, encoded: bytes) -> None:
        path = self.path_of(digest)
        if self._is_whole(path, encoded):
            sync_directory(path.parent)  # whoever wrote it may not have come that far
            return
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self.path)
        aside = self._incoming / str(next(self._numbers))
        try:
            write_durably(aside, encoded)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)

    @staticmethod
    def _is_whole(path: Path, encoded: bytes) -> bool:
        """A file that is there but damaged is written anew."""
        try:
            return path.read_bytes() == encoded
        except OSError:
            return False


class Sweep:
    """Deletes files, but none that has been kept since the sweep began, or is being kept."""

    def __init__(self, discard: Callable[[bytes], bool]) -> None:
        self._discard = discard

    def discard(self, digest: bytes) -> bool:
        """Whether the file is gone. Nothing may have referred to it at some instant after the sweep began."""
        return self._discard(digest)


def write_durably(path: Path, content: bytes) -> None:
    """Mode 0600, synced; the directory is the caller's to sync."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fdatasync(file.fileno())


def sync_directory(path: Path) -> None:
    """Makes names in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Raises BlockingIOError where `how` is not to wait."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _faults(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise fault_of(err, what) from err


def fault_of(error: OSError, what: str) -> StorageFault:
    """StoreFull where there is no room, StoreUnavailable for anything else; `what` begins the message."""
    if error.errno in _NO_ROOM:
        return StoreFull(f"{what}: there is no room; free some space, no restart is needed")
    return StoreUnavailable(f"{what}: {error.strerror}")
