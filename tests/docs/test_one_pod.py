"""docs/examples/one-pod.yaml at work in a cluster: its pod runs as it says, and the cluster keeps reports by it."""

import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import DOCUMENTATION
from tests.end_to_end import objects
from tests.end_to_end.conftest import cluster_for
from tests.end_to_end.installation import NAMESPACE, REPORTS, Installation
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = [*KUBERNETES, pytest.mark.slow, pytest.mark.timeout(240)]

FILE = DOCUMENTATION / "examples" / "one-pod.yaml"


@pytest.fixture
def installed() -> Iterator[Installation]:
    with cluster_for({}) as cluster:
        yield cluster


def test_one_pod_signs_for_itself_and_keeps_the_clusters_reports(installed, desk):
    installed.apply(objects.namespace(objects.SHOP))
    desk.give("kubectl", installed.cluster.kubectl_command())
    apply, patch = commands()

    desk.run(apply.replace("docs/examples/one-pod.yaml", str(FILE)))
    installed.wait_until(
        lambda: installed.read("deployment", "chancery", f"--namespace={NAMESPACE}")["status"].get("readyReplicas"),
        "the pod is ready",
        seconds=90,
    )
    desk.run(patch)
    installed.kubectl("wait", "apiservice", REPORTS, "--for=condition=Available", "--timeout=60s")
    installed.apply(objects.report("first"))

    kept = installed.read("policyreport", "first", f"--namespace={objects.SHOP}")
    assert kept["results"][0]["policy"] == "p"
    assert installed.restarts() == {}


def commands() -> list[str]:
    """Those of the comment at the head of the file: what applies it, and what brings the roots to the APIService."""
    found = re.search(r"^#   (kubectl apply .*)\n#   (kubectl patch .*\\)\n#     (.*)$", FILE.read_text(), re.MULTILINE)
    assert found
    return [found[1], f"{found[2]}\n{found[3]}"]
