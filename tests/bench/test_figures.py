import json
from pathlib import Path

import pytest

from bench import crypto, endtoend, store
from bench.figures import Figure, Finding, Skipped, Verdict, render, write_json
from bench.shares import shares


def figure(value: float, **given: object) -> Figure:
    return Figure(**{"section": "section", "name": "name", "value": value, "unit": "S", **given})  # type: ignore[arg-type]  # as given


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (figure(2.0), Verdict.NONE),
        (figure(2.0, goal=1, budget=2.0), Verdict.WITHIN),
        (figure(2.1, goal=1, budget=2.0), Verdict.OVER),
        (figure(2.0, goal=1, budget=2.0, at_least=True), Verdict.WITHIN),
        (figure(1.9, goal=1, budget=2.0, at_least=True), Verdict.OVER),
    ],
)
def test_a_figure_is_judged_by_its_budget_and_the_budgets_direction(given, verdict):
    assert given.verdict == verdict


def test_the_table_names_each_section_once_and_shows_what_was_skipped():
    findings: list[Finding] = [figure(1.0), figure(1234.5), Skipped(section="other", name="Go", reason="no toolchain")]

    text = render(findings)

    assert text.count("section") == 1
    assert "1,234" in text
    assert "skipped no toolchain" in text


def test_the_document_holds_every_finding_and_its_verdict(tmp_path: Path):
    write_json(tmp_path / "results" / "one.json", {"quick": True}, [figure(2.1, goal=1, budget=2.0)])

    document = json.loads((tmp_path / "results" / "one.json").read_text())

    assert document["environment"] == {"quick": True}
    assert document["findings"][0]["verdict"] == "OVER"


def test_shares_add_up_to_the_whole():
    values = {
        crypto.VERIFY: 3.0,
        crypto.ALL_STEPS: 2.0,
        crypto.PREPARED: 10.0,
        store.JUDGED: 2.0,
        endtoend.BARE_CALL: 6.0,
        endtoend.SIGNING: 5.0,
    }

    compared = figure(3.1, name=endtoend.BARE_CALL, unit="x Go")

    parts = list(shares([*(figure(value, name=name) for name, value in values.items()), compared]))

    assert sum(part.value for part in parts) == pytest.approx(100)
    assert parts[0].value == pytest.approx(20)


def test_there_are_no_shares_of_what_was_not_measured():
    assert list(shares([figure(3.0, name=crypto.VERIFY)])) == []
