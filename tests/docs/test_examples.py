"""docs/examples: what the chart renders, and what was written by hand, is taken by a real API server and by our command line."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from apiserver.settings import ApiServerSettings
from ca.callers import Caller
from ca.policy import Operation, Policy, PolicyRequest
from ca.settings import ServeSettings
from certs.alternative_names import SubjectAlternativeNames
from certs.names import SpiffeId
from certs.subject import SubjectName
from cli.main import make_program
from scripts.render_examples import EXAMPLE, rendered
from serving.settings import describe
from tests.charts.conftest import make_helm
from tests.docs.pages import DOCUMENTATION
from tests.servers.helm.programs import MAJORS

EXAMPLES = sorted((DOCUMENTATION / "examples").glob("*.yaml"))
ONE_POD = DOCUMENTATION / "examples" / "one-pod.yaml"
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def documents(path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def pod_specs(path) -> Iterator[dict[str, Any]]:
    for each in documents(path):
        if each["kind"] == "Pod":
            yield each["spec"]
        elif each["kind"] in {"Deployment", "StatefulSet"}:
            yield each["spec"]["template"]["spec"]


def containers(path) -> list[dict[str, Any]]:
    return [each for spec in pod_specs(path) for each in spec.get("initContainers", []) + spec["containers"]]


def test_plain_manifests_are_what_the_chart_renders(tmp_path):
    helm = make_helm(MAJORS[0], tmp_path)

    assert EXAMPLE.read_text() == rendered(helm.program.path), "run: make docs"


@pytest.mark.kubernetes
@each_example
def test_every_object_is_taken_by_a_cluster(control_plane, example):
    made = documents(example)
    for namespace in {each["metadata"].get("namespace") for each in made} - {None}:
        control_plane.kubectl("create", "namespace", namespace, check=False)
        control_plane.kubectl("create", "serviceaccount", "default", f"--namespace={namespace}", check=False)
    whole = {"apiVersion": "v1", "kind": "List", "items": [each for each in made if each["kind"] != "Namespace"]}

    created = control_plane.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-", document=whole
    )

    assert len(created.stdout.splitlines()) == len(whole["items"])
    assert "would violate PodSecurity" not in created.stderr


@pytest.mark.kubernetes
@each_example
def test_every_pod_is_taken_where_pods_are_restricted(control_plane, example):
    namespace = f"example-{example.stem}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": namespace, "labels": labels}
    control_plane.kubectl(
        "create", "-f", "-", document={"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, check=False
    )
    for number, spec in enumerate(pod_specs(example)):
        control_plane.kubectl(
            "create",
            "serviceaccount",
            spec.get("serviceAccountName", "default"),
            f"--namespace={namespace}",
            check=False,
        )
        volumes = spec["volumes"] + [
            {"name": mount["name"], "emptyDir": {}}  # of a claim's template
            for mount in {
                mount["name"]: mount for each in spec["containers"] for mount in each["volumeMounts"]
            }.values()
            if mount["name"] not in {volume["name"] for volume in spec["volumes"]}
        ]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}", "namespace": namespace},
            "spec": {**spec, "volumes": volumes},
        }

        created = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", document=pod)

        assert created.stderr == ""


@each_example
def test_arguments_probes_and_variables_are_those_of_the_command_line(example):
    found = [each for each in containers(example) if "args" in each]

    for container in found:
        command, *flags = container["args"]
        probes = [
            each["exec"]["command"] for key, each in container.items() if key.endswith("Probe") and "exec" in each
        ]
        program = make_program()
        with program.make_context("ca-cli", [command, "--help"], resilient_parsing=True) as context:
            shown = program.get_command(context, command)
            options = {option for parameter in shown.params for option in (*parameter.opts, *parameter.secondary_opts)}
            variables = {parameter.envvar for parameter in shown.params} | {"CHANCERY_HOME", "PGPASSFILE"}
            assert {flag.partition("=")[0] for flag in flags if flag.startswith("--")} <= options
            assert {each["name"] for each in container.get("env", [])} <= variables
            assert all(probe[:2] == ["ca-cli", command] and probe[2] in shown.commands for probe in probes)
    assert found or example.stem == "repair-pod"


@pytest.mark.parametrize(
    ("name", "prefix", "kind"),
    [("ca", "CHANCERY_", ServeSettings), ("apiserver", "CHANCERY_APISERVER_", ApiServerSettings)],
)
def test_variables_of_the_one_pod_are_settings(name, prefix, kind):
    (container,) = [each for each in containers(ONE_POD) if each["name"] == name]
    known = {f"{prefix}{one.name.upper()}": one.name for one in describe(kind)}

    settings = kind.from_mapping(
        {known[each["name"]]: each["value"] for each in container["env"] if each["name"] in known}
    )

    assert settings
    ports = {port["containerPort"] for each in containers(ONE_POD) for port in each.get("ports", [])}
    assert ports == {8111, 8112, 8113, 8443}


def test_policy_of_the_one_pod_lets_its_api_server_have_its_serving_certificate_and_no_other():
    (document,) = [each["data"]["policy.yaml"] for each in documents(ONE_POD) if each["kind"] == "ConfigMap"]
    (server,) = [each for each in containers(ONE_POD) if each["name"] == "apiserver"]
    names = {each["name"]: each["value"] for each in server["env"]}["CHANCERY_APISERVER_SERVING_NAMES"].split(",")
    policy = Policy.parse(document)

    def allows(account: str, *dns: str) -> bool:
        spiffe_id = SpiffeId.parse(f"spiffe://cluster.local/ns/chancery/sa/{account}")
        return policy.decide(
            PolicyRequest(
                caller=Caller.hypothetical(spiffe_id=spiffe_id),
                operation=Operation.ISSUE,
                profile="server",
                subject=SubjectName(common_name="chancery-apiserver"),
                names=SubjectAlternativeNames.parse(dns=("localhost", *dns), ips=("127.0.0.1", "::1")),
            )
        ).allowed

    assert allows("chancery", *names)
    assert not allows("default", *names)
    assert not allows("chancery", "kubernetes.default.svc")


def test_no_image_is_that_of_somebody():
    images = {each["image"] for path in EXAMPLES for each in containers(path)}

    assert images == {"registry.example.com/chancery:0.1.0"}
