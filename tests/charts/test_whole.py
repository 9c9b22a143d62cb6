"""The chart at work on a real API server: what it renders runs, with the rights that it gives and no others, and finds itself.

- No kubelet runs the pods and no proxy leads to Services: the test plays both. Services become names of loopback once the registrar
  has seen them as they are, and ports of registrations follow.
"""

import base64
import contextlib
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import InsecureRequestWarning

from certs.keys import KeyType, generate_private_key
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import build_request
from kube.cluster import Cluster
from kube.diagnosis.doctor import ClusterDoctor
from kube.diagnosis.findings import Cause, Severity
from tests.charts.conftest import CHART
from tests.charts.played_kubelet import PlayedPod
from tests.kube.ambient import real_clock
from tests.servers.helm.commands import Helm, documents
from tests.servers.kubernetes.control_plane import ControlPlane, NotInTime
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.ports import free_ports

pytestmark = [*KUBERNETES, pytest.mark.slow, pytest.mark.timeout(300)]

NAMESPACE = "chart-whole"
REPORTS = "v1alpha2.wgpolicyk8s.io"
REFUSED = re.compile(r"[^\n]*(?:[Ff]orbidden|cannot (?:get|list|watch|create|update|patch|delete) resource)[^\n]*")


@dataclass(kw_only=True)
class Installation:
    cluster: ControlPlane
    helm: Helm
    pods: dict[str, PlayedPod]
    ports: dict[str, int]

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.cluster.kubectl(*arguments, **options).stdout

    def await_ready(self, component: str, port: str, scheme: str) -> None:
        url, pool = f"{scheme}://localhost:{self.ports[port]}/readyz", urllib3.PoolManager(cert_reqs="CERT_NONE")

        def is_ready() -> bool:
            assert all(child.is_running for child in self.pods[component].running), self.logs()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InsecureRequestWarning)  # a kubelet verifies nothing either
                return pool.request("GET", url, retries=False, timeout=5).status == 200

        try:
            self.cluster.wait_until(is_ready, f"{component} is ready", seconds=90)
        except NotInTime as err:
            raise NotInTime(f"{component} is not ready\n{self.logs()}") from err

    def logs(self) -> str:
        return "\n".join(child.log_tail() for pod in self.pods.values() for child in pod.running)


@pytest.fixture(scope="module")
def installed(helm, control_plane, tmp_path_factory) -> Iterator[Installation]:
    names = ("https", "grpc", "enrollment", "apiserver", "webhook", "controller", "injector")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    values = {
        "apiserver": {
            "securePort": ports["apiserver"],
            "apiServices": [{"group": "wgpolicyk8s.io", "version": "v1alpha2"}],
        },
        "injector": {"webhookPort": ports["webhook"]},
        "controller": {"crds": {"keep": False}, "settings": {"config_map_propagation": "0s"}},
        "fullnameOverride": "whole",
    }
    where = (f"--kubeconfig={control_plane.admin_kubeconfig}", f"--namespace={NAMESPACE}")
    with contextlib.ExitStack() as stack:
        stack.callback(helm.run, "uninstall", "whole", *where, check=False)
        helm.run("install", "whole", str(CHART), "--create-namespace", *where, values=values)
        rendered = documents(helm.render(CHART, release="whole", namespace=NAMESPACE, values=values))
        installation = Installation(cluster=control_plane, helm=helm, pods={}, ports=ports)
        directory = tmp_path_factory.mktemp("whole")
        for workload in rendered:
            if workload["kind"] in {"StatefulSet", "Deployment"}:
                component = workload["metadata"]["labels"]["app.kubernetes.io/component"]
                pod = PlayedPod.of_workload(control_plane, workload, directory / component, _hosts(ports))
                stack.callback(pod.end)
                installation.pods[component] = pod
        _start(installation)
        yield installation


def _hosts(ports: dict[str, int]) -> dict[str, str]:
    authority = f"whole-ca.{NAMESPACE}.svc"
    return {
        f"{authority}:8111": f"localhost:{ports['https']}",
        f"{authority}:8112": f"localhost:{ports['grpc']}",
        "0.0.0.0": "127.0.0.1",
    }


def _start(whole: Installation) -> None:
    pods, ports = whole.pods, whole.ports
    pods["ca"].start(
        "ca",
        variables={
            "CHANCERY_KUBERNETES_KUBECONFIG": str(pods["ca"].kubeconfig()),
            "CHANCERY_KUBERNETES_NAMESPACE": NAMESPACE,
            "CHANCERY_HTTP_PORT": str(ports["https"]),
            "CHANCERY_GRPC_PORT": str(ports["grpc"]),
            "CHANCERY_ENROLLMENT_PORT": str(ports["enrollment"]),
        },
    )
    whole.await_ready("ca", "https", "https")
    for component in ("controller", "injector"):
        prefix = f"CHANCERY_{component.upper()}"
        pods[component].start(
            component,
            variables={
                f"{prefix}_KUBECONFIG": str(pods[component].kubeconfig()),
                f"{prefix}_NAMESPACE": NAMESPACE,
                f"{prefix}_HEALTH_PORT": str(ports[component]),
            },
        )
    _start_api_server(whole)
    whole.await_ready("controller", "controller", "http")
    whole.await_ready("injector", "injector", "http")
    _play_proxy(whole)


def _start_api_server(whole: Installation) -> None:
    pod = whole.pods["apiserver"]
    bootstrap, tls = (pod.path("agent", f"/var/run/secrets/chancery.dev/{name}") for name in ("bootstrap", "tls"))
    pod.start(
        "agent",
        arguments=(f"--token-file={bootstrap / 'token'}", f"--bootstrap={bootstrap / 'ca.crt'}", f"--directory={tls}"),
    )
    whole.cluster.wait_until(
        lambda: pod.run_probe("agent", "startupProbe", f"--directory={tls}"), "the agent has a certificate", seconds=60
    )
    pod.start(
        "apiserver",
        variables={
            "CHANCERY_APISERVER_KUBECONFIG": str(pod.kubeconfig()),
            "CHANCERY_HTTP_PORT": str(whole.ports["https"]),
            "CHANCERY_ENROLLMENT_SERVER": f"localhost:{whole.ports['enrollment']}",
            "CHANCERY_HTTP_SERVER": f"localhost:{whole.ports['https']}",
        },
    )
    whole.await_ready("apiserver", "apiserver", "https")


def _play_proxy(whole: Installation) -> None:
    """What leads to a Service is led to the process: by the name of loopback, and its port."""
    kubectl = whole.kubectl
    for service in ("whole-apiserver", "whole-injector"):
        kubectl("delete", "service", service, f"--namespace={NAMESPACE}")
        kubectl("create", "service", "externalname", service, "--external-name=localhost", f"--namespace={NAMESPACE}")
    port = {"spec": {"service": {"port": whole.ports["apiserver"]}}}
    kubectl("patch", "apiservice", REPORTS, "--type=merge", f"--patch={json.dumps(port)}")
    for what in ("pods", "namespaces"):
        client = {"service": {"namespace": NAMESPACE, "name": "whole-injector", "port": whole.ports["webhook"]}}
        entry = {"webhooks": [{"name": f"{what}.injector.chancery.dev", "clientConfig": client}]}
        kubectl("patch", "mutatingwebhookconfiguration", f"whole-injector-{what}", f"--patch={json.dumps(entry)}")


def test_api_server_becomes_available_and_keeps_reports(installed):
    kubectl = installed.kubectl

    kubectl("wait", "apiservice", REPORTS, "--for=condition=Available", "--timeout=60s")
    report = {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": "first", "namespace": "default"},
        "results": [{"policy": "p", "result": "pass"}],
    }
    kubectl("create", "-f", "-", document=report)

    assert json.loads(kubectl("get", "policyreport", "first", "--output=json"))["results"][0]["policy"] == "p"


def test_labelled_pod_is_given_an_agent_and_its_namespace_the_roots(installed):
    kubectl = installed.kubectl
    kubectl("create", "namespace", "chart-shop")
    kubectl("create", "serviceaccount", "default", "--namespace=chart-shop", check=False)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cart", "namespace": "chart-shop", "labels": {"chancery.dev/inject": "true"}},
        "spec": {"containers": [{"name": "cart", "image": "cart"}]},
    }

    made = json.loads(kubectl("create", "-f", "-", "--output=json", document=pod))

    assert made["metadata"]["annotations"]["chancery.dev/injected"] == "v1-sidecar"
    (agent,) = made["spec"]["initContainers"]
    assert agent["image"] == "chancery:0.1.0"
    assert (
        f"--server=https://localhost:{installed.ports['https']}" in agent["args"]
    )  # whole-ca.chart-whole.svc, as played
    installed.cluster.wait_until(
        lambda: kubectl("get", "configmap", "chancery-roots", "--namespace=chart-shop", "--ignore-not-found"),
        "the roots are in the namespace",
    )
    roots = json.loads(kubectl("get", "configmap", "chancery-roots", "--namespace=chart-shop", "--output=json"))
    secret = kubectl(
        "get", "secret", "whole-ca-roots", f"--namespace={NAMESPACE}", "--output=jsonpath={.data.ca\\.crt}"
    )
    assert roots["data"]["ca.crt"].count("BEGIN CERTIFICATE") == 1
    assert secret


def test_signer_of_services_certifies_who_is_behind_one(installed):
    kubectl = installed.kubectl
    key = generate_private_key(KeyType.EC_P256)
    names = SubjectAlternativeNames.parse(dns=(f"whole-ca.{NAMESPACE}.svc",))
    request = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "whole-ca"},
        "spec": {
            "signerName": "chancery.dev/serving",
            "request": base64.b64encode(build_request(key, SubjectName(), names)).decode(),
            "usages": ["digital signature", "server auth"],
        },
    }
    account = installed.cluster.client(
        f"system:serviceaccount:{NAMESPACE}:whole-ca",
        "system:serviceaccounts",
        f"system:serviceaccounts:{NAMESPACE}",
        "system:authenticated",
    )
    kubectl(
        *(
            "create",
            "clusterrole",
            "whole-asks",
            "--verb=create",
            "--resource=certificatesigningrequests.certificates.k8s.io",
        )
    )
    kubectl(
        "create",
        "clusterrolebinding",
        "whole-asks",
        "--clusterrole=whole-asks",
        f"--serviceaccount={NAMESPACE}:whole-ca",
    )

    made = account.create("/apis/certificates.k8s.io/v1/certificatesigningrequests", request)

    assert made.status == 201, made.octets
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/whole-ca"
    installed.cluster.wait_until(
        lambda: installed.cluster.admin.get(path).document["status"].get("certificate"),
        "the request is signed",
    )


def test_nobody_lacks_a_right(installed):
    """Where one is lacking most servers say so; Events are let be in silence, and so looked for."""
    said = "\n".join(child.log.read_text() for pod in installed.pods.values() for child in pod.running)

    assert REFUSED.findall(said) == []
    bundles = installed.kubectl("get", "clustertrustbundles", "--output=name")
    assert "clustertrustbundle.certificates.k8s.io/chancery.dev:workload:" in bundles
    installed.cluster.wait_until(lambda: "CaBundleInjected" in reasons(installed), "the controller's Events are there")


def test_doctor_finds_wrong_what_nobody_plays_and_nothing_else(installed):
    """There is no kube-controller-manager, and no Service of the authority leads to it."""
    installed.kubectl("wait", "apiservice", REPORTS, "--for=condition=Available", "--timeout=60s")
    cluster = Cluster.open(installed.cluster.admin_kubeconfig)
    doctor = ClusterDoctor(cluster=cluster, clock=real_clock, namespace=NAMESPACE, is_inside=False)
    others = re.compile(r"(Validating|Mutating)WebhookConfiguration/(?!whole)|APIService/(?!v1alpha2)|CustomResource")
    findings = [one for examined in doctor.examine() for one in examined.findings if not others.match(one.target)]
    cluster.close()
    fine = {one.target for one in findings if one.severity is Severity.OK}
    wrong = {one.target: one.cause for one in findings if one.severity in {Severity.PROBLEM, Severity.WARNING}}

    assert set(wrong.values()) <= {Cause.ROLLOUT_UNFINISHED, Cause.VOLUME_MISSING, Cause.ENDPOINTS_MISSING}, wrong
    assert {one.split("/")[0] for one in wrong} <= {"StatefulSet", "Deployment", "Service"}
    assert {
        "release whole",
        "Secret/whole-ca-roots",
        "Lease/whole-controller",
        f"ServiceAccount/{NAMESPACE}/whole-controller",
        "MutatingWebhookConfiguration/whole-injector-pods",
        f"APIService/{REPORTS}",
        "ConfigMap/chancery-roots",
    } <= fine


def reasons(installed: Installation) -> set[str]:
    events = json.loads(installed.kubectl("get", "events", "--all-namespaces", "--output=json"))
    return {each["reason"] for each in events["items"]}


def test_every_process_runs_on_as_it_was_started(installed):
    assert {child.name: child.is_running for pod in installed.pods.values() for child in pod.running} == {
        f"whole-{name}": True
        for name in (
            "ca-0-ca",
            "controller-0-controller",
            "injector-0-injector",
            "apiserver-0-agent",
            "apiserver-0-apiserver",
        )
    }
