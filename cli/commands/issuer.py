"""`ca-cli issuer`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.documents import rotation_document, rotation_fields
from cli.endpoint import Endpoint
from cli.next_issuer import write_request
from cli.options import FILE, connection_options, offer_profiles
from cli.output import OutputFormat, output_choice, show_fields

if TYPE_CHECKING:
    from ca.client.values import RotationStatus


@click.group(
    "issuer",
    short_help="Issuing CAs for some profiles alone: add, remove.",
    epilog="""\b
Examples:
  ca-cli issuer add --profile workload
  ca-cli issuer remove --profile workload
  ca-cli status   (shows all of them)""",
)
def command() -> None:
    """Issuing CAs that serve some leaf profiles alone, beside the one for all others.

    Each comes and goes by a rotation, which `ca-cli rotate issuer --status` shows and --abort turns back.
    """


@command.command(
    "add",
    epilog="""\b
Examples:
  ca-cli issuer add --profile workload
  ca-cli issuer add --profile server --profile peer --now
  ca-cli issuer add --profile workload --csr-out issuer.csr   (then: ca-cli rotate issuer --certificate FILE)""",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    required=True,
    shell_complete=offer_profiles,
    help="A leaf profile that it is to serve alone; may be given again.",
)
@click.option("--now", is_flag=True, help="Wait only for what is observed: replicas.")
@click.option(
    "--csr-out", type=FILE, help="Write a request, to be signed where the root's key is; - for standard output."
)
@output_choice("table", "plain", "json", "yaml")
@connection_options
def add(endpoint: Endpoint, profiles: tuple[str, ...], now: bool, csr_out: Path | None, output: OutputFormat) -> None:
    """Have leaf profiles served by an issuing CA of their own, under the same root.

    Certificates that others have signed stay valid; the next ones of these profiles are signed by it.
    """
    if csr_out is not None and now:
        raise click.UsageError("--csr-out begins nothing yet: leave out --now")
    with endpoint.client() as client:
        if csr_out is not None:
            request = client.administration.create_issuer_csr(profiles)
            write_request(request, csr_out, then="ca-cli rotate issuer --certificate FILE")
            return
        client.administration.add_issuer(profiles, haste="now" if now else "due")
        _show(client.administration.get_rotation(), output)


@command.command(
    "remove",
    epilog="\b\nExamples:\n  ca-cli issuer remove --profile workload\n  ca-cli issuer remove --profile workload --now",
)
@click.option("--profile", required=True, shell_complete=offer_profiles, help="A leaf profile that it serves alone.")
@click.option("--now", is_flag=True, help="Wait only for what is observed: replicas and renewals.")
@output_choice("table", "plain", "json", "yaml")
@connection_options
def remove(endpoint: Endpoint, profile: str, now: bool, output: OutputFormat) -> None:
    """Have what an issuing CA serves alone served by the one for all others, and retire it once nobody relies on it."""
    with endpoint.client() as client:
        client.administration.remove_issuer(profile, haste="now" if now else "due")
        _show(client.administration.get_rotation(), output)


def _show(status: "RotationStatus", output: OutputFormat) -> None:
    name = "" if status.rotation is None else status.rotation.id
    show_fields(rotation_fields(status, ambient.clock()), rotation_document(status), name, output)
