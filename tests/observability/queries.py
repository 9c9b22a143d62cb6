"""What the chart asks Prometheus: rules of alerts and panels of the dashboard, as they are without Helm."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scripts.document_metrics import documented

CHART = Path(__file__).parents[2] / "charts" / "chancery"
ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
RUNBOOKS = "https://docs.example/runbooks.md"
_OURS = re.compile(r"\b(?:chancery|apiserver|authentication|authenticated|authorization|process)_\w+")
_OF_PROMETHEUS = {"process", "up", "apiserver"}


def rules(namespace: str = "pki", fullname: str = "chancery") -> Mapping[str, Any]:
    """As the chart fills them in."""
    text = ALERTS.read_text()
    for name, value in {"$NAMESPACE": namespace, "$FULLNAME": fullname, "$RUNBOOKS": RUNBOOKS}.items():
        text = text.replace(name, value)
    return yaml.safe_load(text)


def alerts() -> Iterator[Mapping[str, Any]]:
    for group in rules()["groups"]:
        yield from group["rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    panel: str
    expression: str


def panels() -> Sequence[Mapping[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """With Grafana's variables as somebody might have chosen them."""
    chosen = {"$namespace": "pki", "$__rate_interval": "1m"}
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in chosen.items():
                expression = expression.replace(name, value)
            yield Query(panel=panel["title"], expression=expression)


def metrics_in(expression: str) -> frozenset[str]:
    """Names of ours, without what is quoted; series of a histogram by the histogram's name."""
    bare = re.sub(r'"[^"]*"', "", expression)
    return frozenset(_family(name) for name in _OURS.findall(bare)) - _OF_PROMETHEUS


@cache
def known() -> Mapping[str, str]:
    """Type by name of every documented metric."""
    return {one.name: one.kind for metrics in documented().values() for one in metrics}


def _family(series: str) -> str:
    family = re.sub(r"_(bucket|sum|count)$", "", series)
    return family if known().get(family) == "histogram" else series
