"""`ca-cli injector`: what it refuses to start with, and the webhook configurations that it writes."""

import yaml

from kube.admission.webhooks import Webhooks


def test_every_fault_of_the_settings_is_told_before_anything_starts(lone_cli):
    outcome = lone_cli("injector", "--mode", "daemon", "--agent-memory-limit", "much")

    assert outcome.status == 7, outcome
    assert all(name in outcome.errors for name in ("image", "mode", "agent_memory_limit"))


def test_namespace_must_be_known(lone_cli):
    outcome = lone_cli("injector", "--image", "chancery")

    assert (outcome.status, "--namespace" in outcome.errors) == (7, True), outcome


def test_cluster_must_be_there_to_be_asked(lone_cli, tmp_path):
    (tmp_path / "kubeconfig").write_text("no kubeconfig")
    outcome = lone_cli(
        "injector", "--image", "chancery", "--namespace", "pki", "--kubeconfig", str(tmp_path / "kubeconfig")
    )

    assert (outcome.status, "kubeconfig" in outcome.errors) == (7, True), outcome


def test_webhook_configurations_are_written_for_kubectl(lone_cli):
    outcome = lone_cli("injector", "webhooks", "--namespace", "pki", "--service", "inject", "--port", "8443")

    assert outcome.status == 0, outcome
    expected = Webhooks(namespace="pki", service="inject", port=8443).documents()
    assert tuple(yaml.safe_load_all(outcome.output)) == expected


def test_namespace_of_the_webhooks_must_be_named(lone_cli):
    assert lone_cli("injector", "webhooks").status == 2
