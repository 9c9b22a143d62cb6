"""The passphrase of the CA keys: a file that is named, else CHANCERY_PASSPHRASE, else a file beside the keys.

- It never comes by an argument, and is never made anew where something is kept under one that is lost.
- A file that is named may be a Kubernetes Secret, mounted: readable by its group.
- A line break at the end of a file is not part of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from ca.ambient import Entropy
from ca.data_directory import read_private_file, write_private_file
from ca.errors import KeyFileMissing, PassphraseLost
from ca.settings import ServeSettings
from certs.errors import PassphraseRequired, WrongPassphrase

VARIABLE = "CHANCERY_PASSPHRASE"

_OCTETS = 24
_LARGEST = 16_384

_log = structlog.get_logger("chancery.passphrase")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passphrase:
    """`source` says to people where it came from; `beside_keys`, that it lies in the data directory."""

    octets: bytes = field(repr=False)
    source: str
    beside_keys: bool = False

    @contextmanager
    def opening(self, what: str = "the CA keys") -> Iterator[None]:
        """Tells, where it does not open `what`, which passphrase that was. Raises WrongPassphrase."""
        try:
            yield
        except WrongPassphrase as err:
            raise WrongPassphrase(
                f"the passphrase in {self.source} does not open {what}; give the one that they were encrypted under"
            ) from err


def ensure_passphrase(
    settings: ServeSettings, entropy: Entropy, *, given: bytes | None, anything_kept: bool
) -> Passphrase:
    """Reads the passphrase; where nothing is kept under one yet, and none is named or given, makes one beside the keys.

    `given` is what the environment holds. Raises PassphraseLost, KeyFileMissing, LooseFileMode, PassphraseRequired.
    """
    path = settings.passphrase_file
    if settings.storage.passphrase_file is None and given is None and not path.exists() and not anything_kept:
        write_private_file(path, fresh_passphrase(entropy) + b"\n")
        _log.warning("made a passphrase beside the keys; keep it elsewhere in production", path=str(path))
    return find_passphrase(settings, given)


def find_passphrase(settings: ServeSettings, given: bytes | None) -> Passphrase:
    """Raises PassphraseLost, LooseFileMode, PassphraseRequired."""
    named = settings.storage.passphrase_file is not None
    if given is not None and not named:
        return Passphrase(octets=read_passphrase(given, VARIABLE), source=VARIABLE)
    path = settings.passphrase_file
    try:
        content = read_private_file(path, group_may_read=named)
    except KeyFileMissing as err:
        raise PassphraseLost(f"the passphrase of the CA keys is not in {path}: there is no such file") from err
    except OSError as err:
        reason = (err.strerror or "unreadable").lower()
        raise PassphraseLost(f"the passphrase of the CA keys cannot be read from {path}: {reason}") from err
    return Passphrase(octets=read_passphrase(content, str(path)), source=str(path), beside_keys=not named)


def fresh_passphrase(entropy: Entropy) -> bytes:
    """One that nobody can guess, and that can be typed."""
    return entropy(_OCTETS).hex().encode()


def read_passphrase(content: bytes, source: str) -> bytes:
    """The passphrase in what `source` held: without line breaks at its ends. Raises PassphraseRequired."""
    passphrase = content.strip(b"\r\n")
    if not passphrase:
        raise PassphraseRequired(f"{source} is empty; put the passphrase of the CA keys into it")
    if len(passphrase) > _LARGEST:
        raise PassphraseRequired(
            f"{source} is too large for a passphrase; put that of the CA keys into it, and nothing else"
        )
    return passphrase
