"""Identities on disk: written as one, never over one that is there unless told to."""

import io
import sys
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent.credentials import FILE_NAMES, Credentials
from agent.directories import PUBLIC_MODE
from agent.identity import publish_credentials
from agent.replacement import replace_file, replace_pair
from cli import ambient
from cli.errors import OutputExists

if TYPE_CHECKING:
    from ca.office import Office

CERTIFICATE_FILE, KEY_FILE, ROOTS_FILE = FILE_NAMES
ADMINISTRATOR = "administrator"
STANDARD_OUTPUT = Path("-")
"""In place of a directory: a tar archive is written there."""


def write_identity(directory: Path, *, chain: bytes, private_key: bytes | None, roots: bytes) -> tuple[Path, ...]:
    """Writes tls.crt, tls.key and ca.crt, whole and durable; without a key, the other two. Returns what was written.

    A directory that is published by symlinks (`renew` does that) stays one. Raises CredentialsInvalid, PublishFailed.
    """
    if private_key is not None and is_published(directory):
        credentials = Credentials.from_pem(certificate_chain=chain, private_key=private_key, trust_bundle=roots)
        publish_credentials(directory, credentials)
    elif private_key is not None:
        replace_file(directory / ROOTS_FILE, roots, PUBLIC_MODE)
        replace_pair(
            directory,
            certificate_name=CERTIFICATE_FILE,
            certificate=chain,
            key_name=KEY_FILE,
            private_key=private_key,
        )
    else:
        replace_file(directory / ROOTS_FILE, roots, PUBLIC_MODE)
        replace_file(directory / CERTIFICATE_FILE, chain, PUBLIC_MODE)
    names = FILE_NAMES if private_key is not None else (CERTIFICATE_FILE, ROOTS_FILE)
    return tuple(directory / name for name in names)


def verify_free(directory: Path, *, replace: bool) -> None:
    """Raises OutputExists where an identity would be overwritten that nobody said may go."""
    taken = next((name for name in (KEY_FILE, CERTIFICATE_FILE) if (directory / name).exists()), None)
    if taken and not replace:
        raise OutputExists(
            f"{directory / taken} exists", hint="--force replaces it; --out names another directory; `renew` renews it"
        )


def write_archive(*, chain: bytes, private_key: bytes, roots: bytes) -> None:
    """The same three files on standard output as a tar archive, so that a key need not lie where it was made (`kubectl exec`).

    Raises OutputExists where standard output is a terminal.
    """
    if ambient.writes_to_terminal():
        raise OutputExists("an identity would go to the terminal", hint="add: | tar -x -C DIRECTORY")
    contents = {ROOTS_FILE: roots, CERTIFICATE_FILE: chain, KEY_FILE: private_key}
    with tarfile.open(mode="w|", fileobj=sys.stdout.buffer) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(ambient.clock().timestamp())
            archive.addfile(member, io.BytesIO(content))
    sys.stdout.flush()


def is_published(directory: Path) -> bool:
    return (directory / "..data").is_symlink()


def write_administrator(
    office: "Office",
    directory: Path,
    *,
    replace: bool,
    common_name: str = ADMINISTRATOR,
    lifetime: timedelta | None = None,
) -> bool:
    """Has the office make an administrator and puts it into `directory`; whether it did.

    An identity that is there stays, unless `replace` is said.
    """
    from ca.office import issue_administrator

    if (directory / CERTIFICATE_FILE).exists() and not replace:
        return False
    made = issue_administrator(office, common_name=common_name, lifetime=lifetime)
    write_identity(directory, chain=made.chain, private_key=made.private_key, roots=made.roots)
    return True
