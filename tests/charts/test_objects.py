"""A real API server takes every object that is rendered, and every pod in a namespace held to the restricted standard."""

import itertools

import pytest

from tests.charts.test_rendering import MONITORING, each_scenario
from tests.servers.helm.commands import documents
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
_numbers = itertools.count()


@pytest.fixture
def namespace(control_plane) -> str:
    name = f"chart-objects-{next(_numbers)}"
    control_plane.kubectl(
        "create",
        "-f",
        "-",
        document={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}},
    )
    return name


def dry_run(control_plane, objects):
    """Creates them, to the point of being stored: defaults, validation and admission are those of the cluster."""
    whole = {"apiVersion": "v1", "kind": "List", "items": objects}
    return control_plane.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-", document=whole
    )


@each_scenario
def test_every_object_is_taken(helm, chart, control_plane, namespace, scenario):
    rendered = documents(helm.render(chart, namespace=namespace, files=[scenario], api_versions=[MONITORING]))
    known = [each for each in rendered if each["apiVersion"] != MONITORING]
    for name in {each["metadata"]["namespace"] for each in known if "namespace" in each["metadata"]} - {namespace}:
        control_plane.kubectl("create", "namespace", name, check=False)  # those that the scenario counts on

    created = dry_run(control_plane, known)

    assert len(created.stdout.splitlines()) == len(known) > 8
    unwanted = [line for line in created.stderr.splitlines() if "hostNetwork=true" not in line]
    assert unwanted == []


def test_kinds_of_prometheus_are_not_tried(helm, chart, control_plane):
    if control_plane.admin.get(f"/apis/{MONITORING}").status == 404:
        pytest.skip(
            "the API server knows no monitoring.coreos.com/v1: ServiceMonitor and PrometheusRule are rendered, not validated"
        )


@each_scenario
def test_every_pod_is_taken_where_pods_are_restricted(helm, chart, control_plane, namespace, scenario):
    rendered = documents(helm.render(chart, namespace=namespace, files=[scenario]))
    workloads = [each for each in rendered if each["kind"] in {"StatefulSet", "Deployment"}]
    accounts = [each for each in rendered if each["kind"] == "ServiceAccount"]
    control_plane.kubectl("create", "-f", "-", document={"apiVersion": "v1", "kind": "List", "items": accounts})
    pods = [pod_of(workload) for workload in workloads if not workload["spec"]["template"]["spec"].get("hostNetwork")]

    created = dry_run(control_plane, pods)

    assert "would violate PodSecurity" not in created.stderr
    assert pods


def pod_of(workload):
    """As its controller would make it: with the volume of the claim."""
    template, name = workload["spec"]["template"], workload["metadata"]["name"]
    claims = workload["spec"].get("volumeClaimTemplates", [])
    volumes = [
        {
            "name": claim["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": f"{claim['metadata']['name']}-{name}-0"},
        }
        for claim in claims
    ]
    metadata = {**template["metadata"], "name": f"{name}-0", "namespace": workload["metadata"]["namespace"]}
    spec = {**template["spec"], "volumes": template["spec"]["volumes"] + volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
