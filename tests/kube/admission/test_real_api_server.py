"""Behind a real kube-apiserver: pods that are created, admitted by Pod Security, refused in words that kubectl shows."""

import itertools
from typing import Any

import pytest

from kube.admission.names import Mode
from kube.admission.probe import probe
from kube.admission.settings import Injection
from kube.cluster import Cluster
from tests.kube.admission.running_injector import NAMESPACE, SERVICE
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
SECURE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_numbers = itertools.count(1)


@pytest.fixture
def new_namespace(injector):
    """Makes a namespace with those labels, where only what passes the restricted standard is admitted."""

    def make(**labels: str) -> str:
        name = f"shop-{next(_numbers)}"
        admin = injector.cluster.admin
        document = {
            "metadata": {"name": name, "labels": RESTRICTED | {f"chancery.dev/{key}": labels[key] for key in labels}}
        }
        assert admin.create("/api/v1/namespaces", document).status == 201
        injector.cluster.make_default_account(name)
        return name

    return make


def pod(*, label: str | None = "true", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-",
            "labels": {} if label is None else {"chancery.dev/inject": label},
            "annotations": {f"chancery.dev/{name}": value for name, value in (annotations or {}).items()},
        },
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [{"name": "early", "image": "i", "restartPolicy": "Always", "securityContext": SECURE}],
            "containers": [{"name": "web", "image": "web", "securityContext": SECURE}],
            **spec,
        },
    }


def create(injector, namespace: str, document: dict[str, Any], query: str = "") -> Any:
    answer = injector.cluster.admin.create(f"/api/v1/namespaces/{namespace}/pods{query}", document)
    assert answer.status == 201, answer.octets
    return answer.document


def mode_of(stored: dict[str, Any]) -> str | None:
    return stored["metadata"].get("annotations", {}).get("chancery.dev/injected")


@pytest.mark.parametrize("mode", ["sidecar", "init", None])
def test_labelled_pod_is_injected_and_passes_the_restricted_standard(injector, new_namespace, mode):
    stored = create(injector, new_namespace(), pod(annotations={"mode": mode} if mode else {}))

    spec = stored["spec"]
    assert mode_of(stored) == f"v1-{mode or 'sidecar'}"
    first, early = spec["initContainers"]
    assert early["restartPolicy"] == "Always"
    assert first["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["fsGroup"] == 65532
    (web, *_) = spec["containers"]
    for container in (early, web):
        assert "/var/run/secrets/chancery.dev/tls" in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert {"chancery-identity", "chancery-bootstrap"} < {one["name"] for one in spec["volumes"]}


def test_volume_for_the_kubelet_is_kept_as_it_was_sent(injector, new_namespace):
    stored = create(injector, new_namespace(), pod(annotations={"mode": "podCertificate", "duration": "2h"}))

    (identity,) = [one for one in stored["spec"]["volumes"] if one["name"] == "chancery-identity"]
    assert identity["projected"]["sources"][0]["podCertificate"] == {
        "signerName": "chancery.dev/workload",
        "keyType": "ECDSAP256",
        "maxExpirationSeconds": 7200,
        "keyPath": "tls.key",
        "certificateChainPath": "tls.crt",
        "credentialBundlePath": "bundle.pem",
    }
    assert [one["name"] for one in stored["spec"]["initContainers"]] == ["early"]
    assert "fsGroup" not in stored["spec"]["securityContext"]


def test_pod_keeps_its_token_for_the_api_server_and_the_agent_gets_none(injector, new_namespace):
    stored = create(injector, new_namespace(), pod())

    mounted = [mount["mountPath"] for mount in stored["spec"]["containers"][0]["volumeMounts"]]
    agent = stored["spec"]["initContainers"][0]
    assert {mount["name"] for mount in agent["volumeMounts"]} == {"chancery-identity", "chancery-bootstrap"}
    assert sorted(mounted) == ["/var/run/secrets/chancery.dev/tls", "/var/run/secrets/kubernetes.io/serviceaccount"]


def test_namespace_opts_in_and_a_pod_out(injector, new_namespace):
    namespace = new_namespace(inject="true")

    assert mode_of(create(injector, namespace, pod(label=None))) == "v1-sidecar"
    assert mode_of(create(injector, namespace, pod(label="true"))) == "v1-sidecar"
    assert mode_of(create(injector, namespace, pod(label="false"))) is None
    assert mode_of(create(injector, new_namespace(), pod(label=None))) is None


def test_dry_run_shows_what_would_be_injected(injector, new_namespace):
    assert mode_of(create(injector, new_namespace(), pod(), "?dryRun=All")) == "v1-sidecar"


def test_pod_made_from_one_that_was_injected_is_injected_once(injector, new_namespace):
    namespace = new_namespace()
    first = create(injector, namespace, pod())
    copy = pod()
    copy["spec"], copy["metadata"]["annotations"] = first["spec"], first["metadata"]["annotations"]
    second = create(injector, namespace, copy)

    assert [one["name"] for one in second["spec"]["initContainers"]] == ["chancery-agent", "early"]


def test_kubelet_is_asked_for_the_certificate_where_it_is_new_enough(injector, new_namespace):
    admin = injector.cluster.admin
    node = {"metadata": {"name": "new"}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.2"}}}
    cluster = Cluster.open(injector.cluster.admin_kubeconfig)
    injection = Injection(image="i")
    assert admin.create("/api/v1/nodes", node).status == 201
    try:
        found = probe(cluster, namespace=NAMESPACE, injection=injection)
    finally:
        admin.delete("/api/v1/nodes/new")
    without_nodes = probe(cluster, namespace=NAMESPACE, injection=injection)
    cluster.close()

    assert (found.best(with_agent=False), found.best(with_agent=True)) == ("podCertificate", "sidecar")
    assert (without_nodes.best(with_agent=False), without_nodes.can(Mode.POD_CERTIFICATE)) == ("sidecar", True)


def test_refusal_is_shown_by_kubectl_word_by_word(injector, new_namespace):
    document = pod(annotations={"key-mode": "0777", "mode": "daemon"})
    done = injector.cluster.kubectl("create", "-n", new_namespace(), "-f", "-", document=document, check=False)

    assert done.returncode == 1
    assert 'admission webhook "pods.injector.chancery.dev" denied the request: chancery.dev/mode: ' in done.stderr
    assert "'0777': no mode of a key; choose from 0400, 0440, 0444, 0600, 0640" in done.stderr


def test_warning_is_shown_by_kubectl(injector, new_namespace):
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    done = injector.cluster.kubectl("create", "-n", new_namespace(), "-f", "-", document=pod(volumes=volumes))

    assert "Warning: early, web may not be able to read the key" in done.stderr


def test_pod_of_the_hosts_network_is_refused_where_it_asks(injector, new_namespace):
    answer = injector.cluster.admin.create(f"/api/v1/namespaces/{new_namespace()}/pods", pod(hostNetwork=True))

    assert answer.status == 400
    assert "host's network" in answer.document["message"]


def test_injector_is_ready_as_long_as_the_api_server_would_believe_it(injector):
    cluster = injector.cluster
    cluster.wait_until(lambda: injector.ready() == (200, "ok"), "the injector is ready")
    injector.take_certificate("other.example")
    cluster.wait_until(lambda: injector.ready()[0] == 503, "the injector is not ready any more")
    why = injector.ready()[1]
    injector.take_certificate(f"{SERVICE}.{NAMESPACE}.svc")
    cluster.wait_until(lambda: injector.ready()[0] == 200, "the injector is ready again")

    assert "the serving certificate is not believed: Hostname mismatch" in why
