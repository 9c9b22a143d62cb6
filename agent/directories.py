"""Durable steps inside one directory that is held open: every later step names its files relative to it.

- The directory is opened once, never through a symlink, and locked against a second publisher; nobody can swap it for
  another.
- A file name is one plain path component. What is written is on the disk, with its mode, before its name is visible.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent.errors import PublishFailed, StorageFull, UnsafePath

PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644
DIRECTORY_MODE = 0o700
LARGEST_FILE = 1 << 20

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file to be: `name` is a plain component, `mode` what it gets whatever the umask."""

    name: str
    content: bytes
    mode: int

    @classmethod
    def public(cls, name: str, content: bytes) -> Self:
        return cls(name=name, content=content, mode=PUBLIC_MODE)

    @classmethod
    def private(cls, name: str, content: bytes) -> Self:
        return cls(name=name, content=content, mode=PRIVATE_MODE)


def verify_plain_name(name: str) -> None:
    """Refuses separators, leading dots and whatever else could lead out of a directory. Raises UnsafePath."""
    if _PLAIN_NAME.fullmatch(name) is None:
        raise UnsafePath(f"{name!r} is not a plain file name; use letters, digits, '.', '_' and '-'")


@contextlib.contextmanager
def locked_directory(directory: Path) -> Iterator[int]:
    """A descriptor of `directory`, made with mode 0700 if absent, exclusively locked until the block ends.

    Raises UnsafePath when its last component is a symlink, PublishFailed when it cannot be opened. An OSError of the
    block becomes StorageFull or PublishFailed.
    """
    with publish_errors(directory):
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = _open_directory(directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def publish_errors(directory: Path) -> Iterator[None]:
    """Turns an OSError of the block into the PublishFailed that says what to do about it."""
    try:
        yield
    except OSError as err:
        if err.errno in _FULL:
            raise StorageFull(
                f"no room to publish in {directory}: {err.strerror}; free some, the old files stand"
            ) from err
        raise PublishFailed(f"cannot publish in {directory}: {err.strerror}; check its owner and mode") from err


def write_new_file(directory: int, file: PublishedFile, name: str | None = None) -> None:
    """Makes a file that must not exist yet, as `name` if that differs, and returns once its content is durable.

    The caller makes the name itself durable by `os.fsync(directory)`. Raises OSError; what was written of it is taken
    away.
    """
    target = name or file.name
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_MODE, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            _write_all(descriptor, file.content)
            os.fchmod(descriptor, file.mode)
            os.fsync(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(target, dir_fd=directory)
        raise


def read_small_file(directory: int, name: str, *, follow_symlinks: bool = False, limit: int = LARGEST_FILE) -> bytes:
    """The content of a regular file of at most `limit` octets. Raises OSError, PublishFailed for anything else."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_symlinks else os.O_NOFOLLOW)
    with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise PublishFailed(f"{name} is not a regular file; move it away")
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise PublishFailed(f"{name} is larger than {limit} octets; is it the right file?")
    return content


def symlink_target(directory: int, name: str) -> str | None:
    """Where the symlink `name` leads, or None when there is nothing or something else."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as err:
        if err.errno in {errno.ENOENT, errno.EINVAL}:
            return None
        raise


def _open_directory(directory: Path) -> int:
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as err:
        if err.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise UnsafePath(f"{directory} is a symlink or no directory; name the directory itself") from err
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
