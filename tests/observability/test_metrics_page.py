"""docs/metrics.md holds every metric that any process shows, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.document_metrics import EVERY_PROCESS, PAGE, PROCESSES, documented, with_metrics
from tests.observability.monitored import Monitored

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "apiserver", "ca", "certs", "cli", "kube", "serving", "store")
MAKERS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "counters", "bare_counters", "gauges", "histograms"}
pytestmark = pytest.mark.xdist_group("observability")


def test_tables_match_the_programs() -> None:
    page = PAGE.read_text()

    assert with_metrics(page) == page, "run: make docs"


@pytest.mark.parametrize("process", PROCESSES)
def test_process_shows_what_the_page_says_and_nothing_else(processes: Monitored, process: str) -> None:
    page = documented()
    expected = {one.name: "untyped" if one.kind == "unknown" else one.kind for one in page[process]}

    shown = processes.targets[process].metrics()

    everywhere = {one.name for one in page[EVERY_PROCESS]}
    assert {name: kind for name, kind in shown.items() if name not in everywhere} == expected
    assert everywhere <= shown.keys()


def test_every_metric_that_is_made_anywhere_is_on_the_page() -> None:
    """Also what a process registers only with some settings."""
    names = {one.name.removesuffix("_total") for metrics in documented().values() for one in metrics}

    assert set(made_in_the_sources()) - names == set()
    assert len(set(made_in_the_sources())) > 50


def made_in_the_sources() -> Iterator[str]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _called(node) in MAKERS:
                    yield from (
                        one.value
                        for one in node.args[:2]
                        if isinstance(one, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", str(one.value))
                    )


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


@pytest.mark.parametrize("process", PROCESSES)
def test_names_say_whose_they_are(process: str) -> None:
    ours = re.compile(r"chancery_(ca|apiserver|kube|injector)_|apiserver_|authentic|authorization_")

    assert [one.name for one in documented()[process] if not ours.match(one.name)] == []


def test_every_label_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \| [^|]*[a-z][^|]* \|$", PAGE.read_text(), re.MULTILINE))

    assert {label for metrics in documented().values() for one in metrics for label in one.labels} - explained == set()


def test_page_without_markers_is_a_fault() -> None:
    with pytest.raises(ValueError, match="the page needs the lines"):
        with_metrics("# Metrics")
