"""What is rendered for the cluster itself is what the servers expect there."""

import re
from pathlib import Path

import pytest
import yaml

from kube.admission.webhooks import Webhooks
from kube.signers.admission_policy import fault_of_policy
from kube.signers.manifests import ISSUERS, read_manifests
from scripts.document_chart import COPIES
from tests.servers.helm.commands import documents

ROOT = Path(__file__).parents[2]


def of_kind(rendered, kind):
    return {each["metadata"]["name"]: each for each in documents(rendered) if each["kind"] == kind}


@pytest.mark.parametrize(
    ("values", "webhooks"),
    [
        ({}, Webhooks(namespace="chancery")),
        (
            {"injector": {"settings": {"host_network": True}, "timeoutSeconds": 9, "excludeNamespaces": ["a", "b"]}},
            Webhooks(namespace="chancery", host_network=True, timeout_seconds=9, excluded_namespaces=("a", "b")),
        ),
        (
            {"injector": {"includeNamespaces": ["shop", "42"]}},
            Webhooks(namespace="chancery", included_namespaces=("shop", "42")),
        ),
        (
            {"injector": {"failurePolicy": {"pods": "Ignore", "namespaces": "Ignore"}}},
            Webhooks(namespace="chancery", failure_policy="Ignore"),
        ),
    ],
    ids=["default", "host network", "included", "ignore"],
)
def test_webhook_configurations_are_those_of_the_injector(helm, chart, values, webhooks):
    rendered = of_kind(helm.render(chart, values=values), "MutatingWebhookConfiguration")

    for wanted in webhooks.documents():
        found = rendered[wanted["metadata"]["name"]]
        assert found["webhooks"] == wanted["webhooks"]
        assert wanted["metadata"]["labels"].items() <= found["metadata"]["labels"].items()
    assert len(rendered) == 2


def test_every_configuration_has_one_entry(helm, chart):
    rendered = of_kind(helm.render(chart), "MutatingWebhookConfiguration")

    assert [len(each["webhooks"]) for each in rendered.values()] == [1, 1]


def test_controller_finds_its_admission_policy_whole(helm, chart):
    rendered = helm.render(chart)
    (policy,) = of_kind(rendered, "ValidatingAdmissionPolicy").values()
    (binding,) = of_kind(rendered, "ValidatingAdmissionPolicyBinding").values()

    assert fault_of_policy(policy, binding) == ""


@pytest.mark.parametrize("is_kept", [True, False])
def test_issuers_are_defined_and_kept_where_that_is_said(helm, chart, is_kept):
    values = {"controller": {"crds": {"keep": is_kept}}}
    rendered = of_kind(helm.render(chart, values=values), "CustomResourceDefinition")

    assert {name: each["spec"] for name, each in rendered.items()} == {
        each["metadata"]["name"]: each["spec"] for each in read_manifests(ISSUERS)
    }
    for each in rendered.values():
        assert each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == ("keep" if is_kept else None)


@pytest.mark.parametrize(("source", "copy"), COPIES.items(), ids=lambda path: path.name)
def test_files_of_the_chart_are_those_of_the_controller(source, copy):
    assert copy.read_bytes() == source.read_bytes(), "run: make docs"
    assert all(yaml.safe_load_all(copy.read_text()))


def test_injector_asks_for_the_name_of_its_service_and_no_other(helm, chart):
    injector = of_kind(helm.render(chart), "Deployment")["chancery-injector"]["spec"]["template"]["metadata"]

    assert injector["annotations"]["chancery.dev/dns"] == "chancery-injector.chancery.svc"
    assert "chancery.dev/inject" not in injector["labels"]


def test_nothing_of_the_chart_waits_for_its_own_webhook(helm, chart):
    for each in of_kind(helm.render(chart, namespace="own"), "MutatingWebhookConfiguration").values():
        (webhook,) = each["webhooks"]
        (elsewhere,) = webhook["namespaceSelector"]["matchExpressions"]
        assert elsewhere["operator"] == "NotIn"
        assert {"own", "kube-system"} <= set(elsewhere["values"])


def test_alerts_are_about_metrics_that_there_are(helm, chart):
    rendered = helm.render(
        chart, values={"prometheusRule": {"enabled": True}}, api_versions=["monitoring.coreos.com/v1"]
    )
    (rule,) = of_kind(rendered, "PrometheusRule").values()
    expressions = [each["expr"] for group in rule["spec"]["groups"] for each in group["rules"]]
    sources = "".join(
        path.read_text() for name in ("ca", "apiserver", "kube") for path in (ROOT / name).rglob("*metrics.py")
    )

    asked = {name.removesuffix("_total") for each in expressions for name in re.findall(r"chancery_\w+", each)}

    assert {name for name in asked if f'"{name}"' not in sources} == set()
    assert len(asked) >= 6
