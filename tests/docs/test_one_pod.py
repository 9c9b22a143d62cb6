"""docs/examples/one-pod.yaml at work on a real API server: its containers run as processes, and the cluster keeps reports by them.

- No kubelet runs the pod and no proxy leads to its Service: the test plays both, as tests/charts does.
"""

import contextlib
import json
import re
import warnings

import pytest
import urllib3
import yaml
from urllib3.exceptions import InsecureRequestWarning

from tests.charts.played_kubelet import PlayedPod
from tests.docs.pages import DOCUMENTATION
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import KUBERNETES, remembered_control_plane
from tests.servers.ports import free_ports

pytestmark = [*KUBERNETES, pytest.mark.slow, pytest.mark.timeout(240)]

FILE = DOCUMENTATION / "examples" / "one-pod.yaml"
REPORTS = "v1alpha2.wgpolicyk8s.io"
NAMESPACE = "chancery"
REPORT = {
    "apiVersion": "wgpolicyk8s.io/v1alpha2",
    "kind": "PolicyReport",
    "metadata": {"name": "first", "namespace": "default"},
    "results": [{"policy": "p", "result": "pass"}],
}


_OF_THE_POD = pytest.StashKey[ControlPlane]()


@pytest.fixture(scope="module")
def control_plane(pytestconfig):
    """Of this module alone, which leaves a namespace that is being deleted."""
    return remembered_control_plane(pytestconfig, _OF_THE_POD)


@pytest.fixture
def ports():
    names = ("https", "grpc", "enrollment", "apiserver")
    return dict(zip(names, free_ports(len(names)), strict=True))


@pytest.fixture
def pod(control_plane, ports, tmp_path):
    """What is applied is the file; what runs is its Deployment's pod."""
    objects = [each for each in yaml.safe_load_all(FILE.read_text()) if each]
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    hosts = {
        "localhost:8111": f"localhost:{ports['https']}",
        "localhost:8112": f"localhost:{ports['grpc']}",
        "0.0.0.0": "127.0.0.1",
    }
    with contextlib.ExitStack() as stack:
        control_plane.kubectl("create", "namespace", NAMESPACE, check=False)
        for secret in ("chancery-passphrase", "chancery-roots"):
            control_plane.kubectl("delete", "secret", secret, f"--namespace={NAMESPACE}", "--ignore-not-found")
        stack.callback(control_plane.kubectl, "delete", "--wait=false", "--ignore-not-found", "-f", str(FILE))
        control_plane.kubectl("apply", "-f", str(FILE))
        played = PlayedPod.of_workload(control_plane, deployment, tmp_path / "pod", hosts)
        stack.callback(played.end)
        yield played


def await_ready(pod, port):
    url, pool = f"https://localhost:{port}/readyz", urllib3.PoolManager(cert_reqs="CERT_NONE")

    def is_ready():
        assert all(child.is_running for child in pod.running), "\n".join(child.log_tail() for child in pod.running)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)  # a kubelet verifies nothing either
            return pool.request("GET", url, retries=False, timeout=5).status == 200

    pod.cluster.wait_until(is_ready, f"port {port} is ready", seconds=60)


def test_one_pod_signs_for_itself_and_keeps_the_clusters_reports(pod, ports, desk):
    cluster = pod.cluster
    outside = {"CHANCERY_KUBERNETES_KUBECONFIG": str(pod.kubeconfig()), "CHANCERY_KUBERNETES_NAMESPACE": NAMESPACE}
    numbers = {f"CHANCERY_{name.upper()}_PORT": str(ports[name]) for name in ("grpc", "enrollment")}
    pod.start("ca", variables={**outside, **numbers, "CHANCERY_HTTP_PORT": str(ports["https"])})
    await_ready(pod, ports["https"])
    bootstrap, tls = (pod.path("agent", f"/var/run/secrets/chancery.dev/{name}") for name in ("bootstrap", "tls"))
    pod.start(
        "agent",
        arguments=(f"--token-file={bootstrap / 'token'}", f"--bootstrap={bootstrap / 'ca.crt'}", f"--directory={tls}"),
    )
    cluster.wait_until(
        lambda: pod.run_probe("agent", "startupProbe", f"--directory={tls}"), "a certificate", seconds=60
    )
    pod.start(
        "apiserver",
        variables={
            "CHANCERY_APISERVER_KUBECONFIG": outside["CHANCERY_KUBERNETES_KUBECONFIG"],
            "CHANCERY_APISERVER_SECURE_PORT": str(ports["apiserver"]),
            "CHANCERY_HTTP_SERVER": f"localhost:{ports['https']}",
            "CHANCERY_ENROLLMENT_SERVER": f"localhost:{ports['enrollment']}",
        },
    )
    await_ready(pod, ports["apiserver"])
    play_proxy(cluster, ports["apiserver"])
    desk.give("kubectl", cluster.kubectl_command())

    desk.run(caption_command())
    cluster.kubectl("wait", "apiservice", REPORTS, "--for=condition=Available", "--timeout=60s")
    cluster.kubectl("create", "-f", "-", document=REPORT)

    kept = json.loads(cluster.kubectl("get", "policyreport", "first", "--output=json").stdout)
    assert kept["results"][0]["policy"] == "p"


def play_proxy(cluster, port):
    cluster.kubectl("delete", "service", "chancery", f"--namespace={NAMESPACE}")
    named = ("create", "service", "externalname", "chancery", "--external-name=localhost")
    cluster.kubectl(*named, f"--namespace={NAMESPACE}")
    patch = json.dumps({"spec": {"service": {"port": port}}})
    cluster.kubectl("patch", "apiservice", REPORTS, "--type=merge", f"--patch={patch}")


def caption_command():
    """That of the comment at the head of the file which brings the roots to the APIService."""
    found = re.search(r"^#   (kubectl patch .*\\)\n#     (.*)$", FILE.read_text(), re.MULTILINE)
    assert found
    return f"{found[1]}\n{found[2]}"
