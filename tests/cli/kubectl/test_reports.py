"""`kubectl chancery reports`: counted right, in pages, over namespaces, while they are written, whatever a report holds."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.kubectl.main import PROGRAM, make_plugin
from cli.kubectl.report_counts import KINDS, SEVERITIES, Counts, ReportKind, reduced, totals
from cli.main import run
from tests.kube.api_server import FakeCluster, fake_cluster

POLICY, CLUSTER_POLICY, VULNERABILITY, TRIVY = KINDS
REPORTS = "/apis/wgpolicyk8s.io/v1alpha2"
SUMMARIES = "/apis/spdx.softwarecomposition.kubescape.io/v1beta1"
FIELDS = st.sampled_from(
    (
        "results",
        "summary",
        "result",
        "severity",
        "spec",
        "severities",
        "all",
        "critical",
        "report",
        "scope",
        "criticalCount",
    )
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=20,
)


def result(outcome: str, severity: str = "") -> dict[str, str]:
    return {"policy": "p", "result": outcome, **({"severity": severity} if severity else {})}


def counts(kind: ReportKind, **document: Any) -> Counts:
    return kind.counts(reduced(document))


def test_results_are_counted_where_there_is_no_summary() -> None:
    found = counts(POLICY, results=[result("pass"), result("fail", "high"), result("fail", "critical"), result("warn")])

    assert found.results == {"pass": 1, "fail": 2, "warn": 1, "error": 0, "skip": 0}
    assert {name: value for name, value in found.severities.items() if value} == {
        "critical": 1,
        "high": 1,
        "unknown": 1,
    }


def test_summary_is_believed_and_what_passed_has_no_severity() -> None:
    found = counts(POLICY, summary={"pass": 40, "fail": 2}, results=[result("pass", "critical"), result("fail", "low")])

    assert found.results["pass"] == 40
    assert found.results["fail"] == 2
    assert found.severities["critical"] == 0
    assert found.severities["low"] == 1


def test_summaries_of_vulnerabilities_are_read_in_both_forms() -> None:
    kubescape = {"severities": {"critical": {"all": 3, "relevant": 1}, "negligible": {"all": 5}}}
    trivy = {"summary": {"criticalCount": 2, "noneCount": 4, "highCount": "7", "lowCount": -1}}

    assert counts(VULNERABILITY, spec=kubescape).severities | {} == dict.fromkeys(SEVERITIES, 0) | {
        "critical": 3,
        "info": 5,
    }
    assert counts(TRIVY, report=trivy).severities == dict.fromkeys(SEVERITIES, 0) | {"critical": 2, "info": 4}


@given(st.dictionaries(st.sampled_from(["results", "summary", "spec", "report", "scope", "metadata"]), JSON_VALUES))
def test_whatever_a_report_holds_it_counts_for_something_or_nothing(document: dict[str, Any]) -> None:
    for kind in KINDS:
        found = kind.counts(reduced(document))

        assert all(value >= 0 for value in (*found.results.values(), *found.severities.values()))


def test_totals_are_of_a_kind_in_a_namespace() -> None:
    one = counts(POLICY, metadata={"namespace": "shop", "name": "a"}, results=[result("fail", "high")])

    (total,) = totals([one, one])

    assert (total.kind, total.results["fail"], total.severities["high"], total.name) == ("policy", 2, 2, "2")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path) as running:
        running.kinds["wgpolicyk8s.io/v1alpha2/policyreports"] = "PolicyReport"
        running.kinds["wgpolicyk8s.io/v1alpha2/clusterpolicyreports"] = "ClusterPolicyReport"
        running.kinds["spdx.softwarecomposition.kubescape.io/v1beta1/vulnerabilitymanifestsummaries"] = "Summary"
        yield running


def printed(storage: FakeCluster, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    status = run(["reports", "--kubeconfig", str(storage.kubeconfig), *words], program=PROGRAM, tree=make_plugin)
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out) if "plain" not in words else captured.out


def test_reports_of_a_namespace_and_of_all(storage: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    storage.put(
        f"{REPORTS}/namespaces/shop/policyreports/web",
        results=[result("fail", "high")],
        scope={"kind": "Pod", "name": "web-0"},
    )
    storage.put(f"{REPORTS}/namespaces/other/policyreports/a", summary={"pass": 1})
    storage.put(f"{REPORTS}/clusterpolicyreports/nodes", summary={"warn": 2})
    storage.put(
        f"{SUMMARIES}/namespaces/shop/vulnerabilitymanifestsummaries/web", spec={"severities": {"high": {"all": 9}}}
    )

    shop = printed(storage, capsys, "--namespace", "shop")
    everywhere = printed(storage, capsys, "-A")
    alone = printed(storage, capsys, "-A", "--kind", "vulnerability", "--output", "plain")

    assert [(one["kind"], one["name"]) for one in shop] == [("policy", "web"), ("vulnerability", "web")]
    assert shop[0]["subject"] == "Pod/web-0"
    assert shop[0]["severities"]["high"] == 1
    assert [one["kind"] for one in everywhere] == ["cluster-policy", "policy", "policy", "vulnerability"]
    assert alone.splitlines()[1].split()[:3] == ["vulnerability", "shop", "web"]


def test_many_reports_come_in_pages(storage: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(120):
        storage.put(f"{REPORTS}/namespaces/shop/policyreports/r{number}", results=[result("fail", "low")])

    (total,) = printed(storage, capsys, "-A", "--totals", "--kind", "policy")

    assert (total["name"], total["results"]["fail"], total["severities"]["low"]) == ("120", 120, 120)
    pages = [one for one in storage.requests("GET", f"{REPORTS}/policyreports") if "limit" in one.query]
    assert len(pages) == 3


def test_where_no_such_kind_is_served_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_cluster(tmp_path) as bare:
        status = run(["reports", "--kubeconfig", str(bare.kubeconfig)], program=PROGRAM, tree=make_plugin)

    assert status == 3
    assert "the cluster serves no reports of that kind" in capsys.readouterr().err


def test_options_that_contradict_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["-A", "-n", "shop"], ["--watch", "--totals"]):
        assert run(["reports", *words], program=PROGRAM, tree=make_plugin) == 2
        assert "hint: see: kubectl chancery reports --help" in capsys.readouterr().err


def test_watch_shows_what_there_is_and_what_comes_over_a_broken_watch(storage: FakeCluster) -> None:
    storage.put(f"{REPORTS}/namespaces/shop/policyreports/first", summary={"pass": 1})
    script = "from cli.kubectl.main import main; main()"
    words = ["reports", "-A", "--watch", "--kubeconfig", str(storage.kubeconfig)]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        names = [json.loads(process.stdout.readline())["name"]]
        storage.put(f"{REPORTS}/namespaces/shop/policyreports/second", summary={"fail": 1})
        names.append(json.loads(process.stdout.readline())["name"])
        storage.hang_up()
        storage.put(f"{SUMMARIES}/namespaces/shop/vulnerabilitymanifestsummaries/third", spec={})
        names.append(json.loads(process.stdout.readline())["name"])
    finally:
        process.kill()
        process.communicate()

    assert names == ["first", "second", "third"]
