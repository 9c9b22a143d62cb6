"""Opens the change log: one server for a data directory, any number for a PostgreSQL database."""

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path

from apiserver.storage.body_files import BodyFiles
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.migrations import CHANGE_LOG
from store.database import open_database, sqlite_path
from store.errors import StoreExposed, StoreUnavailable, UnsupportedDatabase
from store.volume import take_back

BODIES = "bodies"
DATABASE = "apiserver.db"
"""Names in a data directory and in a backup; another name for the database may be given."""

_LOCK = "lock"


class DataDirectory:
    """A directory that this process, and no other, uses until `close`. The lock is the kernel's and ends with the process."""

    def __init__(self, path: Path) -> None:
        """Makes it where it is missing. Raises StoreUnavailable, StoreExposed."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            take_back(path)
            if path.stat().st_mode & 0o077:
                raise StoreExposed(f"others may look into {path}; run: chmod 700 {path}")
            self._descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise StoreUnavailable(f"{path} cannot be used: {err.strerror}; name another data directory") from err
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            self.close()
            raise StoreUnavailable(
                f"another process uses {path}; stop it first, or use another data directory"
            ) from err
        self.path = path

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "DataDirectory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_change_log(url: str, directory: Path) -> StoredChangeLog:
    """Opens and migrates the log at `url`. Raises `store.errors` StorageFault leaves.

    An SQLite file lies in `directory`, and large bodies are files below it: whoever opened the same file from another directory
    would not find them. One process at a time has it; a process with more in its data directory takes that (`DataDirectory`).
    """
    path = sqlite_path(url)
    if path is None:
        return StoredChangeLog(open_database(url, CHANGE_LOG), None, follow=True)
    if path.parent.resolve() != directory.resolve():
        raise UnsupportedDatabase(f"{path} is outside of the data directory {directory}; put it there, bodies with it")
    with ExitStack() as undo:
        files = files_of(path)
        undo.callback(files.close)
        log = StoredChangeLog(open_database(url, CHANGE_LOG), files)
        undo.pop_all()
        return log


def files_of(database: Path) -> BodyFiles:
    """The files beside an SQLite database, for this process alone.

    Raises StoreUnavailable where another process has them, UnsupportedDatabase where they are another database's: to this one
    they would look unused.
    """
    directory = database.parent / BODIES
    files = BodyFiles(directory)
    owner = files.owner(database.name)
    if owner != database.name:
        files.close()
        raise UnsupportedDatabase(
            f"{directory} belongs to {owner}, not to {database.name}; use a data directory for each"
        )
    return files
