"""`ca-cli rotate`."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.documents import rotation_document, rotation_fields
from cli.endpoint import Endpoint
from cli.errors import Unconfirmed
from cli.inputs import read_input
from cli.next_issuer import write_request
from cli.options import FILE, connection_options, offer_profiles
from cli.output import OutputFormat, notice, output_choice, show_fields

if TYPE_CHECKING:
    from ca.client.administration import AdministrationClient
    from ca.client.values import RotationStatus

_LOOK_SECONDS = 1.0


@click.command(
    "rotate",
    short_help="Replace the issuing CA or the root, without an outage.",
    epilog="""\b
Examples:
  ca-cli rotate issuer --now
  ca-cli rotate root --status
  ca-cli rotate root
  ca-cli rotate root --abort
  ca-cli rotate root --emergency --yes
  ca-cli rotate issuer --profile workload
  ca-cli rotate issuer --csr-out issuer.csr       (where the root's key is elsewhere; sign it there)
  ca-cli rotate issuer --certificate issuer.pem   (what was signed)""",
)
@click.argument("what", type=click.Choice(["issuer", "root"]))
@click.option(
    "--profile",
    default="",
    shell_complete=offer_profiles,
    help="Of the issuing CAs, the one that serves this leaf profile.  [default: the one for all that no other serves]",
)
@click.option("--status", is_flag=True, help="Show where it stands, what it waits for, and who lags.")
@click.option("--now", is_flag=True, help="Wait only for what is observed: consumers, replicas, renewals.")
@click.option("--emergency", is_flag=True, help="Wait for nobody, and revoke what the old one signed.")
@click.option("--abort", is_flag=True, help="Turn the rotation under way back.")
@click.option(
    "--csr-out",
    type=FILE,
    help="Write a request for a new issuing CA, to be signed where the root's key is; - for standard output.",
)
@click.option(
    "--certificate", type=FILE, help="Begin with the certificate that was signed at that request; PEM or DER."
)
@click.option("--yes", is_flag=True, help="Do not ask before an emergency.")
@click.option(
    "--wait/--no-wait",
    default=None,
    help="Follow it to its end, on a terminal with a live view.  [default: --wait on a terminal]",
)
@output_choice("table", "plain", "json", "yaml")
@connection_options
def command(
    endpoint: Endpoint,
    what: str,
    profile: str,
    csr_out: Path | None,
    certificate: Path | None,
    yes: bool,
    wait: bool | None,
    output: OutputFormat,
    status: bool,
    now: bool,
    emergency: bool,
    abort: bool,
) -> None:
    """Replace the issuing CA, or the root with the issuing CA below it, while everybody goes on talking to everybody.

    The server does it, step by step, whether anybody watches or not: what is new is published, then signs; what is old goes once
    nobody relies on it. Both are replaced by themselves at two thirds of their lives; this begins it earlier.

    Where the root's key is kept elsewhere, --csr-out writes a request for the next issuing CA, whose key stays in the server, and
    --certificate begins the rotation with what was signed at it. Until then the same request is written again.
    """
    from certs.pem import encode_certificate, load_certificate

    asked = _asked(status=status, now=now, emergency=emergency, abort=abort)
    _verify_options(what, profile, asked, csr_out, certificate)
    brought = b"" if certificate is None else encode_certificate(load_certificate(read_input(certificate)))
    with endpoint.client() as client:
        administration = client.administration
        if csr_out is not None:
            request = administration.create_issuer_csr([profile] if profile else ())
            write_request(request, csr_out, then="ca-cli rotate issuer --certificate FILE")
            return
        if asked == "abort":
            administration.abort_rotation(what)
        elif asked == "emergency":
            _confirm(administration.get_rotation(), what, yes=yes)
            administration.start_rotation(what, haste="emergency", certificate_pem=brought, profile=profile)
        elif asked != "status":
            administration.start_rotation(what, haste=asked or "due", certificate_pem=brought, profile=profile)
        follows = ambient.writes_to_terminal() and output is OutputFormat.TABLE if wait is None else wait
        reached = _follow(administration, output) if follows else administration.get_rotation()
    if not (follows and ambient.writes_to_terminal()):
        show_fields(rotation_fields(reached, ambient.clock()), rotation_document(reached), _name(reached), output)


def _asked(**flags: bool) -> str | None:
    """Raises UsageError for two at once: of --abort and --now neither may win over the other."""
    said = [name for name, is_said in flags.items() if is_said]
    if len(said) > 1:
        raise click.UsageError(f"--{said[0]} and --{said[1]} are two orders; give one")
    return said[0] if said else None


def _verify_options(what: str, profile: str, asked: str | None, csr_out: Path | None, certificate: Path | None) -> None:
    """Raises UsageError."""
    if profile and (what == "root" or certificate):
        raise click.UsageError(
            "--profile tells issuing CAs apart; a root replaces all, and a certificate is of the one it was for"
        )
    if what == "root" and (csr_out or certificate):
        raise click.UsageError(
            "--csr-out and --certificate are for the issuer; a root is not brought to a running server"
        )
    if csr_out and (certificate or asked):
        raise click.UsageError("--csr-out begins nothing yet: give it alone, then --certificate")
    if certificate and asked in {"status", "abort"}:
        raise click.UsageError(f"--certificate begins a rotation; leave out --{asked}")


def _confirm(status: "RotationStatus", what: str, *, yes: bool) -> None:
    """Says what an emergency will break, and asks. Raises Unconfirmed."""
    notice(
        f"an emergency rotation of the {what} takes the old one out of trust at once and revokes every certificate under it:"
    )
    notice(
        "  every client and server is refused until it has a new certificate; those of our own servers are made anew"
    )
    if what == "root":
        notice(
            f"  each of the {status.consumers_total} consumers heard of lately refuses everybody until it has the new root"
        )
    if yes:
        return
    if not ambient.is_interactive():
        raise Unconfirmed("an emergency cannot be undone, and nobody is here to be asked; say --yes")
    if not click.confirm("Go on?", err=True):
        raise Unconfirmed("nothing was begun")


def _follow(administration: "AdministrationClient", output: OutputFormat) -> "RotationStatus":
    """Until the rotation is over; Ctrl-C ends the watching, not the rotation."""
    if ambient.writes_to_terminal() and output is OutputFormat.TABLE:
        return _follow_on_terminal(administration)
    for status in _statuses(administration):
        if not status.is_under_way:
            return status
    raise AssertionError("the statuses never end")


def _follow_on_terminal(administration: "AdministrationClient") -> "RotationStatus":
    from rich.live import Live
    from rich.table import Table

    with Live(refresh_per_second=4) as live:
        for status in _statuses(administration):
            table = Table.grid(padding=(0, 2))
            for name, value in rotation_fields(status, ambient.clock()):
                table.add_row(name, value)
            live.update(table)
            if not status.is_under_way:
                return status
    raise AssertionError("the statuses never end")


def _statuses(administration: "AdministrationClient") -> "Iterator[RotationStatus]":
    while True:
        yield administration.get_rotation()
        time.sleep(_LOOK_SECONDS)


def _name(status: "RotationStatus") -> str:
    return "" if status.rotation is None else status.rotation.id
