"""What is rendered: the same octets each time and in both majors, with nothing in it that only a cluster may know."""

import re
from pathlib import Path

import pytest
import yaml

from tests.charts.conftest import CHART
from tests.servers.helm.commands import documents

SCENARIOS = sorted((CHART / "ci").glob("*-values.yaml"))
MONITORING = "monitoring.coreos.com/v1"
CLUSTER_KINDS = {
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
TEMPLATES = sorted(path for path in (CHART / "templates").rglob("*") if path.is_file())

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem.removesuffix("-values"))


def by_kind(objects: list[dict], kind: str) -> list[dict]:
    return [each for each in objects if each["kind"] == kind]


@each_scenario
def test_lint_finds_nothing(each_helm, chart, scenario):
    each_helm.run("lint", "--strict", str(chart), f"--values={scenario}")


@each_scenario
def test_two_renders_are_the_same_octets(each_helm, chart, scenario):
    first, second = (each_helm.render(chart, files=[scenario], api_versions=[MONITORING], anew=True) for _ in range(2))

    assert first == second


@each_scenario
def test_both_majors_render_the_same_objects(tmp_path, chart, scenario):
    from tests.charts.conftest import make_helm

    renders = [
        documents(make_helm(major, tmp_path).render(chart, files=[scenario], api_versions=[MONITORING]))
        for major in (3, 4)
    ]

    assert sorted(map(str, renders[0])) == sorted(map(str, renders[1]))


@each_scenario
def test_no_key_and_no_bundle_is_rendered(helm, chart, scenario):
    rendered = helm.render(chart, files=[scenario], api_versions=[MONITORING])

    assert not re.search(r"caBundle:|BEGIN [A-Z ]+|insecureSkip", rendered)
    assert by_kind(documents(rendered), "Secret") == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_looks_up_makes_up_or_hooks_in(template):
    words = r"\b(lookup|rand\w+|uuidv4|gen(CA|PrivateKey|SelfSignedCert|SignedCert)\w*|now|derivePassword|htpasswd|bcrypt)\b"

    assert re.findall(rf"\{{\{{[^}}]*{words}", template.read_text()) == []
    assert set(re.findall(r'"helm.sh/hook" "?([\w-]+)', template.read_text())) <= {"test"}
    assert "helm.sh/hook" not in template.read_text() or template.parent.name == "tests"


@each_scenario
def test_names_of_objects_are_unique_and_fit(helm, chart, scenario):
    objects = documents(helm.render(chart, release="a" * 53, files=[scenario], api_versions=[MONITORING]))
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]

    assert len(set(keys)) == len(keys)
    assert [
        name for kind, _, name in keys if kind not in {"ClusterRole", "ClusterRoleBinding"} and len(name) > 63
    ] == []


@each_scenario
def test_every_namespaced_object_says_its_namespace(helm, chart, scenario):
    objects = documents(helm.render(chart, namespace="1984", files=[scenario], api_versions=[MONITORING]))
    without = {each["kind"] for each in objects if "namespace" not in each["metadata"]}

    assert without <= CLUSTER_KINDS
    assert {each["metadata"].get("namespace") for each in objects} <= {
        "1984",
        "kube-system",
        "shop",
        "42",
        "monitoring",
        None,
    }


@each_scenario
def test_every_value_that_must_be_text_is_text(helm, chart, scenario):
    """A name that looks like a number is not taken for one."""
    for each in documents(helm.render(chart, release="c2026", namespace="1984", files=[scenario])):
        metadata = each["metadata"]
        texts = [metadata["name"], metadata.get("namespace", ""), *metadata["labels"].values()]
        texts += metadata.get("annotations", {}).values()
        assert [text for text in texts if not isinstance(text, str)] == []


def test_selectors_do_not_change_with_version_or_labels(helm, chart, tmp_path):
    newer = tmp_path / "chancery"
    copy_tree(chart, newer)
    (newer / "Chart.yaml").write_text((chart / "Chart.yaml").read_text().replace("0.1.0", "0.2.0"))
    changed = {"additionalLabels": {"a": "b"}, "image": {"tag": "other"}}

    immutable = [
        [
            (each["spec"]["selector"], each["spec"].get("serviceName"), each["spec"].get("volumeClaimTemplates"))
            for each in by_kind(documents(rendered), "StatefulSet")
        ]
        for rendered in (helm.render(chart), helm.render(newer, values=changed))
    ]

    assert len(immutable[0]) == 2
    assert immutable[0] == immutable[1]


@pytest.mark.parametrize("api_versions", [(), (MONITORING,)], ids=["unknown", "known"])
def test_monitoring_is_rendered_where_the_cluster_knows_it(helm, chart, api_versions):
    enabled = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    objects = documents(helm.render(chart, values=enabled, api_versions=api_versions))

    kinds = [each["kind"] for each in objects if each["apiVersion"] == MONITORING]

    assert sorted(kinds) == (["PrometheusRule", *["ServiceMonitor"] * 4] if api_versions else [])


def test_api_services_say_nothing_of_trust_and_are_marked_for_injection(helm, chart):
    services = by_kind(documents(helm.render(chart)), "APIService")

    assert {each["metadata"]["name"] for each in services} == {
        "v1alpha1.openreports.io",
        "v1alpha1.prext.demo",
        "v1alpha2.wgpolicyk8s.io",
    }
    for each in services:
        assert not {"caBundle", "insecureSkipTLSVerify"} & each["spec"].keys()
        assert each["metadata"]["labels"]["chancery.dev/inject"] == "true"
        assert each["spec"]["service"] == {"namespace": "chancery", "name": "chancery-apiserver", "port": 443}


def test_what_is_said_for_all_objects_is_on_all_objects(helm, chart):
    said = {"additionalLabels": {"team": "platform"}, "additionalAnnotations": {"example.com/owner": "platform"}}

    for each in documents(helm.render(chart, values=said)):
        assert each["metadata"]["labels"]["team"] == "platform"
        assert each["metadata"]["annotations"]["example.com/owner"] == "platform"


def test_labels_of_the_chart_win_over_those_of_the_user(helm, chart):
    said = {
        "additionalLabels": {"app.kubernetes.io/name": "other"},
        "ca": {"podLabels": {"app.kubernetes.io/component": "x"}},
    }
    (workload,) = [
        each
        for each in by_kind(documents(helm.render(chart, values=said)), "StatefulSet")
        if "-ca" in each["metadata"]["name"]
    ]

    assert (
        workload["spec"]["selector"]["matchLabels"].items()
        <= workload["spec"]["template"]["metadata"]["labels"].items()
    )


def test_a_parent_chart_may_take_it_in(helm, chart, tmp_path):
    """With a condition and values for all of its parts, which the closed schema lets be."""
    parent = tmp_path / "parent"
    copy_tree(chart, parent / "charts" / "chancery")
    dependency = {"name": "chancery", "version": "0.1.0", "condition": "chancery.enabled"}
    about = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
    values = {"global": {"of": {"the": "parent"}}, "chancery": {"trustDomain": "parent.example"}}

    taken = documents(helm.render(parent, values=values))
    left = documents(helm.render(parent, values={"chancery": {"enabled": False}}))

    assert "parent.example" in str(taken)
    assert left == []


@pytest.mark.parametrize(("version", "is_taken"), [("v1.29.9", False), ("v1.30.0", True), ("v1.33.1-gke.5", True)])
def test_clusters_are_taken_from_1_30_on(each_helm, chart, version, is_taken):
    done = each_helm.run("template", "chancery", str(chart), f"--kube-version={version}", check=False)

    assert (done.returncode == 0) is is_taken
    assert is_taken or "kubeVersion: >=1.30.0-0" in done.stderr


def copy_tree(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


def test_scenarios_differ_in_what_they_try():
    assert len({yaml.safe_dump(yaml.safe_load(path.read_text())) for path in SCENARIOS}) == len(SCENARIOS) >= 6
