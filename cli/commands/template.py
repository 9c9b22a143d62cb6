"""`ca-cli template`."""

import click

from cli.documents import template_document, template_fields
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import OutputFormat, output_choice, show_fields


@click.command(
    "template",
    short_help="Show what you may ask for.",
    epilog="""\b
Examples:
  ca-cli template
  ca-cli template --output json""",
)
@output_choice("table", "plain", "json", "yaml")
@connection_options
def command(endpoint: Endpoint, output: OutputFormat) -> None:
    """Show what you may ask for: who the authority takes you for, the profiles open to you, and the key types."""
    with endpoint.client() as client:
        template = client.certificates.get_csr_template()
    show_fields(template_fields(template), template_document(template), template.trust_domain, output)
