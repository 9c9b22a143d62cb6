"""`ca-cli token`."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.documents import token_document, token_listing
from cli.endpoint import Endpoint
from cli.inputs import read_input
from cli.names import RequestedNames
from cli.options import DURATION, FILE, connection_options, name_options, offer_profiles
from cli.output import OutputFormat, notice, output_choice, show_fields
from cli.text import instant

if TYPE_CHECKING:
    from ca.client.values import NewToken, TokenStatus


@click.group(
    "token",
    short_help="One-time tokens: create, list, delete.",
    epilog="""\b
Examples:
  ca-cli token create --dns web.example.com --out token.txt
  ca-cli token list
  ca-cli token delete 2f6a1c…""",
)
def command() -> None:
    """One-time tokens: a way in for those who have no certificate yet.

    A token is worth one certificate, whose profile, subject and names are fixed when the token is made.
    """


@command.command(
    "create",
    epilog="""\b
Examples:
  ca-cli token create --dns web.example.com --out token.txt
  ca-cli token create --profile client --cn alice --token-ttl 1h
  ca-cli token create --dns web.example.com --csr request.pem""",
)
@name_options
@click.option(
    "--profile",
    default="",
    shell_complete=offer_profiles,
    help="server, client, peer, workload or ocsp.  [default: server]",
)
@click.option("--token-ttl", type=DURATION, help="How long the token may be spent, at most 7d.  [default: 5m]")
@click.option("--ttl", type=DURATION, help="The longest lifetime of the certificate; the profile's otherwise.")
@click.option("--csr", type=FILE, help="Bind the token to the key of this request.")
@click.option("--out", type=FILE, help="Write the token to this file, mode 0600, instead of standard output.")
@output_choice("table", "plain", "json", "yaml")
@connection_options
def create(
    endpoint: Endpoint,
    requested: RequestedNames,
    profile: str,
    token_ttl: timedelta | None,
    ttl: timedelta | None,
    csr: Path | None,
    out: Path | None,
    output: OutputFormat,
) -> None:
    """Make a token. It is shown once; in a pipe, alone.

    The bearer runs: ca-cli sign --token-file FILE
    """
    if requested.is_empty:
        raise click.UsageError("say whom the certificate is for: --dns, --ip, --uri, --email or --cn")
    with endpoint.client() as client:
        made = client.administration.create_token(
            subject=requested.subject,
            names=requested.alternative_names,
            profile=profile,
            token_lifetime=token_ttl,
            certificate_lifetime=ttl,
            public_key_sha256=_key_fingerprint(csr),
        )
    if out is not None:
        from agent.directories import PRIVATE_MODE
        from agent.replacement import replace_file

        replace_file(out, f"{made.secret}\n".encode(), PRIVATE_MODE)
        notice(f"written: {out}; it may be spent until {instant(made.token.expires_at)}")
        return
    _show(made, output)


@command.command("list", epilog="\b\nExamples:\n  ca-cli token list\n  ca-cli token list --output json")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="How many at most; 0 for all.")
@output_choice()
@connection_options
def list_(endpoint: Endpoint, limit: int, output: OutputFormat) -> None:
    """List tokens, newest first; without their secrets, which nobody keeps."""
    tokens: list[TokenStatus] = []
    page_token = ""
    with endpoint.client() as client:
        while True:
            wanted = min(limit - len(tokens), 1000) if limit else 1000
            page = client.administration.list_tokens(page_size=wanted, page_token=page_token)
            tokens += page.tokens
            page_token = page.next_page_token
            if not page_token or (limit and len(tokens) >= limit):
                break
    token_listing(ambient.clock()).show(tokens, output, empty="no tokens found")


@command.command("delete", epilog="\b\nExamples:\n  ca-cli token delete 2f6a1c0d9b8e7f60514233241506f7e8")
@click.argument("token_ids", metavar="ID...", nargs=-1, required=True)
@connection_options
def delete(endpoint: Endpoint, token_ids: tuple[str, ...]) -> None:
    """Withdraw tokens that have not been spent."""
    with endpoint.client() as client:
        for token_id in token_ids:
            client.administration.delete_token(token_id)
            click.echo(token_id)


def _show(made: "NewToken", output: OutputFormat) -> None:
    if output is OutputFormat.PLAIN:
        click.echo(made.secret)
        return
    fields = [
        ("id", made.token.id),
        ("profile", made.token.profile),
        ("names", ", ".join(made.token.names.all())),
        ("spend until", instant(made.token.expires_at)),
        ("token", made.secret),
    ]
    show_fields(fields, token_document(made.token) | {"secret": made.secret}, made.token.id, output)


def _key_fingerprint(csr: Path | None) -> bytes:
    if csr is None:
        return b""
    from certs.keys import public_key_fingerprint
    from certs.requests import CertificateRequest

    return public_key_fingerprint(CertificateRequest.from_bytes(read_input(csr, limit=1 << 17)).public_key)
