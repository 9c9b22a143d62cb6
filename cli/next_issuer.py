"""The next issuing CA, where the root's key is elsewhere: its request as a file, and its certificate without a server.

- Without a server, because none can be reached once the issuing CA has expired: neither its certificate nor anybody's is valid.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ca.callers import Caller
from ca.calls import Call
from ca.settings import ServeSettings
from cli import ambient
from cli.errors import OutputExists
from cli.inputs import STANDARD_INPUT, read_input
from cli.output import notice
from cli.text import instant

if TYPE_CHECKING:
    from ca.client.values import IssuerCsr
    from store.records import IssuerRequest

_CALL = Call(caller=Caller.local(), id="init")


def write_request(request: "IssuerCsr", path: Path, *, then: str) -> None:
    """`then` is the command that takes what was signed. Raises OutputExists."""
    if path == STANDARD_INPUT:
        click.echo(request.csr_pem.decode(), nl=False)
        return
    try:
        with path.open("xb") as stream:
            stream.write(request.csr_pem)
    except FileExistsError as err:
        raise OutputExists(f"{path} exists", hint="name another file") from err
    notice(f"written: {path}, the request for {request.subject} that was made {instant(request.created_at)}")
    notice(f"sign it where the root's key is, then: {then}")


def replace_issuer(settings: ServeSettings, *, csr_out: Path | None, certificate: Path | None) -> None:
    """Asks for the issuing CA that serves what no other does, or begins its rotation: in the data directory, without a server.

    Raises UsageError, NotInitialised, and what opening an authority and `RotationKeeper` raise.
    """
    from ca.errors import NotInitialised
    from ca.office import open_office

    if csr_out is not None and certificate is not None:
        raise click.UsageError("--next-issuer-csr comes first, --next-issuer once it was signed")
    if not (settings.data_directory.exists() and settings.policy_file.exists()):
        raise NotInitialised(f"{settings.data_directory} holds no authority whose issuing CA could be replaced")
    signed = b"" if certificate is None else read_input(certificate)
    with open_office(
        settings,
        clock=ambient.clock,
        entropy=ambient.entropy,
        key_factory=ambient.make_key,
        secrets=ambient.secrets(),
    ) as office:
        if csr_out is not None:
            write_request(_csr_of(office.rotations.request(_CALL)), csr_out, then="ca-cli init --next-issuer FILE")
            return
        office.rotations.start_with(signed, "now", _CALL)
        notice("the rotation has begun; `ca-cli serve` goes on with it, and serves once the new issuing CA signs")


def _csr_of(request: "IssuerRequest") -> "IssuerCsr":
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from ca.client.values import IssuerCsr

    parsed = x509.load_der_x509_csr(request.request)
    return IssuerCsr(
        csr_pem=parsed.public_bytes(Encoding.PEM),
        subject=parsed.subject.rfc4514_string(),
        created_at=datetime.fromtimestamp(request.created_at, UTC),
    )
