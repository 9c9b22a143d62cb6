"""`ca-cli list`."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.documents import certificate_listing
from cli.endpoint import Endpoint
from cli.options import DURATION, INSTANT, connection_options, offer_profiles
from cli.output import OutputFormat, notice, output_choice

if TYPE_CHECKING:
    from ca.client.certificates import CertificateClient
    from ca.client.values import CertificateFilter, IssuedCertificate

_PAGE = 1000
_LONGEST_PAUSE = 30.0
CURSOR_MARK = "\x1e"
"""Before a cursor on a line of its own; no other line begins so, as control characters are shown and not written."""


@click.command(
    "list",
    short_help="List what was issued, or watch it being issued.",
    epilog="""\b
Examples:
  ca-cli list
  ca-cli list --state valid --expires-within 7d
  ca-cli list --name web.example.com --output json
  ca-cli list --limit 0 --output name | wc -l
  ca-cli list --watch --profile workload""",
)
@click.option("--name", default="", help="Certificates that hold this name: DNS, address, URI, email or common name.")
@click.option("--profile", default="", shell_complete=offer_profiles, help="Issued under this profile.")
@click.option("--issuer", "issuer_id", default="", metavar="ID", help="Issued by this CA.")
@click.option("--requester", default="", help="Issued on this caller's authority.")
@click.option("--state", type=click.Choice(["valid", "expired", "revoked"]), help="In this state.")
@click.option("--expires-within", type=DURATION, help="Valid now, but not for longer than this.")
@click.option("--expires-before", type=INSTANT, help="Ending before this instant.")
@click.option("--expires-after", type=INSTANT, help="Ending after this instant.")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="How many at most; 0 for all.")
@click.option("--page-token", default="", help="Go on where an earlier listing stopped.")
@click.option("-w", "--watch", is_flag=True, help="Show certificates as they are issued, from now on.")
@click.option("--resume-cursor", default="", help="With --watch: go on after this cursor; 0 starts at the beginning.")
@click.option("--report-cursors", is_flag=True, hidden=True, help="With --watch: to standard error, for the plugin.")
@output_choice()
@connection_options
def command(
    endpoint: Endpoint,
    name: str,
    profile: str,
    issuer_id: str,
    requester: str,
    state: str | None,
    expires_within: timedelta | None,
    expires_before: datetime | None,
    expires_after: datetime | None,
    limit: int,
    page_token: str,
    watch: bool,
    resume_cursor: str,
    report_cursors: bool,
    output: OutputFormat,
) -> None:
    """List what was issued, newest first, or watch it being issued."""
    from ca.client.values import CertificateFilter, CertificateState

    now = ambient.clock()
    if expires_within is not None:
        expires_before = min(expires_before or now + expires_within, now + expires_within)
        expires_after = max(expires_after or now, now)
    conditions = CertificateFilter(
        name=name,
        profile=profile,
        issuer_id=issuer_id,
        requester=requester,
        state=CertificateState(state) if state else None,
        expires_before=expires_before,
        expires_after=expires_after,
    )
    listing = certificate_listing(now)
    with endpoint.client() as client:
        if watch:
            _watch(client.certificates, conditions, resume_cursor, output, reports=report_cursors)
            return
        found = _collect(client.certificates, conditions, limit, page_token)
    listing.show(found.certificates, output, empty="no certificates found")
    if found.next_page_token:
        notice(f"there are more: --limit 0 shows all, --page-token {found.next_page_token} the next ones")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    certificates: "tuple[IssuedCertificate, ...]"
    next_page_token: str


def _collect(client: "CertificateClient", conditions: "CertificateFilter", limit: int, page_token: str) -> _Found:
    """Pages until there are `limit` certificates, or no more; 0 for no limit."""
    collected: list[IssuedCertificate] = []
    while True:
        wanted = min(limit - len(collected), _PAGE) if limit else _PAGE
        page = client.list_certificates(conditions, page_size=wanted, page_token=page_token)
        collected += page.certificates
        page_token = page.next_page_token
        if not page_token or (limit and len(collected) >= limit):
            return _Found(certificates=tuple(collected), next_page_token=page_token)


def _watch(
    client: "CertificateClient",
    conditions: "CertificateFilter",
    cursor: str,
    output: OutputFormat,
    *,
    reports: bool,
) -> None:
    """Until it is interrupted; goes on after the last cursor where the server was away for a while."""
    from ca.client.errors import CallUnavailable, ServerUnreachable

    pause = 1.0
    while True:
        try:
            for event in client.watch_certificates(conditions, resume_cursor=cursor):
                certificate_listing(ambient.clock()).show_one(event.certificate, output)
                cursor, pause = event.cursor, 1.0
                if reports:
                    click.echo(f"{CURSOR_MARK}{cursor}", err=True)
        except (CallUnavailable, ServerUnreachable) as err:
            if not cursor:
                raise
            notice(f"{err}; trying again in {pause:.0f} s, from cursor {cursor}")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
