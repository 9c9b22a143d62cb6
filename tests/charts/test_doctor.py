"""`helm test`: the pod that runs the doctor, what it may look at, and what is left of it."""

import itertools
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from tests.charts.conftest import CHART
from tests.charts.test_objects import RESTRICTED
from tests.charts.test_rendering import each_scenario
from tests.charts.test_rights import permissions
from tests.servers.helm.commands import documents

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
WIDE = {("", "secrets", "list", None), ("", "services/proxy", "get", None), ("", "pods", "create", None)}
_numbers = itertools.count()


def of_test(helm, **others):
    """What `helm test` makes, by kind."""
    rendered = documents(helm.render(CHART, tests=True, **others))
    return {each["kind"]: each for each in rendered if "helm.sh/hook" in each["metadata"].get("annotations", {})}


def test_rights_are_those_of_the_page_but_for_the_wide_ones(helm):
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    made = of_test(helm)
    found = permissions([*made["ClusterRole"]["rules"], *made["Role"]["rules"]])

    assert found == permissions(yaml.safe_load(block)) - WIDE
    assert ("", "secrets", "get", "chancery-ca-roots") in found


@each_scenario
def test_pod_runs_the_doctor_of_this_release_with_the_image_of_all(helm, scenario):
    made = of_test(helm, namespace="pki", files=[scenario])
    (container,) = made["Pod"]["spec"]["containers"]
    others = documents(helm.render(CHART, namespace="pki", files=[scenario]))
    images = {
        each["image"]
        for workload in others
        if workload["kind"] in {"StatefulSet", "Deployment"}
        for each in workload["spec"]["template"]["spec"]["containers"]
    }

    assert container["args"][:3] == ["doctor", "--cluster", "--namespace=pki"]
    assert container["image"] in images  # components may have others
    policies = {each["kind"]: each for each in others}.keys() & {"NetworkPolicy"}
    assert set(made) - policies == {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Pod"}


@pytest.mark.parametrize("holds", [True, False])
def test_doctor_gets_out_where_what_goes_out_is_held(helm, holds):
    made = of_test(helm, values={"networkPolicy": {"createEgressRules": holds}})

    assert ("NetworkPolicy" in made) == holds
    if holds:
        spec, labels = made["NetworkPolicy"]["spec"], made["Pod"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()
        assert (spec["egress"], spec.get("ingress")) == ([{}], None)


def test_nothing_of_it_is_installed(helm):
    assert [each for each in documents(helm.render(CHART)) if "doctor" in each["metadata"]["name"]] == []


class Cluster:
    """A release on a real API server, whose test pod is played."""

    def __init__(self, control_plane, helm):
        self.control_plane, self.helm = control_plane, helm
        self.name = f"d{next(_numbers)}-helm{helm.program.major}"
        self.output = ""
        self.status = 0

    def run(self, *arguments, check=True, values=None):
        where = (f"--kubeconfig={self.control_plane.admin_kubeconfig}", f"--namespace={self.name}")
        return self.helm.run(*arguments, *where, values=values, check=check)

    def test(self, phase=None):
        """`helm test`, with the pod's command run as a process; `phase` is what it is then said to have come to."""
        node = threading.Thread(target=self._play, args=(phase,))
        node.start()
        done = self.run("test", self.name, "--timeout=40s", check=False)
        node.join(60)
        return done

    def left(self):
        """What is there of the test."""
        kinds = "pods,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings"
        selector = f"--selector=app.kubernetes.io/component=doctor,app.kubernetes.io/instance={self.name}"
        return self.control_plane.kubectl("get", kinds, selector, "-o", "name", "--all-namespaces").stdout.split()

    def _play(self, phase):
        path = f"/api/v1/namespaces/{self.name}/pods/{self.name}-chancery-doctor"
        admin = self.control_plane.client("node", "system:masters")

        def waits():
            answer = admin.get(path)
            return answer.status == 200 and answer.document["status"].get("phase") == "Pending"

        self.control_plane.wait_until(waits, "the pod of the test")
        pod = admin.get(path).document
        account = f"/api/v1/namespaces/{self.name}/serviceaccounts/{pod['spec']['serviceAccountName']}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        token = admin.create(account, request).document["status"]["token"]
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *pod["spec"]["containers"][0]["args"]],
            env={"PATH": os.defpath, "KUBECONFIG": str(self.control_plane.kubeconfig_for_token(token))},
            cwd=CHART.parents[1],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.output, self.status = done.stdout + done.stderr, done.returncode
        said = phase or ("Failed" if done.returncode else "Succeeded")
        admin.patch(f"{path}/status", {"status": {"phase": said}})


@pytest.fixture
def cluster(control_plane, each_helm):
    made = Cluster(control_plane, each_helm)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.name, "labels": RESTRICTED}}
    control_plane.kubectl("create", "-f", "-", document=namespace)
    values = {
        "apiserver": {"apiServices": [{"group": f"{made.name}.example", "version": "v1"}]},
        "controller": {"crds": {"keep": False}},
    }
    made.run("install", made.name, str(CHART), values=values)
    yield made
    made.run("uninstall", made.name, check=False)
    definitions = ("issuers.chancery.dev", "clusterissuers.chancery.dev")
    control_plane.kubectl("delete", "customresourcedefinitions", *definitions, "--ignore-not-found", "--wait=false")


@pytest.mark.kubernetes
@pytest.mark.timeout(240)
def test_release_whose_pods_do_not_run_fails_its_test_and_sees_all_but_what_it_may_not(cluster):
    failed = cluster.test()
    ours = [line for line in cluster.output.splitlines() if "Configuration/" not in line or cluster.name in line]
    skipped = [line for line in ours if line.startswith("skipped")]

    assert (cluster.status, failed.returncode != 0) == (1, True), cluster.output
    assert "StatefulSet/" in cluster.output
    assert "see: docs/runbooks.md#ca-bundle-empty" in cluster.output
    assert "your rights" not in cluster.output
    assert {line.split()[1] for line in skipped} == {"release:"}, cluster.output
    assert [name for name in cluster.left() if not name.startswith("pod/")] == []

    passed = cluster.test("Succeeded")

    assert passed.returncode == 0, passed.stderr
    assert cluster.left() == []
