"""A set of files published at once: readers see all of the old ones or all of the new ones, never a mixture.

- Kubelet's AtomicWriter layout: the files lie in `..set-N/`, `..data` is a symlink to that directory, and each
  visible name is a symlink `tls.crt -> ..data/tls.crt`. One rename of `..data` publishes; everything before it is
  invisible, everything after is tidying.
- A set is durable before the rename and the rename is durable on return. A crash, a kill or a full disk leaves the
  old set or the new.
- The set before the current one stays until the next publication, for a reader that has opened the key and not yet
  the certificate. A reader that opens two names on either side of the rename can still mix them: `read_published`
  resolves `..data` once.
- Plain files of before are taken over first, without a moment in which their content changes.
- Publishers exclude one another by a lock on the directory.
"""

import contextlib
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from agent.directories import (
    DIRECTORY_MODE,
    PublishedFile,
    locked_directory,
    read_small_file,
    symlink_target,
    verify_plain_name,
    write_new_file,
)
from agent.errors import CredentialsInvalid, PublishFailed, UnsafePath

_READ_ATTEMPTS = 100
_DATA = "..data"
_DATA_NEXT = "..data_tmp"
_LINK_NEXT = "..link_tmp"
_SET = re.compile(r"\.\.set-(\d{1,18})")


def publish_files(directory: Path, files: Sequence[PublishedFile], *, directory_mode: int = DIRECTORY_MODE) -> None:
    """Makes `files` the content of `directory`, all at once; returns when that survives a power cut.

    Names of an earlier set that are not among `files` disappear. `directory_mode` is the mode of the inner directory,
    for a volume that other users read. Raises StorageFull, UnsafePath or PublishFailed, in each of which the files of
    before stand.
    """
    names = [file.name for file in files]
    for name in names:
        verify_plain_name(name)
    if len(set(names)) != len(names):
        raise PublishFailed("two files of one set have the same name; publish each name once")
    with locked_directory(directory) as root:
        current = _current_set(root)
        _verify_visible_names(root, names)
        _remove_all_but(root, current)
        current = _take_over(root, current, names, directory_mode)
        fresh = _write_set(root, files, directory_mode)
        for name in names:
            _point_name_at_data(root, name)
        _point_data_at(root, fresh)
        _remove_stale_names(root, names)
        os.fsync(root)
        _remove_all_but(root, fresh, current)


def read_published(directory: Path, names: Sequence[str]) -> tuple[bytes, ...]:
    """The contents of `names`, all of one set, or plain files where nothing was ever published as a set.

    Raises CredentialsInvalid when one is missing, unreadable or larger than a mebibyte.
    """
    for name in names:
        verify_plain_name(name)
    try:
        for _ in range(_READ_ATTEMPTS):
            leads_to = _published_set(directory)
            with contextlib.suppress(FileNotFoundError):
                return _read_once(directory, names)
            if _published_set(directory) == leads_to:
                break  # otherwise it was published again, and the set that was being read has gone: once more
    except (OSError, PublishFailed) as err:
        raise CredentialsInvalid(f"cannot read {', '.join(names)} in {directory}: {err}") from err
    raise CredentialsInvalid(f"{directory} does not hold {', '.join(names)}; sign or renew first")


def _published_set(directory: Path) -> Path | None:
    """Where `..data` leads; None where nothing was published as a set."""
    try:
        return (directory / _DATA).readlink()
    except FileNotFoundError:
        return None


def _read_once(directory: Path, names: Sequence[str]) -> tuple[bytes, ...]:
    with contextlib.ExitStack() as opened:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, root)
        try:
            inner = os.open(_DATA, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
        except FileNotFoundError:
            contents = tuple(read_small_file(root, name, follow_symlinks=True) for name in names)
            if _exists(root, _DATA):
                raise FileNotFoundError(errno.ENOENT, "taken over by a publisher while it was read") from None
            return contents
        opened.callback(os.close, inner)
        return tuple(read_small_file(inner, name) for name in names)


def _current_set(root: int) -> str | None:
    target = symlink_target(root, _DATA)
    if target is None:
        if _exists(root, _DATA):
            raise UnsafePath(f"{_DATA} is not a symlink; move it away")
        return None
    if _SET.fullmatch(target) is None:
        raise UnsafePath(
            f"{_DATA} leads to {target!r}, which this program has not made; publish into a directory of its own"
        )
    return target


def _verify_visible_names(root: int, names: Sequence[str]) -> None:
    for name in names:
        target = symlink_target(root, name)
        if target is not None and target != f"{_DATA}/{name}":
            raise UnsafePath(f"{name} is a symlink to {target!r}; remove it, or publish into a directory of its own")


def _take_over(root: int, current: str | None, names: Sequence[str], mode: int) -> str | None:
    """Moves plain files behind `..data`, as they are, so that one swap replaces them all; the set to supersede."""
    plain = {name for name in names if symlink_target(root, name) is None and _exists(root, name)}
    if not plain:
        return current
    files = [_copy_of(root, name, name) for name in sorted(plain)]
    if current is not None:
        kept = sorted(name for name in names if name not in plain and _exists(root, f"{current}/{name}"))
        files += [_copy_of(root, f"{current}/{name}", name) for name in kept]
    former = _write_set(root, files, mode)
    _point_data_at(root, former)
    for name in plain:
        _replace_by_link(root, name)
    return former


def _copy_of(root: int, path: str, name: str) -> PublishedFile:
    mode = os.stat(path, dir_fd=root, follow_symlinks=False).st_mode & 0o777
    return PublishedFile(name=name, content=read_small_file(root, path), mode=mode)


def _write_set(root: int, files: Sequence[PublishedFile], mode: int) -> str:
    numbers = (int(match[1]) for match in map(_SET.fullmatch, os.listdir(root)) if match)
    fresh = f"..set-{max(numbers, default=0) + 1}"
    os.mkdir(fresh, DIRECTORY_MODE, dir_fd=root)
    try:
        inner = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
        try:
            for file in files:
                write_new_file(inner, file)
            os.fchmod(inner, mode)
            os.fsync(inner)
        finally:
            os.close(inner)
        os.fsync(root)
    except BaseException:
        with contextlib.suppress(OSError):
            _remove_set(root, fresh)
        raise
    return fresh


def _point_data_at(root: int, target: str) -> None:
    os.symlink(target, _DATA_NEXT, dir_fd=root)
    os.rename(_DATA_NEXT, _DATA, src_dir_fd=root, dst_dir_fd=root)
    os.fsync(root)


def _point_name_at_data(root: int, name: str) -> None:
    if symlink_target(root, name) is None:
        _replace_by_link(root, name)


def _replace_by_link(root: int, name: str) -> None:
    os.symlink(f"{_DATA}/{name}", _LINK_NEXT, dir_fd=root)
    os.rename(_LINK_NEXT, name, src_dir_fd=root, dst_dir_fd=root)


def _remove_stale_names(root: int, names: Sequence[str]) -> None:
    for name in set(os.listdir(root)) - set(names):
        if symlink_target(root, name) == f"{_DATA}/{name}":
            os.unlink(name, dir_fd=root)


def _remove_all_but(root: int, *kept: str | None) -> None:
    for name in os.listdir(root):
        if name in {_DATA_NEXT, _LINK_NEXT}:
            os.unlink(name, dir_fd=root)
        elif _SET.fullmatch(name) and name not in kept:
            _remove_set(root, name)


def _remove_set(root: int, name: str) -> None:
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    try:
        for entry in os.listdir(inner):  # noqa: PTH208  a descriptor, which pathlib cannot list
            os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=root)


def _exists(root: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
