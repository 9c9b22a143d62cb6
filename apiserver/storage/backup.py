"""A backup of a server that runs: the database as it was at one instant, and the files of the bodies that it refers to.

- The database is copied by SQLite from one snapshot; writers do not wait for it.
- Files never change, so they are linked where the backup is on the same file system, and copied elsewhere.
- What is damaged already does not stop a backup of the rest; the manifest lists it.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from apiserver.errors import BackupRefused
from apiserver.storage.body_files import BodyDirectory, fault_of, sync_directory, write_durably
from apiserver.storage.manifest import Manifest
from apiserver.storage.opening import BODIES, DATABASE
from store.database import sqlite_path
from store.errors import StoreCorrupt
from store.sqlite_faults import translated_faults

_PATIENCE_SECONDS = 10.0
_DIGESTS = "SELECT DISTINCT digest FROM object_bodies WHERE digest IS NOT NULL"


def back_up(url: str, directory: Path, destination: Path, *, now: datetime) -> Manifest:
    """Fills `destination`, which must be empty or not there, from a data directory. A failure leaves it without a manifest.

    Works in any process, whether a server runs or not. Raises BackupRefused, and `store.errors` StorageFault leaves.
    """
    database = sqlite_path(url)
    if database is None:
        raise BackupRefused(
            "PostgreSQL is backed up with its own tools: pg_dump, or continuous archiving; after pg_restore run bump"
        )
    if not database.exists():
        raise BackupRefused(f"there is no {database}; name the data directory of a server that has run")
    files = BodyDirectory(directory / BODIES)
    try:
        _make(destination)
        with files.held(), translated_faults():
            return _fill(database, files, destination, now)
    except OSError as err:
        raise fault_of(err, f"the backup in {destination} cannot be written") from err


def referenced_digests(database: Path) -> Iterator[bytes]:
    """Of the files that the rows of a database refer to, once each."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        for (digest,) in connection.execute(_DIGESTS):
            yield bytes(digest)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make(destination: Path) -> None:
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not destination.is_dir() or any(destination.iterdir()):
        raise BackupRefused(f"{destination} is not empty; name a new directory")
    destination.chmod(0o700)


def _fill(source: Path, files: BodyDirectory, destination: Path, now: datetime) -> Manifest:
    database = destination / DATABASE
    write_durably(database, b"")
    _copy_database(source, database)
    revision = _finish_database(database)
    bodies, missing = _copy_bodies(files, database, destination / BODIES)
    sync_directory(destination)
    manifest = Manifest(
        created_at=now.isoformat(),
        revision=revision,
        database_octets=database.stat().st_size,
        database_sha256=sha256_of(database),
        bodies=bodies,
        missing=tuple(missing),
    )
    manifest.write(destination)
    return manifest


def _copy_database(source: Path, path: Path) -> None:
    """In one step, so from one snapshot. Opened for writing, as a log without its index can be read in no other way."""
    address = f"{source.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE_SECONDS)) as original:
        original.execute("PRAGMA query_only=ON")
        with closing(sqlite3.connect(path)) as copy:
            original.backup(copy)


def _finish_database(path: Path) -> int:
    """Makes the copy one durable file without a log beside it; returns its revision."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE").fetchone()
        (revision,) = copy.execute("SELECT revision FROM log_state").fetchone()
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return int(revision)


def _copy_bodies(files: BodyDirectory, database: Path, destination: Path) -> tuple[int, list[str]]:
    """How many there are, and those that are missing or damaged."""
    copied, missing = 0, []
    destination.mkdir(mode=0o700)
    for digest in referenced_digests(database):
        try:
            _copy_body(files, digest, destination / digest.hex()[:2] / digest.hex())
            copied += 1
        except StoreCorrupt:
            missing.append(digest.hex())
    for directory in destination.iterdir():
        sync_directory(directory)
    sync_directory(destination)
    return copied, missing


def _copy_body(files: BodyDirectory, digest: bytes, path: Path) -> None:
    """Raises StoreCorrupt."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    content = files.read(digest)
    try:
        path.hardlink_to(files.path_of(digest))
    except OSError:  # another file system, or one without links
        write_durably(path, content)
