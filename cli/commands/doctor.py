"""`ca-cli doctor`."""

import click

from cli import ambient
from cli.diagnosis import Doctor, Finding, Severity
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import Document, OutputFormat, output_choice, write_document
from cli.text import printable

_LOOKS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "red", Severity.SKIPPED: "cyan"}


@click.command(
    "doctor",
    short_help="Find what is wrong, and say what to do.",
    epilog="""\b
Examples:
  ca-cli doctor
  ca-cli doctor --output json""",
)
@output_choice("table", "plain", "json", "yaml")
@connection_options
def command(endpoint: Endpoint, output: OutputFormat) -> int:
    """Find what is wrong between you and the authority, and say what to do about it.

    Looks at identity, chain, file modes, the server's readiness and certificate, clocks and issuers. Status 1 where there is
    a problem; a warning is none.
    """
    findings = []
    for finding in Doctor(endpoint, ambient.clock).examine():
        findings.append(finding)
        if output in {OutputFormat.TABLE, OutputFormat.PLAIN}:
            _show(finding)
    if output in {OutputFormat.JSON, OutputFormat.YAML}:
        write_document([_document(finding) for finding in findings], output)
    return int(any(finding.severity is Severity.PROBLEM for finding in findings))


def _show(finding: Finding) -> None:
    mark = click.style(f"{finding.severity.value:8}", fg=_LOOKS[finding.severity])
    click.echo(f"{mark} {finding.check}: {printable(finding.found)}")
    if finding.advice:
        click.echo(f"{'':8} {click.style('do:', bold=True)} {finding.advice}")


def _document(finding: Finding) -> Document:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "found": finding.found,
        "advice": finding.advice,
    }
