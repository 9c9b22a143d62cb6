"""The database file: who may touch it, and whether it is one of ours.

- A new file is 0600 in a directory made 0700; SQLite gives its -wal and -shm the mode of the file.
- Group permissions are taken back (Kubernetes adds them to a volume with fsGroup at every mount). Permissions for
  others, or a directory that anyone may write to, are refused: somebody may have been there already.
"""

import os
import stat
from pathlib import Path

from store.errors import StoreCorrupt, StoreExposed, StoreUnavailable

APPLICATION_ID = 0x43_48_4E_43  # "CHNC"
_MAGIC = b"SQLite format 3\x00"
_HEADER_OCTETS = 100


def prepare_file(path: Path) -> None:
    """Makes the file where it is missing, and checks it where it is not.

    Raises StoreExposed, StoreCorrupt (the header is not SQLite's), StoreUnavailable.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as err:
        raise StoreUnavailable(f"cannot open {path}: {err.strerror}; check the path and its permissions") from err
    try:
        _verify_modes(path, descriptor)
        _verify_header(path, descriptor)
    finally:
        os.close(descriptor)


def _verify_modes(path: Path, descriptor: int) -> None:
    directory = path.parent.stat()
    if directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX:
        raise StoreExposed(f"anyone may write to {path.parent}; run: chmod o-w {path.parent}")
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & stat.S_IRWXO:
        raise StoreExposed(f"others may read or write {path}; find out who did, then run: chmod 600 {path}")
    if mode != 0o600:
        try:
            os.fchmod(descriptor, 0o600)
        except OSError as err:
            raise StoreExposed(f"{path} belongs to another user and is open to a group; run as its owner") from err


def _verify_header(path: Path, descriptor: int) -> None:
    header = os.pread(descriptor, _HEADER_OCTETS, 0)
    if header and (not header.startswith(_MAGIC) or len(header) < _HEADER_OCTETS):
        raise StoreCorrupt(f"{path} is not an SQLite database; move it away, or restore the newest backup")
