"""`ca-cli revoke`."""

import click

from cli import ambient
from cli.documents import certificate_listing
from cli.endpoint import Endpoint
from cli.errors import Unconfirmed
from cli.options import connection_options
from cli.output import OutputFormat, output_choice
from cli.text import printable

REASONS = (
    "unspecified",
    "key-compromise",
    "ca-compromise",
    "affiliation-changed",
    "superseded",
    "cessation-of-operation",
    "privilege-withdrawn",
)


@click.command(
    "revoke",
    short_help="Revoke a certificate, for good.",
    epilog="""\b
Examples:
  ca-cli revoke 13c7c1c83c5d9599db82a9a7a744a4c0 --reason key-compromise
  ca-cli list --requester old-service --output name | xargs ca-cli revoke --yes --reason superseded""",
)
@click.argument("certificate_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", type=click.Choice(REASONS), default="unspecified", show_default=True, help="Why (RFC 5280).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_choice()
@connection_options
def command(endpoint: Endpoint, certificate_ids: tuple[str, ...], reason: str, yes: bool, output: OutputFormat) -> None:
    """Revoke certificates by ID or serial number. It cannot be undone.

    Asks first; where there is nobody to ask, --yes must be said.
    """
    from ca.client.values import RevocationReason

    with endpoint.client() as client:
        if not yes:
            found = [client.certificates.get_certificate(one) for one in certificate_ids]
            _confirm([f"{one.id}  {', '.join(one.names.all()) or one.subject}" for one in found])
        revoked = [client.certificates.revoke_certificate(one, RevocationReason(reason)) for one in certificate_ids]
    certificate_listing(ambient.clock()).show(revoked, output)


def _confirm(certificates: list[str]) -> None:
    """Raises Unconfirmed."""
    if not ambient.is_interactive():
        raise Unconfirmed("revoking cannot be undone, and nobody is here to be asked; say --yes")
    for certificate in certificates:
        click.echo(printable(certificate), err=True)
    if not click.confirm("Revoke for good?", err=True):
        raise Unconfirmed("nothing was revoked")
