"""`ca-cli version`."""

import click

from cli.output import OutputFormat, output_choice, show_fields
from cli.version import component_versions


@click.command(
    "version", short_help="Show versions.", epilog="\b\nExamples:\n  ca-cli version\n  ca-cli version --output json"
)
@output_choice("table", "plain", "json", "yaml")
def command(output: OutputFormat) -> None:
    """Show the versions of this program and of what it stands on."""
    versions = component_versions()
    show_fields(list(versions.items()), dict(versions), versions["ca-cli"], output)
