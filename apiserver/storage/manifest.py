"""What a backup says about itself. It is written last: a directory without it is no whole backup."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from apiserver.errors import BackupRefused
from apiserver.storage.body_files import fault_of, sync_directory, write_durably

NAME = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`missing` are digests, in hex, of bodies that were missing or damaged already when the backup was made."""

    created_at: str
    revision: int
    database_octets: int
    database_sha256: str
    bodies: int
    missing: tuple[str, ...]
    format: int = _FORMAT

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Raises BackupRefused."""
        try:
            values = json.loads((directory / NAME).read_bytes())
        except FileNotFoundError as err:
            raise BackupRefused(f"{directory} holds no whole backup: {NAME} is missing; name another one") from err
        except (OSError, ValueError) as err:
            raise BackupRefused(f"{directory / NAME} cannot be read; name another backup") from err
        return cls._from(values, directory)

    @classmethod
    def _from(cls, values: object, directory: Path) -> "Manifest":
        known = isinstance(values, Mapping) and values.get("format") == _FORMAT
        if not known:
            raise BackupRefused(f"{directory / NAME} is of another release; restore with the one that made the backup")
        assert isinstance(values, Mapping)  # noqa: S101 - known
        try:
            return cls(
                created_at=datetime.fromisoformat(values["created_at"]).isoformat(),
                revision=int(values["revision"]),
                database_octets=int(values["database_octets"]),
                database_sha256=str(values["database_sha256"]),
                bodies=int(values["bodies"]),
                missing=tuple(bytes.fromhex(digest).hex() for digest in values["missing"]),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise BackupRefused(f"{directory / NAME} is damaged; name another backup") from err

    def write(self, directory: Path) -> None:
        """Raises StoreFull, StoreUnavailable."""
        aside = directory / f"{NAME}.partial"
        try:
            write_durably(aside, json.dumps(asdict(self), indent=2).encode() + b"\n")
            aside.replace(directory / NAME)
            sync_directory(directory)
        except OSError as err:
            raise fault_of(err, f"{directory / NAME} cannot be written") from err
