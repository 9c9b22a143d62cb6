"""The policy document on disk, re-read when it changes.

- A document that cannot be read or has faults never replaces one that works: the old one stays in force, and the log says so.
- At the start there is no old one, and the process does not start.
- A file that others may write is not read: whoever writes the policy decides who may have what.
"""

import os
import stat
from pathlib import Path

import structlog

from ca.errors import PolicyInvalid
from ca.policy import Policy
from ca.policy.reading import MAX_DOCUMENT_OCTETS

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH

_log = structlog.get_logger("chancery.policy")

_Version = tuple[int, int, int]


class PolicyFile:
    """Holds the policy in force; calling the instance returns it."""

    def __init__(self, path: Path) -> None:
        """Raises PolicyInvalid."""
        self._path = path
        self._version = self._stat()
        try:
            self._policy = self._read()
        except PolicyInvalid as err:
            first, *others = err.faults
            of_it = "" if str(path) in first else f"policy {path}: "
            raise PolicyInvalid([f"{of_it}{first}", *others]) from err

    def __call__(self) -> Policy:
        return self._policy

    def refresh(self) -> bool:
        """Reads the file again if it has changed; returns whether another policy is in force now."""
        version = self._stat()
        if version == self._version:
            return False
        self._version = version
        try:
            self._policy = self._read()
        except PolicyInvalid as err:
            _log.error("policy not reloaded, the old one stays in force", path=str(self._path), faults=err.faults)
            return False
        _log.info("policy reloaded", path=str(self._path))
        return True

    def _read(self) -> Policy:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                document = file.read(MAX_DOCUMENT_OCTETS + 1).decode()
        except (OSError, UnicodeDecodeError) as err:
            raise PolicyInvalid([f"{self._path} cannot be read: {err}"]) from err
        if mode & _WRITABLE_BY_OTHERS:
            raise PolicyInvalid([f"others may write {self._path}; read it through, then run: chmod go-w {self._path}"])
        return Policy.parse(document)

    def _stat(self) -> _Version | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
