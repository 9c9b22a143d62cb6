"""`kubectl chancery status`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.kubectl.errand import Errand
from cli.kubectl.forwarding import authority_options
from cli.kubectl.table import COMMANDS
from cli.kubectl.workstation import Workstation
from cli.output import Document, OutputFormat, output_choice, write_document

if TYPE_CHECKING:
    from cli.kubectl.cluster_side import Line


@click.command(
    "status",
    short_help=COMMANDS["status"].summary,
    epilog="""\b
Examples:
  kubectl chancery status
  kubectl chancery status --namespace chancery --output json
  kubectl chancery status --no-cluster""",
)
@click.option(
    "--cluster/--no-cluster",
    "beside",
    default=True,
    show_default=True,
    help="Show the cluster's side, too: workloads, leader, APIServices, webhooks and their caBundles.",
)
@output_choice("table", "plain", "json", "yaml", piped=OutputFormat.JSON)
@authority_options
def command(workstation: Workstation, selector: str, beside: bool, output: OutputFormat) -> int:
    """Show how the authority stands: issuers, certificates, what expires next; and its cluster's side, as far as you may see it.

    The status is that of the authority's own word; `ca-cli doctor --cluster` is for what is wrong in the cluster, and what to do.
    """
    from kube.errors import KubeError

    errand = Errand(workstation, selector)
    namespace = errand.namespace
    authority, status, failure = None, 0, None
    is_document = output in {OutputFormat.JSON, OutputFormat.YAML}
    try:
        if is_document:
            status, authority = errand.ask(["status"], [])
        else:
            status = errand.run(["status"], ["--output=plain"])
    except KubeError as err:
        failure = err
    lines = _look(errand, namespace) if beside else ()
    if is_document:
        write_document(_document(authority, lines if beside else None), output)
    elif beside:
        _show(lines, output)
    if failure is not None:
        raise failure
    return status


def _look(errand: Errand, namespace: str) -> "Sequence[Line]":
    from cli.kubectl.cluster_side import look

    return look(errand.reach.cluster, namespace)


def _document(authority: Document, lines: "Sequence[Line] | None") -> Document:
    from cli.kubectl.cluster_side import document_of

    document: dict[str, Document] = {"authority": authority}
    return document if lines is None else {**document, "cluster": [document_of(one) for one in lines]}


def _show(lines: "Sequence[Line]", output: OutputFormat) -> None:
    from cli.kubectl.cluster_side import listing

    click.echo()
    listing(ambient.clock()).show(lines, output)
