"""Another administrator for an authority that exists: of the server that runs on this data directory, else of what is there.

- A running server is asked over its socket, which opens to whoever may read its keys. The new key is made here and stays here.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cli import ambient
from cli.identity import STANDARD_OUTPUT, write_archive, write_identity
from cli.output import OutputFormat, show_fields
from cli.text import instant

if TYPE_CHECKING:
    from ca.office import AdministratorIdentity, Office
    from ca.settings import ServeSettings


def ask_running_server(
    settings: "ServeSettings", *, common_name: str, lifetime: timedelta | None
) -> "AdministratorIdentity | None":
    """None where none runs. Raises FailedPrecondition with what the server says, Unavailable, MalformedName."""
    from ca.administration_socket import AdministratorRequest, ask
    from ca.office import AdministratorIdentity
    from certs.keys import KeyType, encode_private_key
    from certs.names import SubjectAlternativeNames, SubjectName
    from certs.requests import build_request

    key = ambient.make_key(KeyType.EC_P256)
    csr = build_request(key, SubjectName(common_name=common_name), SubjectAlternativeNames())
    seconds = 0 if lifetime is None else int(lifetime.total_seconds())
    answer = ask(settings.data_directory, AdministratorRequest(csr=csr.decode(), lifetime_seconds=seconds))
    if answer is None:
        return None
    return AdministratorIdentity(
        private_key=encode_private_key(key),
        chain=answer.chain.encode(),
        roots=answer.roots.encode(),
        certificate_id="",
    )


def deliver(made: "AdministratorIdentity", directory: Path, output: OutputFormat) -> None:
    """Into the directory, and says so; or as an archive to standard output."""
    from certs.pem import load_certificates

    if directory == STANDARD_OUTPUT:
        write_archive(chain=made.chain, private_key=made.private_key, roots=made.roots)
        return
    write_identity(directory, chain=made.chain, private_key=made.private_key, roots=made.roots)
    until = instant(load_certificates(made.chain)[0].not_valid_after_utc)
    show_fields(
        [("administrator", f"{directory}, until {until}")],
        {"identity": str(directory), "identity_not_after_time": until},
        str(directory),
        output,
    )


def make_for_archive(office: "Office", *, common_name: str, lifetime: timedelta | None) -> None:
    """As `deliver` to standard output, where no server runs."""
    from ca.office import issue_administrator

    made = issue_administrator(office, common_name=common_name, lifetime=lifetime)
    write_archive(chain=made.chain, private_key=made.private_key, roots=made.roots)
