"""Opens the change log: one server for a data directory, any number for a PostgreSQL database."""

import fcntl
import os
from pathlib import Path

from apiserver.storage.body_files import BodyFiles
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.migrations import CHANGE_LOG
from store.database import open_database
from store.errors import StoreExposed, StoreUnavailable

BODIES = "bodies"
_LOCK = "lock"


class DataDirectory:
    """A directory that this process, and no other, uses until `close`. The lock is the kernel's and ends with the process."""

    def __init__(self, path: Path) -> None:
        """Makes it where it is missing. Raises StoreUnavailable, StoreExposed."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = path.stat().st_mode & 0o777
            if mode & 0o077:
                raise StoreExposed(f"others may look into {path}; run: chmod 700 {path}")
            self._descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise StoreUnavailable(f"{path} cannot be used: {err.strerror}; name another data directory") from err
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(self._descriptor)
            raise StoreUnavailable(
                f"another process uses {path}; stop it first, or use another data directory"
            ) from err
        self.path = path

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_change_log(url: str, directory: Path) -> StoredChangeLog:
    """Opens and migrates the log at `url`. Raises `store.errors` StorageFault leaves.

    On SQLite large bodies are files below `directory`, which the caller has taken.
    """
    database = open_database(url, CHANGE_LOG)
    files = BodyFiles(directory / BODIES) if database.dialect == "sqlite" else None
    return StoredChangeLog(database, files)
