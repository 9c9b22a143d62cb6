"""`kubectl chancery reports`."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from cli.kubectl.table import COMMANDS
from cli.kubectl.workstation import Reach, Workstation, path_of, workstation_options
from cli.output import Column, Document, Listing, OutputFormat, notice, output_choice

if TYPE_CHECKING:
    from cli.kubectl.report_counts import Counts, ReportKind
    from cli.kubectl.report_watch import Followed
    from kube.listing import Listed

_PAGE = 50
_KINDS = ("policy", "cluster-policy", "vulnerability", "trivy")


@click.command(
    "reports",
    short_help=COMMANDS["reports"].summary,
    epilog="""\b
Examples:
  kubectl chancery reports
  kubectl chancery reports --all-namespaces --totals
  kubectl chancery reports --all-namespaces --kind vulnerability --output json
  kubectl chancery reports --namespace shop --watch""",
)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option(
    "-k",
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="Reports of this kind alone; may be given again.",
)
@click.option("--totals", is_flag=True, help="One line for each kind and namespace.")
@click.option("-w", "--watch", is_flag=True, help="Show reports as they are written, after those that there are.")
@output_choice(piped=OutputFormat.JSON)
@workstation_options
def command(
    workstation: Workstation, everywhere: bool, kinds: tuple[str, ...], totals: bool, watch: bool, output: OutputFormat
) -> None:
    """Count policy reports by result and severity, and vulnerability summaries by severity, one report to a line.

    They are read from the cluster's API as you; the authority is not asked. Severities are of what did not pass.
    """
    from cli.kubectl import report_counts

    if everywhere and workstation.namespace:
        raise click.UsageError("--all-namespaces and --namespace contradict each other")
    if watch and totals:
        raise click.UsageError("--totals are of what there is; leave out --watch")
    reach = workstation.open()
    namespace = None if everywhere else reach.namespace or reach.own_namespace
    counted, followed = _gather(
        reach, namespace, [one for one in report_counts.KINDS if not kinds or one.name in kinds]
    )
    where = f"namespace {namespace}" if namespace else "any namespace"
    listing = _listing()
    if watch:
        _watch(reach, counted, followed, listing, output)
        return
    listing.show(report_counts.totals(counted) if totals else counted, output, empty=f"no reports in {where}")


def _gather(
    reach: Reach, namespace: str | None, kinds: "Sequence[ReportKind]"
) -> "tuple[Sequence[Counts], Sequence[Followed]]":
    """Kinds of the whole cluster only where all namespaces are asked for. Raises NotThere where no kind is served."""
    from cli.kubectl.report_watch import Followed
    from kube.discovery import first_served
    from kube.errors import NotThere

    counted: list[Counts] = []
    followed: list[Followed] = []
    is_served = False
    for kind in kinds:
        resource = first_served(reach.cluster, kind.resources)
        is_served |= resource is not None
        if resource is None or (namespace and not resource.namespaced):
            continue
        path = path_of(resource, namespace)
        listed = _list(reach, path)
        counted += map(kind.counts, listed.objects)
        followed.append(
            Followed(
                kind=kind,
                path=path,
                query={},
                resource_version=listed.resource_version,
                again=partial(_version, reach, path),
            )
        )
    if not is_served:
        raise NotThere(
            "the cluster serves no reports of that kind: its storage API server is not installed, or has no such kind"
        )
    counted.sort(key=lambda one: (one.kind, one.namespace, one.name))
    return counted, followed


def _list(reach: Reach, path: str) -> "Listed":
    """Of a report, which may be large, no more is kept than its counts need."""
    from cli.kubectl.report_counts import reduced
    from kube.listing import list_objects

    return list_objects(reach.cluster, path, {}, reduced, page=_PAGE)


def _version(reach: Reach, path: str) -> str:
    return _list(reach, path).resource_version


def _watch(
    reach: Reach,
    counted: "Sequence[Counts]",
    followed: "Sequence[Followed]",
    listing: "Listing[Counts]",
    output: OutputFormat,
) -> None:
    from cli.kubectl.report_watch import follow

    for one in counted:
        listing.show_one(one, output)
    for change in follow(reach.cluster, followed):
        if change.what == "DELETED":
            notice(f"deleted: {change.counts.kind} {change.counts.namespace} {change.counts.name}")
        else:
            listing.show_one(change.counts, output)


def _listing() -> "Listing[Counts]":
    from cli.kubectl.report_counts import RESULTS, SEVERITIES

    def column(name: str, part: str) -> "Column[Counts]":
        def value(one: "Counts") -> str:
            counted = getattr(one, part)
            return str(counted[name]) if name in counted else ""

        return Column(title=name.upper(), value=value, whole=True)

    return Listing(
        columns=(
            Column(title="KIND", value=lambda one: one.kind),
            Column(title="NAMESPACE", value=lambda one: one.namespace),
            Column(title="NAME", value=lambda one: one.name),
            Column(title="SUBJECT", value=lambda one: one.subject),
            *(column(name, "results") for name in RESULTS),
            *(column(name, "severities") for name in SEVERITIES),
        ),
        document=_document,
        name=lambda one: one.name,
    )


def _document(one: "Counts") -> Document:
    document: dict[str, Document] = {
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "subject": one.subject,
    }
    shown = {name: value for name, value in document.items() if value}
    return {**shown, "results": dict(one.results), "severities": dict(one.severities)}
