"""docs/runbooks.md has a section for each cause and each alert, and every link to it leads to one."""

import re
from pathlib import Path

import pytest

from kube.diagnosis.findings import RUNBOOKS, Cause

ROOT = Path(__file__).parents[3]
PAGE = ROOT / RUNBOOKS
ALERTS = re.compile(r"^\s*- alert: (\w+)$", re.MULTILINE)


def anchors(page: Path) -> list[str]:
    """As GitHub makes them; code is no heading."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def alerts() -> set[str]:
    chart = ROOT / "charts" / "chancery"
    return {name for path in chart.rglob("*.yaml") for name in ALERTS.findall(path.read_text())}


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_its_section(cause):
    assert cause in anchors(PAGE)


def test_every_alert_has_its_section():
    found = alerts()

    assert len(found) > 3
    assert {name.lower() for name in found} - set(anchors(PAGE)) == set()


def test_no_two_sections_have_the_same_anchor():
    found = anchors(PAGE)

    assert len(found) == len(set(found))


@pytest.mark.parametrize("page", ["runbooks.md", "doctor.md"])
def test_links_of_the_pages_lead_somewhere(page):
    source = ROOT / "docs" / page
    for target in re.findall(r"\]\(([^)\s]+)\)", source.read_text()):
        path, _, anchor = target.partition("#")
        linked = (source.parent / path).resolve() if path else source
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_link_to_a_runbook_has_its_section():
    links = re.compile(r"runbooks\.md#([\w-]+)")
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "charts").rglob("*.*"), ROOT / "README.md"]
    found = {anchor for page in pages if page.is_file() for anchor in links.findall(page.read_text())}

    assert found
    assert found - set(anchors(PAGE)) == set()
