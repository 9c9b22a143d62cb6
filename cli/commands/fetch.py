"""`ca-cli fetch`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.documents import certificate_document, certificate_fields
from cli.endpoint import Endpoint
from cli.identity import verify_free, write_identity
from cli.names import directory_name
from cli.options import DIRECTORY, connection_options
from cli.output import OutputFormat, output_choice, show_fields

if TYPE_CHECKING:
    from ca.client.values import IssuedCertificate


@click.command(
    "fetch",
    short_help="Get a certificate that was issued, and its chain.",
    epilog="""\b
Examples:
  ca-cli fetch 13c7c1c83c5d9599db82a9a7a744a4c0
  ca-cli fetch 13c7c1c83c5d9599db82a9a7a744a4c0 --output pem > chain.pem
  ca-cli fetch 13c7c1c83c5d9599db82a9a7a744a4c0 --key --out ./web""",
)
@click.argument("certificate_id", metavar="ID")
@click.option("--out", type=DIRECTORY, help="Directory for tls.crt and ca.crt.")
@click.option("--key", is_flag=True, help="Get the key too, where the authority made it; it can be had once.")
@click.option("--force", is_flag=True, help="Replace an identity that is there.")
@output_choice("table", "plain", "json", "yaml", "name", "pem", piped="pem")
@connection_options
def command(
    endpoint: Endpoint, certificate_id: str, out: Path | None, key: bool, force: bool, output: OutputFormat
) -> None:
    """Get a certificate by its ID or serial number, with its chain.

    In a pipe the chain is written as PEM, leaf first. A key is only ever written to a file.
    """
    with endpoint.client() as client:
        certificate = client.certificates.get_certificate(certificate_id)
        if not (out or key):
            _show(certificate, output)
            return
        directory = out or Path(directory_name(next(iter(certificate.names.all()), certificate.id)))
        verify_free(directory, replace=force)
        roots = client.trust.get_trust_bundle().roots_pem
        private_key = client.certificates.get_private_key(certificate.id) if key else None
    if private_key is not None:
        certificate = dataclasses.replace(certificate, has_private_key=False)  # reading it was its end over there
    written = write_identity(directory, chain=certificate.full_chain_pem, private_key=private_key, roots=roots)
    _show(certificate, OutputFormat.PLAIN if output is OutputFormat.PEM else output, written)


def _show(certificate: "IssuedCertificate", output: OutputFormat, written: tuple[Path, ...] = ()) -> None:
    if output is OutputFormat.PEM:
        click.echo(certificate.full_chain_pem, nl=False)
        return
    fields = certificate_fields(certificate, ambient.clock())
    show_fields(
        [*fields, *(("written", str(path)) for path in written)],
        certificate_document(certificate) | {"files": [str(path) for path in written]},
        certificate.id,
        output,
    )
