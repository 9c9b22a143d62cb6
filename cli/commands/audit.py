"""`ca-cli audit`."""

from typing import TYPE_CHECKING

import click

from cli.documents import AUDIT_LISTING
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import OutputFormat, notice, output_choice
from cli.server_settings import read_settings, settings_options

if TYPE_CHECKING:
    from ca.client.values import AuditRecord


@click.group(
    "audit",
    short_help="Show who did what.",
    epilog="""\b
Examples:
  ca-cli audit list --about 13c7c1c83c5d9599db82a9a7a744a4c0
  ca-cli audit verify""",
)
def command() -> None:
    """Who did what, on whose authority; and whether the record has been tampered with."""


@command.command(
    "list",
    epilog="""\b
Examples:
  ca-cli audit list
  ca-cli audit list --about 13c7c1c83c5d9599db82a9a7a744a4c0 --output json""",
)
@click.option(
    "--about", "subject_id", default="", metavar="ID", help="Only what is about this certificate, token or issuer."
)
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="How many at most; 0 for all.")
@click.option("--page-token", default="", help="Go on where an earlier listing stopped.")
@output_choice()
@connection_options
def list_(endpoint: Endpoint, subject_id: str, limit: int, page_token: str, output: OutputFormat) -> None:
    """List audit events, newest first."""
    events: list[AuditRecord] = []
    with endpoint.client() as client:
        while True:
            wanted = min(limit - len(events), 1000) if limit else 1000
            page = client.administration.list_audit_events(
                page_size=wanted, page_token=page_token, subject_id=subject_id
            )
            events += page.events
            page_token = page.next_page_token
            if not page_token or (limit and len(events) >= limit):
                break
    AUDIT_LISTING.show(events, output, empty="no events found")
    if page_token:
        notice(f"there are more: --limit 0 shows all, --page-token {page_token} the next ones")


@command.command(
    "verify", epilog="\b\nExamples:\n  ca-cli audit verify\n  ca-cli audit verify --config /etc/chancery.yaml"
)
@settings_options(groups=("storage",))
def verify(**given: object) -> None:
    """Walk the hash chain of the audit trail in the database itself; a running server is not disturbed.

    An event that was altered or removed breaks the chain, and so does a newest certificate of which no event tells: the number of
    the event is named and the status is 1. Where there is no authority nothing is made, and the status is 7.
    """
    from ca.errors import NotInitialised
    from store.audit import AuditTrail
    from store.copying import holds_authority
    from store.database import open_database, sqlite_path

    settings = read_settings(given)
    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        raise NotInitialised(f"there is no {path}; name the data directory of an authority")
    database = open_database(settings.database_url, migrating=False)
    try:
        if not database.read(holds_authority):
            raise NotInitialised("the database holds no authority; name another, or restore a backup")
        count = AuditTrail(database).verify_complete()
    finally:
        database.close()
    click.echo(f"{count} events, none altered or missing")
