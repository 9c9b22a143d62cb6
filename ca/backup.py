"""A backup of the whole authority in one encrypted file: database, keys, passphrase, policy and settings, as of one instant.

- The database is read from one snapshot, while servers go on; with PostgreSQL as with SQLite.
- A key is durable before the record that names it, so key files are read after the snapshot has been taken. Where the passphrase
  was being changed meanwhile, the backup is refused rather than made of two halves.
- Keys in a PKCS#11 token are not in it, and neither is a passphrase that is kept elsewhere.
- The file appears whole, or not at all.
"""

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
import yaml
from sqlalchemy import Connection

from ca.ambient import Clock, Entropy, Secrets, epoch_seconds
from ca.audit import Action, audit_event
from ca.backup_records import End, File, Manifest, RecordWriter, Rows
from ca.bootstrap import keys_directory
from ca.callers import Caller
from ca.calls import Call
from ca.data_directory import read_private_file, sync_directory
from ca.errors import BackupRefused, NotInitialised
from ca.passphrase_change import PENDING
from ca.settings import ServeSettings
from certs.lifetimes import format_lifetime
from store.audit import AuditTrail
from store.copying import read_tables, schema_revision
from store.database import Database, open_database, sqlite_path
from store.keys_at_rest import KeysAtRest
from store.migrations import AUTHORITY

SETTINGS_FILE = "settings.yaml"
PASSPHRASE_FILE = "passphrase"  # noqa: S105 - a file's name
POLICY_FILE = "policy.yaml"
KEYS = "keys"

_LARGEST_FILE = 1 << 20
_ELSEWHERE = frozenset({"data_directory", "database", "passphrase_file", "policy_file"})

_log = structlog.get_logger("chancery.backup")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMaker:
    """Works in any process, whether a server runs or not."""

    settings: ServeSettings
    secrets: Secrets
    clock: Clock
    entropy: Entropy

    def make(self, destination: Path, passphrase: bytes) -> End:
        """Writes `destination`, which must not exist, mode 0600; returns what is in it.

        Raises BackupRefused, NotInitialised, PassphraseRequired, LooseFileMode and StorageFault leaves; OSError.
        """
        path = sqlite_path(self.settings.database_url)
        if path is not None and not path.exists():
            raise NotInitialised(f"there is no {path}; name the data directory of an authority")
        if destination.exists():
            raise BackupRefused(f"{destination} exists; name another file")
        database = open_database(self.settings.database_url, migrating=False)
        try:
            end = self._write(database, destination, passphrase)
            self._note(database, end)
            return end
        finally:
            database.close()

    def _write(self, database: Database, destination: Path, passphrase: bytes) -> End:
        unfinished = destination.with_name(f".{destination.name}.unfinished")
        try:
            end = database.read(lambda connection: self._copy(connection, database, unfinished, passphrase))
            unfinished.rename(destination)
            sync_directory(destination.parent)
        finally:
            unfinished.unlink(missing_ok=True)
        return end

    def _copy(self, connection: Connection, database: Database, path: Path, passphrase: bytes) -> End:
        """An operation of the store: run again, it starts over."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            writer = RecordWriter(file, passphrase, self.entropy)
            writer.write(self._manifest(connection, database))
            for name, columns, rows in read_tables(connection):
                writer.write(Rows(table=name, columns=list(columns), rows=[list(row) for row in rows]))
            for one in self._files(connection, database):
                writer.write(one)
            end = writer.close()
            file.flush()
            os.fsync(file.fileno())
        return end

    def _manifest(self, connection: Connection, database: Database) -> Manifest:
        revision = schema_revision(connection)
        if revision not in AUTHORITY.revisions:
            raise BackupRefused(f"the database has schema {revision}; back it up with the release that serves it")
        return Manifest(created_at=epoch_seconds(self.clock()), schema=revision, engine=database.dialect)

    def _files(self, connection: Connection, database: Database) -> Iterator[File]:
        if (self.settings.data_directory / PENDING).exists():
            raise BackupRefused("a change of passphrase is not finished; start the server once, then back it up")
        for key in sorted(keys_directory(self.settings).glob("*.pem")):
            yield _file(f"{KEYS}/{key.name}", read_private_file(key))
        passphrase = self.settings.data_directory / PASSPHRASE_FILE
        lies_beside = self.settings.storage.passphrase_file is None and self.secrets.passphrase is None
        if lies_beside and passphrase.exists():
            yield _file(PASSPHRASE_FILE, read_private_file(passphrase))
        if self.settings.policy_file.exists():
            yield _file(POLICY_FILE, self.settings.policy_file.read_bytes())
        yield _file(SETTINGS_FILE, settings_document(self.settings))
        kept = KeysAtRest(database)
        if kept.sealing_key() != kept.sealing_key_of(connection):
            raise BackupRefused("the passphrase was changed meanwhile; run the command again")

    def _note(self, database: Database, end: End) -> None:
        event = audit_event(
            Action.BACKUP_CREATE,
            Call(caller=Caller.local(), id="backup"),
            at=self.clock(),
            certificates=end.rows.get("certificates", 0),
        )
        AuditTrail(database).append(event)
        _log.info("backup made", rows=sum(end.rows.values()), files=end.files)


def settings_document(settings: ServeSettings) -> bytes:
    """What differs from the defaults, as YAML for `--config`; not where things are, which is another machine's to say."""
    values = {
        one.name: _yaml_value(getattr(getattr(settings, group.name), one.name))
        for group in dataclasses.fields(settings)
        for one in dataclasses.fields(getattr(settings, group.name))
        if one.name not in _ELSEWHERE and getattr(getattr(settings, group.name), one.name) != one.default
    }
    return yaml.safe_dump(values, sort_keys=False).encode() if values else b"# every setting at its default\n"


def _yaml_value(value: object) -> object:
    match value:
        case bool() | int():
            return value
        case timedelta():
            return format_lifetime(value)
        case tuple():
            return [str(one) for one in value]
        case _:
            return str(value)


def _file(name: str, content: bytes) -> File:
    if len(content) > _LARGEST_FILE:
        raise BackupRefused(f"{name} has {len(content)} octets, which is too much for what it should be")
    return File(name=name, content=content)
