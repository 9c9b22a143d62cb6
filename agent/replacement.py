"""Plain files replaced one at a time, for places where the symlinks of `agent.files` are unwelcome.

- One file: a new one is written and synced beside it and renamed over it; a reader sees the old content or the new,
  whole.
- Two files cannot be renamed at once. Both are written and synced first, then the certificate is renamed, then the
  key: a crash between the two leaves the new certificate beside the old key, never a new key beside an old
  certificate, and the new key waits under its temporary name. `finish_pair` completes such a replacement. Where a
  reader must never see a mixture, publish with `agent.files`.
"""

import contextlib
import os
from pathlib import Path

from agent.credentials import verify_pair
from agent.directories import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    PublishedFile,
    locked_directory,
    read_small_file,
    symlink_target,
    verify_plain_name,
    write_new_file,
)
from agent.errors import CredentialsInvalid, PublishFailed, UnsafePath


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Makes `content` what `path` holds, whole, durable on return. Raises StorageFull, UnsafePath or PublishFailed."""
    file = PublishedFile(name=path.name, content=content, mode=mode)
    with locked_directory(path.parent) as directory:
        _stage(directory, file)
        _commit(directory, file.name)


def replace_pair(
    directory: Path, *, certificate_name: str, certificate: bytes, key_name: str, private_key: bytes
) -> None:
    """Replaces a certificate (PEM, leaf first) and its private key (PEM) in one directory, as the module says.

    Raises CredentialsInvalid when the key is not the certificate's; StorageFull, UnsafePath or PublishFailed, after
    which both old files stand or, on a crash, `finish_pair` repairs.
    """
    verify_pair(certificate, private_key)
    with locked_directory(directory) as descriptor:
        _finish(descriptor, certificate_name, key_name)
        _stage(descriptor, PublishedFile(name=key_name, content=private_key, mode=PRIVATE_MODE))
        try:
            _stage(descriptor, PublishedFile(name=certificate_name, content=certificate, mode=PUBLIC_MODE))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(_staged(key_name), dir_fd=descriptor)
            raise
        _commit(descriptor, certificate_name)
        _commit(descriptor, key_name)


def finish_pair(directory: Path, *, certificate_name: str, key_name: str) -> bool:
    """Completes a replacement that a crash interrupted; whether there was one. Raises UnsafePath or PublishFailed."""
    with locked_directory(directory) as descriptor:
        return _finish(descriptor, certificate_name, key_name)


def _finish(directory: int, certificate_name: str, key_name: str) -> bool:
    try:
        waiting_key = read_small_file(directory, _staged(key_name))
        verify_pair(read_small_file(directory, certificate_name), waiting_key)
    except (FileNotFoundError, CredentialsInvalid):
        return False
    _commit(directory, key_name)
    return True


def _stage(directory: int, file: PublishedFile) -> None:
    verify_plain_name(file.name)
    if symlink_target(directory, file.name) is not None:
        raise UnsafePath(f"{file.name} is a symlink; publish to the file itself")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_staged(file.name), dir_fd=directory)
    write_new_file(directory, file, _staged(file.name))
    os.fsync(directory)


def _commit(directory: int, name: str) -> None:
    try:
        os.rename(_staged(name), name, src_dir_fd=directory, dst_dir_fd=directory)
    except IsADirectoryError as err:
        raise PublishFailed(f"{name} is a directory; move it away") from err
    os.fsync(directory)


def _staged(name: str) -> str:
    return f".{name}.new"
