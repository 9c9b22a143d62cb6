"""Alerts: about metrics that there are, linked to a runbook that there is, fit for Prometheus, and firing when they should."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observability.queries import RUNBOOKS, alerts, known, metrics_in, rules
from tests.servers.prometheus import promtool

ROOT = Path(__file__).parents[2]
CASES = yaml.safe_load((Path(__file__).parent / "alerts.test.yaml").read_text())["tests"]

each_alert = pytest.mark.parametrize(
    "alert", tuple(alerts()), ids=lambda alert: "-".join([alert["alert"], *alert["labels"].values()])
)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_alert
def test_every_metric_of_an_expression_is_documented(alert: Mapping[str, Any]) -> None:
    assert metrics_in(alert["expr"]) - known().keys() == set()
    assert metrics_in(alert["expr"]) or "up{" in alert["expr"]


@each_alert
def test_alert_says_how_bad_it_is_what_is_wrong_and_what_to_do(alert: Mapping[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")

    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert alert["annotations"]["summary"].endswith(".")
    assert page == RUNBOOKS
    assert anchor == alert["alert"].lower()
    assert anchor in anchors(ROOT / "docs" / "runbooks.md")


@each_alert
def test_alert_looks_at_one_release_only(alert: Mapping[str, Any]) -> None:
    selectors = re.findall(r"(?:\b\w+)\{([^}]*)\}", alert["expr"])

    assert selectors
    assert [one for one in selectors if 'namespace="pki"' not in one] == []


def test_what_ends_is_told_thirty_seven_and_one_day_before() -> None:
    for name in ("ChanceryAuthorityExpires", "ChanceryInjectedRootsExpire"):
        assert [one["labels"]["within"] for one in alerts() if one["alert"] == name] == ["30d", "7d", "1d"]


def test_no_two_rules_are_told_apart_by_nothing() -> None:
    keys = [(one["alert"], *sorted(one["labels"].items())) for one in alerts()]

    assert len(set(keys)) == len(keys)


def test_promtool_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))

    checked = promtool("check", "rules", "--lint-fatal", "rules.yaml", directory=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(list(alerts()))} rules found" in checked.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"].replace(" ", "-"))
def test_alert_fires_when_it_should_and_only_then(tmp_path: Path, case: Mapping[str, Any]) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    told = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": case.get("every", "1m"),
        "tests": [_expected_in_full(case)],
    }
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(told))

    tested = promtool("test", "rules", "case.yaml", directory=tmp_path)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_seen_to_fire() -> None:
    fired = {each["alertname"] for case in CASES for each in case["alert_rule_test"] if each.get("exp_alerts")}

    assert {one["alert"] for one in alerts()} - fired == set()


def _expected_in_full(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """A case names labels and summary of what it expects; the link follows from the alert's name."""
    tests = [
        {
            **each,
            "exp_alerts": [
                {
                    "exp_labels": one["labels"],
                    "exp_annotations": {
                        "summary": one["summary"],
                        "runbook_url": f"{RUNBOOKS}#{each['alertname'].lower()}",
                    },
                }
                for one in each.get("exp_alerts", ())
            ],
        }
        for each in case["alert_rule_test"]
    ]
    return {**{name: value for name, value in case.items() if name != "every"}, "alert_rule_test": tests}
