"""Encrypts everything again under another passphrase, so that whoever has the old one no longer opens what there is.

Killed at any instruction it leaves what opens with the old passphrase or with the new one, and loses nothing:

    1 make everything anew beside, in `passphrase-change.new`, and sync it
    2 rename that to `passphrase-change`: from here on the new passphrase counts
    3 replace in the database, in one transaction, the sealing key (and the authorities' keys, where they are there)
    4 replace key files, and the passphrase where it lies beside them, one by one
    5 rename the directory away, and remove it

- What was killed before 2 is thrown away by the next run, what was killed later is finished by it, before any key is opened.
  Neither needs a passphrase: nothing is decrypted.
- What was left unfinished here while another replica changed the passphrase of the same database is thrown away.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from ca.ambient import Clock, Entropy, Secrets
from ca.audit import Action, audit_event
from ca.bootstrap import keys_directory
from ca.callers import Caller
from ca.calls import Call
from ca.data_directory import DataDirectory, read_private_file, sync_directory, write_private_file
from ca.errors import InvalidArgument, NotInitialised
from ca.keys import KeyFiles, open_keys, rewrap_sealing_key
from ca.passphrase import Passphrase, find_passphrase, fresh_passphrase, read_passphrase
from ca.settings import ServeSettings
from certs.errors import WrongPassphrase
from certs.keys import encrypt_private_key
from store.database import Database, open_database, sqlite_path
from store.keys_at_rest import KeysAtRest

PENDING = "passphrase-change"

_STAGED = f"{PENDING}.new"
_SEALING_KEY = "sealing-key"
_REPLACES = "replaces"
_PASSPHRASE = "passphrase"  # noqa: S105 - a file's name

_log = structlog.get_logger("chancery.passphrase")


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseChange:
    """What was done. `written_to` is where the new passphrase lies, where it is kept beside the keys."""

    keys: int
    written_to: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseChanger:
    """Works while no server uses the data directory; with PostgreSQL, stop every replica."""

    settings: ServeSettings
    secrets: Secrets
    clock: Clock
    entropy: Entropy

    def change(self, new: bytes | None) -> PassphraseChange:
        """None makes a new passphrase, which is possible only where it is kept beside the keys.

        Raises NotInitialised, DataDirectoryInUse, PassphraseLost, WrongPassphrase, InvalidArgument and StorageFault leaves.
        """
        with DataDirectory.open(self.settings.data_directory), _opened(self.settings) as database:
            resumed = finish_change(self.settings, database, self.clock)
            wrapped = KeysAtRest(database).sealing_key()
            if wrapped is None:
                raise NotInitialised(f"{self.settings.data_directory} holds no authority; run: ca-cli init")
            old = find_passphrase(self.settings, self.secrets.passphrase)
            new = None if new is None else read_passphrase(new, "the new passphrase")
            if resumed and new is not None and self._opens(wrapped, new):
                return self._done(database, old)
            return self._change(database, wrapped, old, new)

    def _change(self, database: Database, wrapped: bytes, old: Passphrase, new: bytes | None) -> PassphraseChange:
        chosen = new or (
            fresh_passphrase(self.entropy) if old.beside_keys else read_passphrase(b"", "the new passphrase")
        )
        if chosen == old.octets:
            raise InvalidArgument("the new passphrase is the present one; give another")
        with old.opening():
            sealing_key = rewrap_sealing_key(wrapped, old.octets, chosen, self.entropy)
        files = {f"{authority}.pem": pem for authority, pem in self._encrypted_again(database, old, chosen).items()} | {
            _SEALING_KEY: sealing_key,
            _REPLACES: hashlib.sha256(wrapped).digest(),
        }
        if old.beside_keys:
            files[_PASSPHRASE] = chosen + b"\n"
        self._stage(files)
        finish_change(self.settings, database, self.clock)
        return self._done(database, old)

    def _encrypted_again(self, database: Database, old: Passphrase, new: bytes) -> Mapping[str, bytes]:
        keys = open_keys(keys_directory(self.settings), database, old.octets, self.entropy)
        encrypted = {}
        for authority_id in keys.ids():
            with old.opening(f"the key of authority {authority_id}"):
                encrypted[authority_id] = encrypt_private_key(keys.get(authority_id), new, entropy=self.entropy)
        return encrypted

    def _stage(self, files: Mapping[str, bytes]) -> None:
        staged = self.settings.data_directory / _STAGED
        staged.mkdir(mode=0o700)
        for name, content in files.items():
            write_private_file(staged / name, content)
        staged.rename(self.settings.data_directory / PENDING)
        sync_directory(self.settings.data_directory)

    def _opens(self, wrapped: bytes, passphrase: bytes) -> bool:
        try:
            rewrap_sealing_key(wrapped, passphrase, passphrase, self.entropy)
        except WrongPassphrase:
            return False
        return True

    def _done(self, database: Database, old: Passphrase) -> PassphraseChange:
        keys = open_keys(keys_directory(self.settings), database, old.octets, self.entropy)
        return PassphraseChange(
            keys=len(keys.ids()), written_to=self.settings.passphrase_file if old.beside_keys else None
        )


def finish_change(settings: ServeSettings, database: Database, clock: Clock) -> bool:
    """Finishes a change that was cut off; whoever opens the keys calls it first. Returns whether there was one."""
    directory = settings.data_directory
    shutil.rmtree(directory / _STAGED, ignore_errors=True)
    pending = directory / PENDING
    if not pending.is_dir():
        return False
    in_files = database.dialect == "sqlite"
    encrypted = {path.stem: read_private_file(path) for path in pending.glob("*.pem")}
    counts = KeysAtRest(database).replace(
        digest=read_private_file(pending / _REPLACES),
        sealing_key=read_private_file(pending / _SEALING_KEY),
        encrypted={} if in_files else encrypted,
        event=audit_event(
            Action.PASSPHRASE_CHANGE, Call(caller=Caller.local(), id="passphrase"), at=clock(), keys=len(encrypted)
        ),
    )
    if counts:
        if in_files:
            for authority_id, pem in encrypted.items():
                write_private_file(KeyFiles.path(keys_directory(settings), authority_id), pem)
        if (pending / _PASSPHRASE).exists():
            write_private_file(directory / _PASSPHRASE, read_private_file(pending / _PASSPHRASE))
        _log.info("passphrase changed", keys=len(encrypted))
    else:
        _log.warning("threw away a change of passphrase that was cut off: another one has taken place since")
    pending.rename(directory / _STAGED)
    sync_directory(directory)
    shutil.rmtree(directory / _STAGED)
    return counts


@contextmanager
def _opened(settings: ServeSettings) -> Iterator[Database]:
    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        raise NotInitialised(f"there is no {path}; run: ca-cli init")
    database = open_database(settings.database_url)
    try:
        yield database
    finally:
        database.close()
