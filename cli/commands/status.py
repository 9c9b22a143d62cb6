"""`ca-cli status`."""

import click

from cli import ambient
from cli.documents import status_document, status_fields
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import OutputFormat, output_choice, show_fields
from cli.readiness import verify_ready
from cli.text import instant, relative


@click.command(
    "status",
    short_help="Show how the authority stands and what expires next.",
    epilog="""\b
Examples:
  ca-cli status
  ca-cli status --output json
  ca-cli status --quiet || echo not ready""",
)
@click.option(
    "-q", "--quiet", is_flag=True, help="Ask only whether it is ready, and write nothing if it is; needs no identity."
)
@output_choice("table", "plain", "json", "yaml")
@connection_options
def command(endpoint: Endpoint, quiet: bool, output: OutputFormat) -> None:
    """Show how the authority stands: issuers, certificates, and what expires next."""
    if quiet:
        verify_ready(endpoint)
        return
    with endpoint.client() as client:
        status = client.administration.get_status()
    fields, document = status_fields(status), status_document(status)
    if not endpoint.is_plain_text and endpoint.local is None:
        ends = endpoint.load_identity().certificate.not_valid_after_utc
        fields.append(("your identity until", f"{instant(ends)} ({relative(ends, ambient.clock())})"))
        document["identity_not_after_time"] = instant(ends)
    show_fields(fields, document, status.trust_domain, output)
