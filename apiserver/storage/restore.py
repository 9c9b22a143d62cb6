"""Puts a backup back, and moves the revision so far ahead that no client takes what comes for what it has seen.

- Clients have seen revisions that were given out after the backup. None of them is given out again for something else:
  the revision jumps, as `etcdutl snapshot restore --bump-revision` makes it, and history ends there. Watches and pages from
  before are told to start over (410).
- Nothing is overwritten. The database appears last, whole; a restore that was cut off can be started again.
"""

import hashlib
import os
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from apiserver.errors import BackupRefused
from apiserver.storage.backup import referenced_digests
from apiserver.storage.body_files import BodyFiles, fault_of, sync_directory
from apiserver.storage.manifest import Manifest
from apiserver.storage.migrations import CHANGE_LOG
from apiserver.storage.opening import BODIES, DATABASE, DataDirectory, files_of
from apiserver.storage.statements import run
from store.database import Database, open_database
from store.errors import StoreCorrupt
from store.locks import Lock, take_lock

BUMP = 1_000_000_000
"""More revisions than anybody has written since the backup."""

_BLOCK = 1 << 20
_MOVE = "UPDATE log_state SET revision = revision + ? WHERE id = 1 RETURNING revision"
_FORGET = "UPDATE log_state SET oldest = revision WHERE id = 1"


def restore(source: Path, directory: Path) -> int:
    """Makes the data directory `directory` of the backup in `source`; returns the revision that it goes on from.

    Raises BackupRefused, StoreCorrupt where the backup is damaged, and other `store.errors` StorageFault leaves.
    """
    manifest = Manifest.read(source)
    with DataDirectory(directory):
        database = directory / DATABASE
        if database.exists():
            raise BackupRefused(f"{database} exists; restore into another data directory")
        aside = directory / f"{DATABASE}.restoring"
        try:
            _copy_database(source / DATABASE, aside, manifest)
            with closing(files_of(database)) as files:
                _copy_bodies(source / BODIES, files, aside, manifest)
            revision = _bump_copy(aside)
            aside.rename(database)
            sync_directory(directory)
        except OSError as err:
            raise fault_of(err, f"the backup in {source} cannot be restored") from err
        finally:
            _remove(aside)
        return revision


def bump(database: Database) -> int:
    """Moves the revision ahead and ends history there; returns the new revision. Run it after `pg_restore`."""
    return database.write(_bump)


def _bump(connection: Connection) -> int:
    take_lock(connection, Lock.CHANGE)
    (revision,) = run(connection, _MOVE, (BUMP,)).fetchone()
    run(connection, _FORGET)
    return int(revision)


def _copy_database(source: Path, aside: Path, manifest: Manifest) -> None:
    """Raises StoreCorrupt where it is not what the manifest says."""
    _remove(aside)
    found = hashlib.sha256()
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as original, os.fdopen(descriptor, "wb") as copy:
        while block := original.read(_BLOCK):
            found.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    if found.hexdigest() != manifest.database_sha256:
        raise StoreCorrupt(f"{source} is damaged; restore another backup")


def _remove(aside: Path) -> None:
    """With SQLite's files beside it."""
    for leftover in aside.parent.glob(f"{aside.name}*"):
        leftover.unlink()


def _copy_bodies(source: Path, files: BodyFiles, database: Path, manifest: Manifest) -> None:
    """Raises StoreCorrupt where one is damaged or missing that was not when the backup was made."""
    for digest in referenced_digests(database):
        name = digest.hex()
        if name in manifest.missing:
            continue
        path = source / name[:2] / name
        try:
            encoded = path.read_bytes()
        except FileNotFoundError as err:
            raise StoreCorrupt(f"{path} is missing; restore another backup") from err
        if hashlib.sha256(encoded).digest() != digest:
            raise StoreCorrupt(f"{path} is damaged; restore another backup")
        files.let_go(files.keep(encoded))


def _bump_copy(path: Path) -> int:
    """Closed again, it is one durable file."""
    database = open_database(f"sqlite://{path}", CHANGE_LOG)
    try:
        database.verify_integrity()
        return bump(database)
    finally:
        database.close()
