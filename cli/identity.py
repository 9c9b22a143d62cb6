"""Identities on disk: written as one, never over one that is there unless told to."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent.credentials import FILE_NAMES, Credentials
from agent.directories import PUBLIC_MODE
from agent.identity import publish_credentials
from agent.replacement import replace_file, replace_pair
from cli.errors import OutputExists

if TYPE_CHECKING:
    from ca.office import Office

CERTIFICATE_FILE, KEY_FILE, ROOTS_FILE = FILE_NAMES
ADMINISTRATOR = "administrator"


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
