"""Large bodies as files, named after the SHA-256 of what is in them.

- A file appears whole: written beside its place, synced, renamed, and its directory synced, before any row refers to it.
- A file that no row refers to is never served; it is deleted once nobody can be about to refer to it.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.errors import StoreCorrupt, StoreFull, StoreUnavailable

_NO_ROOM = frozenset({28, 122, 27})  # ENOSPC, EDQUOT, EFBIG


class BodyFiles:
    """Below one directory, mode 0700; used from any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._pending: dict[bytes, int] = {}

    @contextmanager
    def kept(self, encoded: bytes) -> Iterator[bytes]:
        """The digest of `encoded`, whose file is durable and stays at least until the end of the block.

        Raises StoreFull, StoreUnavailable.
        """
        digest = hashlib.sha256(encoded).digest()
        with self._lock:
            self._pending[digest] = self._pending.get(digest, 0) + 1
        try:
            self._write(digest, encoded)
            yield digest
        finally:
            with self._lock:
                self._pending[digest] -= 1
                if not self._pending[digest]:
                    del self._pending[digest]

    def read(self, digest: bytes) -> bytes:
        """Raises StoreCorrupt where the file is missing or is not what its name says."""
        path = self._path(digest)
        try:
            encoded = path.read_bytes()
        except FileNotFoundError as err:
            raise StoreCorrupt(f"the body {digest.hex()} is missing; restore it from a backup") from err
        except OSError as err:
            raise StoreUnavailable(f"the body {digest.hex()} cannot be read: {err.strerror}") from err
        if hashlib.sha256(encoded).digest() != digest:
            raise StoreCorrupt(f"the body {digest.hex()} is damaged; restore it from a backup")
        return encoded

    def path_of(self, digest: bytes) -> Path:
        return self._path(digest)

    def all(self) -> Iterator[tuple[bytes, float]]:
        """Every file's digest and when it was last written, in seconds since 1970. Leftovers of a crash are removed on the way."""
        for path in self._directory.glob("??/*"):
            try:
                if len(path.name) != 64:
                    if not self._pending:
                        path.unlink(missing_ok=True)
                    continue
                yield bytes.fromhex(path.name), path.stat().st_mtime
            except (FileNotFoundError, ValueError):
                continue

    def discard(self, digest: bytes) -> bool:
        """Deletes a file to which nobody refers or is about to; whether it did."""
        with self._lock:
            if digest in self._pending:
                return False
            self._path(digest).unlink(missing_ok=True)
            return True

    def _write(self, digest: bytes, encoded: bytes) -> None:
        path = self._path(digest)
        temporary = path.with_name(f".{path.name}.{threading.get_ident()}")
        try:
            if path.exists():
                os.utime(path)
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_file(temporary, encoded)
            temporary.replace(path)
            _sync_directory(path.parent)
        except OSError as err:
            temporary.unlink(missing_ok=True)
            if err.errno in _NO_ROOM:
                raise StoreFull("there is no room for the body of an object; free some space") from err
            raise StoreUnavailable(f"the body of an object cannot be written: {err.strerror}") from err

    @staticmethod
    def _write_file(path: Path, encoded: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(encoded)
            while view:
                view = view[file.write(view) :]
            os.fdatasync(file.fileno())

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._directory / name[:2] / name


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
