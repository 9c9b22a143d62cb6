"""Pods with as little as they need: of rights, of the node, of files that can be written."""

import pytest

from tests.charts.test_rendering import each_scenario
from tests.servers.helm.commands import documents


def pods(rendered):
    for each in documents(rendered):
        if each["kind"] in {"StatefulSet", "Deployment"}:
            yield each["spec"]["template"]["spec"]


def containers(rendered):
    for pod in pods(rendered):
        yield from pod["containers"]
        yield from pod.get("initContainers", [])


def workload(rendered, name):
    return next(
        each
        for each in documents(rendered)
        if each["kind"] in {"StatefulSet", "Deployment"} and each["metadata"]["name"] == name
    )


@each_scenario
def test_mended_template_replaces_a_pod_that_never_became_ready(helm, chart, scenario):
    for each in documents(helm.render(chart, files=[scenario])):
        if each["kind"] == "StatefulSet":
            assert each["spec"]["podManagementPolicy"] == "Parallel"


@each_scenario
def test_no_pod_has_a_token_that_it_was_not_given(helm, chart, scenario):
    for pod in pods(helm.render(chart, files=[scenario])):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["serviceAccountName"] != "default"


@each_scenario
def test_only_who_speaks_to_the_cluster_mounts_its_token(helm, chart, scenario):
    mounting = {
        container["name"]
        for container in containers(helm.render(chart, files=[scenario]))
        if any("kubernetes.io/serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"])
    }

    assert mounting <= {"ca", "apiserver", "controller", "injector"}


@each_scenario
def test_containers_are_without_rights_and_write_where_they_must(helm, chart, scenario):
    for container in containers(helm.render(chart, files=[scenario])):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert writable <= {"/var/lib/chancery", "/tmp", "/var/run/secrets/chancery.dev/tls"}


@each_scenario
def test_every_mount_has_its_volume(helm, chart, scenario):
    for each in documents(helm.render(chart, files=[scenario])):
        if each["kind"] in {"StatefulSet", "Deployment"}:
            spec = each["spec"]["template"]["spec"]
            claims = {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
            volumes = {volume["name"] for volume in spec["volumes"]} | claims
            mounts = {
                mount["name"]
                for container in spec["containers"] + spec.get("initContainers", [])
                for mount in container["volumeMounts"]
            }
            assert mounts == volumes


def test_probes_need_no_shell(helm, chart):
    for container in containers(helm.render(chart)):
        probes = [probe for name, probe in container.items() if name.endswith("Probe")]
        assert probes
        assert {"startupProbe", "livenessProbe"} <= container.keys()
        assert all("httpGet" in probe or probe["exec"]["command"][0] == "ca-cli" for probe in probes)


def test_openshift_chooses_the_user(helm, chart):
    for pod in pods(helm.render(chart, values={"openshift": {"enabled": True}})):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize(("replicas", "budgets"), [(1, set()), (3, {"chancery-ca"})])
def test_a_budget_is_made_where_there_is_more_than_one_to_keep(helm, chart, replicas, budgets):
    values = {
        "ca": {"replicaCount": replicas, "database": {"existingSecret": "database"}},
        "injector": {"replicaCount": 1},
    }
    rendered = documents(helm.render(chart, values=values))

    assert {each["metadata"]["name"] for each in rendered if each["kind"] == "PodDisruptionBudget"} == budgets


def test_a_database_takes_the_place_of_the_volume(helm, chart):
    rendered = helm.render(chart, values={"ca": {"database": {"existingSecret": "database"}}})
    authority = workload(rendered, "chancery-ca")
    (container,) = authority["spec"]["template"]["spec"]["containers"]

    assert authority["kind"] == "Deployment"
    assert {"name": "data", "emptyDir": {}} in authority["spec"]["template"]["spec"]["volumes"]
    assert {
        "name": "CHANCERY_DATABASE",
        "valueFrom": {"secretKeyRef": {"name": "database", "key": "url"}},
    } in container["env"]


def test_component_scheduling_wins_over_that_of_all(helm, chart):
    values = {
        "customScheduling": {
            "affinity": {"nodeAffinity": {}},
            "nodeSelector": {"a": "1", "b": "1"},
            "tolerations": [{"key": "all", "operator": "Exists"}],
            "priorityClassName": "all",
        },
        "ca": {
            "affinity": {"podAffinity": {}},
            "nodeSelector": {"b": "2"},
            "tolerations": [{"key": "own", "operator": "Exists"}],
            "priorityClassName": "own",
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        },
    }
    rendered = helm.render(chart, values=values)
    authority = workload(rendered, "chancery-ca")["spec"]
    pod, other = authority["template"]["spec"], workload(rendered, "chancery-apiserver")["spec"]["template"]["spec"]

    assert pod["affinity"] == {"podAffinity": {}}
    assert pod["nodeSelector"] == {"a": "1", "b": "2"}
    assert [each["key"] for each in pod["tolerations"]] == ["all", "own"]
    assert pod["priorityClassName"] == "own"
    assert pod["topologySpreadConstraints"][0]["labelSelector"] == authority["selector"]
    assert (other["affinity"], other["nodeSelector"]) == ({"nodeAffinity": {}}, {"a": "1", "b": "1"})
    assert other["priorityClassName"] == "all"


@pytest.mark.parametrize("name", ["injector", "apiserver"])
def test_pods_with_ports_of_their_nodes_are_replaced_where_no_node_is_spare(helm, chart, name):
    on_nodes = {"hostNetwork": True, "replicaCount": 2}
    database = {"database": {"existingSecret": "database"}} if name == "apiserver" else {}
    found = workload(helm.render(chart, values={name: on_nodes | database}), f"chancery-{name}")
    other = workload(helm.render(chart, values={name: {"replicaCount": 2} | database}), f"chancery-{name}")

    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert "strategy" not in other["spec"]


def test_stateful_set_replaces_its_pod_anyway(helm, chart):
    assert (
        "strategy"
        not in workload(helm.render(chart, values={"apiserver": {"hostNetwork": True}}), "chancery-apiserver")["spec"]
    )


def test_constraint_that_says_whose_pods_it_counts_counts_those_alone(helm, chart):
    zone = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    all_of_ours = {
        "matchExpressions": [{"key": "app.kubernetes.io/instance", "operator": "In", "values": ["chancery"]}]
    }
    values = {"injector": {"topologySpreadConstraints": [{**zone, "labelSelector": all_of_ours}, zone]}}
    injector = workload(helm.render(chart, values=values), "chancery-injector")["spec"]
    selectors = [each["labelSelector"] for each in injector["template"]["spec"]["topologySpreadConstraints"]]

    assert selectors == [all_of_ours, injector["selector"]]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "chancery:0.1.0"),
        ({"registry": "r.example.com:5000/"}, "r.example.com:5000/chancery:0.1.0"),
        ({"registry": "r.example.com", "repository": "a/b", "tag": "2"}, "r.example.com/a/b:2"),
        ({"tag": "2", "digest": f"sha256:{'0' * 64}"}, f"chancery@sha256:{'0' * 64}"),
    ],
    ids=["default", "registry", "tag", "digest"],
)
def test_image_is_named(helm, chart, image, expected):
    assert {each["image"] for each in containers(helm.render(chart, values={"image": image}))} == {expected}


def test_pull_secrets_may_be_names_or_objects(helm, chart):
    for pod in pods(helm.render(chart, values={"imagePullSecrets": ["one", {"name": "two"}, "3"]})):
        assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}, {"name": "3"}]
