"""What the chart gives to Prometheus and Grafana: its files, filled in, and nothing about components that do not run."""

import json

import pytest

from tests.charts.test_rendering import MONITORING
from tests.observability.queries import DASHBOARD, RUNBOOKS, rules
from tests.servers.helm.commands import documents

RULES = {"prometheusRule": {"enabled": True, "runbooks": RUNBOOKS}}


def rendered_groups(helm, chart, values, **options):
    objects = documents(helm.render(chart, values={**RULES, **values}, api_versions=[MONITORING], **options))
    (rule,) = [each for each in objects if each["kind"] == "PrometheusRule"]
    return {group["name"]: group["rules"] for group in rule["spec"]["groups"]}


def test_rules_are_those_of_the_file_for_this_release(helm, chart):
    groups = rendered_groups(helm, chart, {}, release="acme", namespace="pki")

    expected = rules(namespace="pki", fullname="acme-chancery")["groups"]
    assert groups == {f"acme-chancery-{group['name']}": group["rules"] for group in expected}


def test_nobody_is_paged_for_what_is_not_installed(helm, chart):
    without = {"apiserver": {"enabled": False}, "injector": {"enabled": False}}

    assert rendered_groups(helm, chart, without).keys() == {"chancery-ca", "chancery-controller"}


def test_nobody_is_paged_for_what_the_chart_scrapes_not_while_it_scrapes_others(helm, chart):
    monitored = {"serviceMonitor": {"enabled": True}, "injector": {"serviceMonitor": {"enabled": False}}}

    assert rendered_groups(helm, chart, monitored).keys() == {
        "chancery-ca",
        "chancery-controller",
        "chancery-apiserver",
    }


@pytest.mark.parametrize("namespace", ["1984", "pki"])
def test_namespace_stays_text(helm, chart, namespace):
    groups = rendered_groups(helm, chart, {}, namespace=namespace)

    (leads,) = [rule for rule in groups["chancery-controller"] if rule["alert"] == "ChanceryNobodyLeads"]
    assert leads["labels"]["namespace"] == namespace


def test_link_to_the_runbook_needs_a_place(helm, chart):
    assert "runbooks" in helm.refusal(chart, {"prometheusRule": {"runbooks": ""}})


def rendered_dashboards(helm, chart, values):
    objects = documents(helm.render(chart, values={"grafanaDashboard": values}))
    return [each for each in objects if each["metadata"]["name"].endswith("-dashboard")]


def test_dashboard_is_the_file_as_it_is_under_the_label_of_the_sidecar(helm, chart):
    (dashboard,) = rendered_dashboards(
        helm, chart, {"enabled": True, "labels": {"boards": "yes"}, "annotations": {"grafana_folder": "PKI"}}
    )

    assert dashboard["kind"] == "ConfigMap"
    assert dashboard["metadata"]["labels"].items() >= {"grafana_dashboard": "1", "boards": "yes"}.items()
    assert dashboard["metadata"]["annotations"]["grafana_folder"] == "PKI"
    assert json.loads(dashboard["data"]["chancery.json"]) == json.loads(DASHBOARD.read_text())


def test_dashboard_is_not_made_unasked(helm, chart):
    assert rendered_dashboards(helm, chart, {}) == []
