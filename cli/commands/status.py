"""`ca-cli status`."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.clusters import ChosenCluster, cluster_options
from cli.documents import status_document, status_fields
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import Column, Document, Listing, OutputFormat, notice, output_choice, piped_as_json, show_fields
from cli.readiness import verify_ready
from cli.text import instant, relative

if TYPE_CHECKING:
    from kube.diagnosis.overview import Line

_LOOKS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "cyan"}


@click.command(
    "status",
    short_help="Show how the authority stands and what expires next.",
    epilog="""\b
Examples:
  ca-cli status
  ca-cli status --output json
  ca-cli status --quiet || echo not ready
  ca-cli status --cluster --namespace chancery""",
)
@click.option(
    "-q", "--quiet", is_flag=True, help="Ask only whether it is ready, and write nothing if it is; needs no identity."
)
@output_choice("table", "plain", "json", "yaml")
@cluster_options
@connection_options
def command(endpoint: Endpoint, quiet: bool, output: OutputFormat, chosen: ChosenCluster | None) -> None:
    """Show how the authority stands: issuers, certificates, and what expires next.

    With --cluster, a line for everybody whom the API server of a cluster calls over TLS, and for each root and issuing CA: by
    whom the served certificate is, until when it lasts and until when the caBundle does. `ca-cli doctor --cluster` says what
    to do.
    """
    if chosen is not None:
        if quiet:
            raise click.UsageError("--quiet asks the authority alone: leave out --cluster and --kubeconfig")
        _show_cluster(chosen, endpoint, piped_as_json(output))
        return
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


def _show_cluster(chosen: ChosenCluster, endpoint: Endpoint, output: OutputFormat) -> None:
    """Raises ClusterUnreachable, KubeSettingsInvalid."""
    from kube.diagnosis.findings import Cause, Severity
    from kube.diagnosis.overview import lines_of
    from kube.errors import ClusterUnreachable

    with chosen.doctor(endpoint) as doctor:
        examination = list(doctor.examine())
    for finding in (one for examined in examination for one in examined.findings):
        if finding.cause is Cause.API_SERVER_UNREACHABLE:
            raise ClusterUnreachable(finding.summary)
        if finding.severity is Severity.PROBLEM and finding.cause in {Cause.RIGHTS_MISSING, Cause.NOT_INSTALLED}:
            notice(f"{finding.target}: {finding.summary}")
    _listing(ambient.clock()).show(
        list(lines_of(examination)), output, empty="nobody is called, and no certificate seen"
    )


def _listing(now: datetime) -> "Listing[Line]":
    def when(value: datetime | None) -> str:
        return relative(value, now) if value else ""

    return Listing(
        columns=(
            Column(title="TARGET", value=lambda one: one.target),
            Column(title="ISSUER", value=lambda one: one.issuer),
            Column(title="EXPIRES", value=lambda one: when(one.not_after), whole=True),
            Column(title="ROOTS EXPIRE", value=lambda one: when(one.roots_not_after), whole=True),
            Column(
                title="STATE", value=lambda one: one.severity.value, style=lambda one: _LOOKS[one.severity], whole=True
            ),
            Column(title="CAUSE", value=lambda one: one.cause, whole=True),
        ),
        document=_document,
        name=lambda one: one.target,
    )


def _document(line: "Line") -> Document:
    document: dict[str, Document] = {
        "target": line.target,
        "state": line.severity.value,
        "address": line.address,
        "issuer": line.issuer,
        "not_after_time": instant(line.not_after),
        "roots_not_after_time": instant(line.roots_not_after),
        "cause": line.cause,
        "why": line.why,
    }
    return {name: value for name, value in document.items() if value}
