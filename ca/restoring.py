"""Puts a backup back, whole or not at all, into a place where there is no authority.

    1 read all of the backup once: nothing is written before it is known to be whole
    2 load the database beside its place, and move on what the original may have given out since the backup
    3 verify: the audit chain, the files of the database, that the passphrase opens every key, and whose key it is
    4 put files in place, the database last

- CRL numbers jump, so that none is given out twice; tokens that were open are withdrawn, since some may have been spent.
- What was issued or revoked after the backup is not in it. Nobody can put that back.
- With PostgreSQL the database is loaded in one transaction, into one without an authority.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from sqlalchemy import Connection

from ca.ambient import Clock, Entropy, Secrets, epoch_seconds
from ca.audit import Action, audit_event
from ca.backup import KEYS, PASSPHRASE_FILE, POLICY_FILE, SETTINGS_FILE
from ca.backup_records import End, File, Manifest, Rows, read_records
from ca.callers import Caller
from ca.calls import Call
from ca.data_directory import DataDirectory, sync_directory, write_private_file
from ca.errors import AlreadyInitialised, AuthorityMismatch, BackupDamaged, NotInitialised, PassphraseLost
from ca.keys import KeyFiles, open_keys, rewrap_sealing_key
from ca.passphrase import Passphrase, find_passphrase, read_passphrase
from ca.settings import MAXIMUM_CRL_SHARDS, ServeSettings
from certs.errors import KeyMismatch
from certs.keys import verify_key_pair
from store.audit import append_event, verify_chain
from store.authorities import Authorities
from store.bulk import RowExists
from store.copying import TableWriter, holds_authority, move_ahead
from store.database import Database, open_database, sqlite_path
from store.errors import SchemaTooNew
from store.keys_at_rest import KeysAtRest
from store.migrations import AUTHORITY

STAGING = ".restoring"
CRL_NUMBERS_AHEAD = 1 << 32
"""More lists than any shard has seen since the backup; there is room for two thousand million restores."""

_KNOWN_FILES = re.compile(
    rf"{KEYS}/[0-9a-f]{{1,64}}\.pem|{PASSPHRASE_FILE}|{re.escape(POLICY_FILE)}|{re.escape(SETTINGS_FILE)}"
)
_MAY_BE_THERE = frozenset({"lock", "lost+found", STAGING})

_log = structlog.get_logger("chancery.restore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back. `keys_opened` is None where the passphrase is kept elsewhere and was not given."""

    created_at: datetime
    certificates: int
    keys_opened: int | None
    tokens_withdrawn: int
    has_settings: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Restorer:
    settings: ServeSettings
    secrets: Secrets
    clock: Clock
    entropy: Entropy

    def restore(self, source: Path, passphrase: bytes) -> Restored:
        """Raises AlreadyInitialised, BackupDamaged, WrongPassphrase, AuthorityMismatch, and StorageFault leaves; OSError."""
        manifest, files, end = _verify(source, passphrase)
        directory = self.settings.data_directory
        with DataDirectory.open(directory, create=True):
            self._verify_free()
            staging = directory / STAGING
            staging.mkdir(mode=0o700)
            try:
                _unpack(files, staging)
                with self._place_of_database() as url:
                    withdrawn = self._load(url, source, passphrase, manifest)
                    self._settle_keys(url, staging)
                    opened = self._verify_keys(url, staging)
                    self._put_in_place(staging)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        _log.info("restored", certificates=end.rows.get("certificates", 0))
        return Restored(
            created_at=datetime.fromtimestamp(manifest.created_at, UTC),
            certificates=end.rows.get("certificates", 0),
            keys_opened=opened,
            tokens_withdrawn=withdrawn,
            has_settings=not (directory / SETTINGS_FILE).read_bytes().startswith(b"#"),
        )

    def _verify_free(self) -> None:
        directory, database = self.settings.data_directory, sqlite_path(self.settings.database_url)
        _clear_unfinished(directory, database)
        there = sorted({path.name for path in directory.iterdir()} - _MAY_BE_THERE)
        if there:
            raise AlreadyInitialised(f"{directory} holds {there[0]}; restore into an empty directory")
        if database is not None and database.exists():
            raise AlreadyInitialised(f"{database} exists; restore into another place")

    @contextmanager
    def _place_of_database(self) -> Iterator[str]:
        """Where to load it: beside its place for SQLite, which it takes at the end."""
        path = sqlite_path(self.settings.database_url)
        if path is None:
            yield self.settings.database_url
            return
        aside = path.with_name(f".{path.name}.restoring")
        _remove_database(aside)
        try:
            yield f"sqlite://{aside}"
            aside.rename(path)
            sync_directory(path.parent)
        finally:
            _remove_database(aside)

    def _load(self, url: str, source: Path, passphrase: bytes, manifest: Manifest) -> int:
        schema = replace(AUTHORITY, revisions=AUTHORITY.revisions[: AUTHORITY.revisions.index(manifest.schema) + 1])
        _verify_empty(url)
        database = open_database(url, schema)
        try:
            withdrawn = database.write(lambda connection: self._fill(connection, source, passphrase))
            database.verify_integrity()
        finally:
            database.close()
        open_database(url).close()  # brings it to the schema of this release
        return withdrawn

    def _fill(self, connection: Connection, source: Path, passphrase: bytes) -> int:
        """An operation of the store: run again, it starts over."""
        writer = TableWriter(connection)
        for record in read_records(source, passphrase):
            if isinstance(record, Rows):
                try:
                    writer.write(record.table, record.columns, record.rows)
                except (KeyError, RowExists) as err:
                    raise BackupDamaged(f"the backup holds {err}, which does not fit its schema; take another") from err
        verify_chain(connection)
        now = self.clock()
        at = epoch_seconds(now)
        withdrawn = move_ahead(connection, crl_numbers=CRL_NUMBERS_AHEAD, shards=MAXIMUM_CRL_SHARDS, at=at)
        event = audit_event(
            Action.BACKUP_RESTORE, Call(caller=Caller.local(), id="restore"), at=now, tokens_withdrawn=withdrawn
        )
        append_event(connection, event)
        return withdrawn

    def _verify_keys(self, url: str, staging: Path) -> int | None:
        """How many keys open, each of its own authority; None where there is no passphrase to try."""
        passphrase = self._passphrase(staging)
        if passphrase is None:
            return None
        database = open_database(url)
        try:
            return self._verify_opened(database, staging, passphrase)
        finally:
            database.close()

    def _settle_keys(self, url: str, staging: Path) -> None:
        """Keys that were in PostgreSQL lie in files beside SQLite; the other way round, `open_keys` takes them over."""
        if sqlite_path(url) is None:
            return
        database = open_database(url)
        try:
            for authority_id, pem in KeysAtRest(database).take_all().items():
                write_private_file(KeyFiles.path(staging / KEYS, authority_id), pem)
        finally:
            database.close()

    def _verify_opened(self, database: Database, staging: Path, passphrase: Passphrase) -> int:
        wrapped = KeysAtRest(database).sealing_key()
        with passphrase.opening("the keys of the backup"):
            if wrapped is not None:
                rewrap_sealing_key(wrapped, passphrase.octets, passphrase.octets, self.entropy)
            keys = open_keys(staging / KEYS, database, passphrase.octets, self.entropy)
            records = [record for record in Authorities(database).list() if keys.has(record.id)]
            for record in records:
                try:
                    verify_key_pair(keys.get(record.id), x509.load_der_x509_certificate(record.certificate))
                except KeyMismatch as err:
                    raise AuthorityMismatch(f"the key of authority {record.id} in the backup is another's") from err
        return len(records)

    def _passphrase(self, staging: Path) -> Passphrase | None:
        kept = staging / PASSPHRASE_FILE
        if kept.exists():
            return Passphrase(octets=read_passphrase(kept.read_bytes(), "the backup"), source="the backup")
        with suppress(PassphraseLost):
            return find_passphrase(self.settings, self.secrets.passphrase)
        return None

    def _put_in_place(self, staging: Path) -> None:
        for path in sorted(staging.iterdir()):
            path.rename(self.settings.data_directory / path.name)
        sync_directory(self.settings.data_directory)


def verify_finished(settings: ServeSettings) -> None:
    """Raises NotInitialised where a restore was cut off: half of an authority must not be taken for the beginning of one."""
    staging, database = settings.data_directory / STAGING, sqlite_path(settings.database_url)
    if not staging.exists():
        return
    if database is not None and database.exists():  # its last step but one was done
        shutil.rmtree(staging)
    else:
        raise NotInitialised(f"a restore into {settings.data_directory} was cut off; run it again")


def _verify(source: Path, passphrase: bytes) -> tuple[Manifest, list[File], End]:
    """Reads the whole backup; its files are few and small. Raises BackupDamaged, WrongPassphrase, SchemaTooNew."""
    records = read_records(source, passphrase)
    manifest = next(records)
    assert isinstance(manifest, Manifest)  # noqa: S101 - as `read_records` says
    if manifest.schema not in AUTHORITY.revisions:
        raise SchemaTooNew(found=manifest.schema, newest=AUTHORITY.newest)
    files: list[File] = []
    last: object = manifest
    for last in records:
        if isinstance(last, File):
            if not _KNOWN_FILES.fullmatch(last.name):
                raise BackupDamaged(f"the backup holds a file {last.name!r}, which no authority has; take another")
            files.append(last)
    assert isinstance(last, End)  # noqa: S101 - as `read_records` says
    return manifest, files, last


def _unpack(files: Sequence[File], staging: Path) -> None:
    for one in files:
        write_private_file(staging / one.name, one.content)


def _verify_empty(url: str) -> None:
    if sqlite_path(url) is not None:
        return
    database = open_database(url, migrating=False)
    try:
        if database.read(holds_authority):
            raise AlreadyInitialised("the database holds an authority, or something else; restore into an empty one")
    finally:
        database.close()


def _clear_unfinished(directory: Path, database: Path | None) -> None:
    """Removes what a restore that was cut off has left, which is marked by its staging directory."""
    staging = directory / STAGING
    if not staging.exists() or (database is not None and database.exists()):
        return
    shutil.rmtree(directory / KEYS, ignore_errors=True)
    for name in (PASSPHRASE_FILE, POLICY_FILE, SETTINGS_FILE):
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(staging)


def _remove_database(aside: Path) -> None:
    """With SQLite's files beside it."""
    for leftover in aside.parent.glob(f"{aside.name}*"):
        leftover.unlink()
