"""`ca-cli doctor`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.clusters import ChosenCluster, cluster_options
from cli.diagnosis import Doctor, Finding, Severity
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import Document, OutputFormat, output_choice, piped_as_json, write_document
from cli.text import printable

if TYPE_CHECKING:
    from kube.diagnosis.doctor import ClusterDoctor

_LOOKS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "red", Severity.SKIPPED: "cyan"}


@click.command(
    "doctor",
    short_help="Find what is wrong, and say what to do.",
    epilog="""\b
Examples:
  ca-cli doctor
  ca-cli doctor --output json
  ca-cli doctor --cluster --namespace chancery
  ca-cli doctor --kubeconfig admin.conf --all --output plain
  ca-cli doctor --cluster --server localhost --identity administrator""",
)
@output_choice("table", "plain", "json", "yaml")
@cluster_options
@connection_options
def command(endpoint: Endpoint, output: OutputFormat, chosen: ChosenCluster | None) -> int:
    """Find what is wrong between you and the authority, and say what to do about it.

    Looks at identity, chain, file modes, the server's readiness and certificate, clocks and issuers. With --cluster it looks
    at a cluster instead: release, workloads, volumes and rights of the product, its leader, and everybody whom the API server
    calls over TLS: what is served there, by what it is believed, and whether the API server gets through. With --server or
    --identity it asks the authority about issuers and rotation too. Changes nothing. Status 1 where there is a problem; a
    warning is none.
    """
    if chosen is None:
        return _tell(Doctor(endpoint, ambient.clock).examine(), output)
    with chosen.doctor(endpoint) as doctor:
        return _tell(_of_cluster(doctor), piped_as_json(output))


def _tell(examination: Iterator[Finding], output: OutputFormat) -> int:
    findings = []
    for finding in examination:
        findings.append(finding)
        if output in {OutputFormat.TABLE, OutputFormat.PLAIN}:
            _show(finding)
    if output in {OutputFormat.JSON, OutputFormat.YAML}:
        write_document([_document(finding) for finding in findings], output)
    return int(any(finding.severity is Severity.PROBLEM for finding in findings))


def _of_cluster(doctor: "ClusterDoctor") -> Iterator[Finding]:
    for examined in doctor.examine():
        for one in examined.findings:
            yield Finding(
                check=one.target,
                severity=Severity(one.severity),
                found=one.summary,
                advice=one.hint,
                runbook=one.runbook,
            )


def _show(finding: Finding) -> None:
    mark = click.style(f"{finding.severity.value:8}", fg=_LOOKS[finding.severity])
    click.echo(f"{mark} {printable(finding.check)}: {printable(finding.found)}")
    if finding.advice:
        click.echo(f"{'':8} {click.style('do:', bold=True)} {printable(finding.advice)}")
    if finding.runbook:
        click.echo(f"{'':8} {click.style('see:', bold=True)} {finding.runbook}")


def _document(finding: Finding) -> Document:
    document: dict[str, Document] = {
        "check": finding.check,
        "severity": finding.severity.value,
        "found": finding.found,
        "advice": finding.advice,
    }
    return document | ({"runbook": finding.runbook} if finding.runbook else {})
