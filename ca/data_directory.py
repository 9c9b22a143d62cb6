"""The data directory: one process at a time, and modes that keep others out.

- Directories 0700, files 0600; looser ones are refused, never silently tightened: somebody may have read them already. What a
  kubelet opened to the group of the pod alone is taken back (`store.volume`).
- A file appears whole or not at all: written beside its place, synced, renamed, and the directory synced.
- The lock is the kernel's (flock): it ends with the process, however that ends.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from ca.errors import DataDirectoryInUse, KeyFileMissing, LooseFileMode, Misconfigured, NotInitialised
from store.volume import take_back

_LOCK_NAME = "lock"


class DataDirectory:
    """A directory that this process, and no other, uses until `close`."""

    def __init__(self, path: Path, lock_descriptor: int) -> None:
        self.path = path
        self._lock_descriptor = lock_descriptor

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> "DataDirectory":
        """Takes the directory. Raises NotInitialised, LooseFileMode, DataDirectoryInUse, Misconfigured."""
        if create:
            _make(path)
        if not path.is_dir():
            raise NotInitialised(f"{path} does not exist; run: ca-cli init --data-directory {path}")
        take_back(path)
        verify_mode(path, 0o700)
        descriptor = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"another process uses {path}; stop it first, or use another data directory"
            ) from err
        return cls(path, descriptor)

    def close(self) -> None:
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            self._lock_descriptor = -1

    def __enter__(self) -> "DataDirectory":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _make(path: Path) -> None:
    """Raises Misconfigured."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as err:
        raise Misconfigured(f"{path} is not a directory; name another data directory") from err
    except OSError as err:
        raise Misconfigured(f"{path} cannot be made: {err.strerror}; name another data directory") from err


def verify_mode(path: Path, expected: int) -> None:
    """Raises LooseFileMode where `path` grants more than `expected` does."""
    mode = path.stat().st_mode & 0o777
    if mode & ~expected:
        raise LooseFileMode(path, mode, expected)


def read_private_file(path: Path, *, group_may_read: bool = False) -> bytes:
    """Reads a file of mode 0600 or tighter. Raises KeyFileMissing, LooseFileMode; Misconfigured for a directory.

    With `group_may_read`, 0640 will do: to a process that is not root, Kubernetes shows a Secret as root's, readable through the
    group of the volume (`fsGroup`). Symbolic links are followed, as such volumes have them; the target's mode counts.
    """
    if path.is_dir():
        raise Misconfigured(f"{path} is a directory; name a file in it")
    try:
        verify_mode(path, 0o640 if group_may_read else 0o600)
        return path.read_bytes()
    except FileNotFoundError as err:
        raise KeyFileMissing(f"{path} is missing; put it back from your backup") from err


def write_private_file(path: Path, content: bytes) -> None:
    """Writes `content` durably with mode 0600. A file that is there is replaced whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # what a crash left over may have another mode, or be a link
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes durable what was renamed in, or into, a directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
