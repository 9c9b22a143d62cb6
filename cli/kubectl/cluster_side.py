"""How the cluster's side of an authority stands, as the doctor sees it through the API server alone.

- Nothing is dialled from a workstation, where an address of the cluster may be somebody else's; no webhook is tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cli import ambient
from cli.output import Column, Document, Listing
from cli.text import instant, relative

if TYPE_CHECKING:
    from kube.cluster import Cluster
    from kube.diagnosis.doctor import Examined
    from kube.diagnosis.reaching import Missed

_LOOKS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`roots_not_after` is of a caBundle, `not_after` of a certificate that nobody calls."""

    target: str
    state: str
    summary: str
    hint: str = ""
    not_after: datetime | None = None
    roots_not_after: datetime | None = None


def look(cluster: "Cluster", namespace: str) -> Sequence[Line]:
    """Never raises what the cluster says: it is told in a line."""
    from kube.diagnosis.doctor import ClusterDoctor

    doctor = ClusterDoctor(cluster=cluster, clock=ambient.clock, namespace=namespace, tries=False, dial=_not_dialled)
    return [line for examined in doctor.examine() for line in _lines(examined)]


def listing(now: datetime) -> Listing[Line]:
    def when(value: datetime | None) -> str:
        return relative(value, now) if value else ""

    return Listing(
        columns=(
            Column(title="TARGET", value=lambda one: one.target),
            Column(title="STATE", value=lambda one: one.state, style=lambda one: _LOOKS[one.state], whole=True),
            Column(title="EXPIRES", value=lambda one: when(one.not_after), whole=True),
            Column(title="ROOTS EXPIRE", value=lambda one: when(one.roots_not_after), whole=True),
            Column(title="FOUND", value=lambda one: one.summary),
        ),
        document=document_of,
        name=lambda one: one.target,
    )


def document_of(line: Line) -> Document:
    document: dict[str, Document] = {
        "target": line.target,
        "state": line.state,
        "found": line.summary,
        "advice": line.hint,
        "not_after_time": instant(line.not_after),
        "roots_not_after_time": instant(line.roots_not_after),
    }
    return {name: value for name, value in document.items() if value}


def _lines(examined: "Examined") -> Sequence[Line]:
    from kube.diagnosis.bundles import Bundle

    observation = examined.observation
    roots = Bundle.from_base64(observation.target.ca_bundle).not_after if observation is not None else None
    return [
        Line(
            target=one.target,
            state=one.severity.value,
            summary=one.summary,
            hint=one.hint,
            not_after=one.ends,
            roots_not_after=roots,
        )
        for one in examined.findings
    ]


def _not_dialled(_host: str, _port: int, _server_name: str) -> "Missed":
    from kube.diagnosis.reaching import Miss, Missed

    return Missed(miss=Miss.SILENT, detail="not tried from here")
