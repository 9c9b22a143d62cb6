"""The chart on a real API server, from `helm install` to `helm uninstall`: every pod runs as it says, by
`tests/servers/kubernetes/node`.

- One story in the order of its tests. Figures are printed at its end.
- Rotation is fast by values, and by a look at the trust bundle every three seconds instead of every minute.
"""

import contextlib
import json
import re
import shlex
import shutil
import threading
import time

import pytest

from certs.names import SubjectName
from certs.pem import split_certificates
from kube.cluster import Cluster
from kube.diagnosis.doctor import ClusterDoctor
from kube.diagnosis.findings import Severity
from tests.end_to_end import objects
from tests.end_to_end.installation import (
    IMAGE,
    NAMESPACE,
    REPORTS,
    Installation,
    certificate_in,
    fault,
    seconds_since,
)
from tests.end_to_end.load import Calls, kept_calling
from tests.end_to_end.objects import SHOP, THINGS
from tests.end_to_end.orders import REQUESTS
from tests.kube.ambient import real_clock
from tests.kube.signers.documents import csr
from tests.servers.kubernetes.node.pod import Pod
from tests.threads import join

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.xdist_group("end_to_end"),
    pytest.mark.slow,
    pytest.mark.timeout(240),
]

SPIFFE_ID = "spiffe://cluster.local/ns/shop/sa/default"
REFUSED = re.compile(r"forbidden|cannot (get|list|watch|create|update|patch|delete) resource", re.IGNORECASE)


def test_helm_waits_until_everything_serves(life: Installation) -> None:
    life.before = everything(life)
    began = time.monotonic()
    life.apply(objects.namespace())
    first = threading.Thread(target=first_certificate, args=(life, began))
    first.start()

    life.install()

    life.figures["helm install --wait"] = seconds_since(began)
    life.kubectl("wait", "apiservices", "--all", "--for=condition=Available", "--timeout=55s")
    life.figures["helm install to all APIServices available"] = seconds_since(began)
    join(first)
    assert "helm install to the first pod certificate" in life.figures, life.node.logs()
    life.make_administrator()


def first_certificate(life: Installation, began: float) -> None:
    """Of a labelled pod that somebody makes as soon as the cluster takes it."""
    pods = f"/api/v1/namespaces/{SHOP}/pods"
    hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/chancery-injector-pods"
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        hooked = life.cluster.admin.get(hooks).status == 200
        if hooked and life.cluster.admin.create(pods, objects.labelled_pod("first")).status == 201:
            break
        time.sleep(0.1)
    while time.monotonic() < deadline:
        with contextlib.suppress(StopIteration, KeyError, FileNotFoundError):
            certificate_in(life.directory_in(SHOP, "first", "idle"))
            life.figures["helm install to the first pod certificate"] = seconds_since(began)
            return
        time.sleep(0.05)


def test_labelled_pod_has_its_identity(life: Installation) -> None:
    life.wait_until(
        lambda: life.read("pod", "first", f"--namespace={SHOP}")["status"]["phase"] == "Running", "the pod runs"
    )
    pod = life.read("pod", "first", f"--namespace={SHOP}")
    directory = life.directory_in(SHOP, "first", "idle")

    assert pod["metadata"]["annotations"]["chancery.dev/injected"] == "v1-sidecar"
    assert json.loads((directory / "identity.json").read_text())["spiffe_id"] == SPIFFE_ID
    assert {"tls.crt", "tls.key", "ca.crt", "bundle.pem"} <= {path.name for path in directory.iterdir()}
    (agent,) = pod["spec"]["initContainers"]
    assert agent["image"] == IMAGE
    assert f"--server=https://chancery-ca.{NAMESPACE}.svc:8111" in agent["args"]
    roots = life.read("configmap", "chancery-roots", f"--namespace={SHOP}")
    assert roots["data"]["ca.crt"].count("BEGIN CERTIFICATE") == 1
    life.measure_memory()


def test_webhook_and_api_service_of_a_user_are_bootstrapped_by_labels(life: Installation) -> None:
    began = time.monotonic()
    life.apply(
        objects.service(),
        objects.webhook(),
        objects.api_service(),
        objects.deployment("things", annotations={"chancery.dev/dns": "things.shop.svc"}, port=8443),
    )

    life.wait_until(lambda: not list_things(life), "the API of the user is served")
    life.wait_until(lambda: not ask_webhook(life), "the webhook of the user is asked")
    life.figures["a user's Deployment to its webhook and API served"] = seconds_since(began)
    life.kubectl("wait", "apiservice", THINGS, "--for=condition=Available", "--timeout=55s")


def test_reports_are_written_with_a_certificate_of_ours(life: Installation) -> None:
    reporter = {"kind": "User", "name": "reporter", "apiGroup": "rbac.authorization.k8s.io"}
    account = {"kind": "ServiceAccount", "name": "default", "namespace": SHOP}
    life.apply(objects.may_report(reporter, account))
    identity = life.reporter
    life.ca_cli("sign", "--cn", "reporter", "--profile", "client", "--out", str(identity))

    address = life.node.pod(NAMESPACE, "chancery-apiserver").listens_at
    past_the_cluster = (
        f"--server=https://{address}:8443",
        f"--tls-server-name=chancery-apiserver.{NAMESPACE}.svc",
        f"--certificate-authority={identity / 'ca.crt'}",
        f"--client-certificate={identity / 'tls.crt'}",
        f"--client-key={identity / 'tls.key'}",
    )

    life.kubectl("create", "-f", "-", *past_the_cluster, document=objects.report("by-certificate"))
    elsewhere = life.cluster.kubectl("get", "policyreports", "--namespace=default", *past_the_cluster, check=False)

    found = life.read("policyreports", f"--namespace={SHOP}")["items"]
    assert [each["metadata"]["name"] for each in found] == ["by-certificate"]
    assert "Forbidden" in elsewhere.stderr
    assert "reporter" in elsewhere.stderr


def test_reports_are_written_by_a_pod_which_calls_others_by_mtls(life: Installation) -> None:
    life.apply(objects.deployment("cart", annotations={}))

    life.wait_until(lambda: "called" in said_by_cart(life), "the pod calls")
    assert "report 201" in said_by_cart(life)
    assert f"called ['{SPIFFE_ID}']" in said_by_cart(life)
    assert life.read("policyreports", "of-a-pod", "--namespace=shop")


def test_doctor_finds_nothing_wrong(life: Installation) -> None:
    done = life.helm.run("test", "chancery", "--timeout=120s", *life.access, seconds=130, check=False)

    assert done.returncode == 0, f"{done.stderr}\n{life.node.logs()}"


def test_doctor_finds_from_outside_that_everything_is_right(life: Installation) -> None:
    cluster = Cluster.open(life.cluster.admin_kubeconfig)
    doctor = ClusterDoctor(cluster=cluster, clock=real_clock, namespace=NAMESPACE, is_inside=False)
    findings = [one for examined in doctor.examine() for one in examined.findings]
    cluster.close()
    wrong = [one for one in findings if one.severity in {Severity.PROBLEM, Severity.WARNING}]

    assert wrong == []
    assert {
        "release chancery",
        "Secret/chancery-ca-roots",
        "Lease/chancery-controller",
        f"ServiceAccount/{NAMESPACE}/chancery-controller",
        "MutatingWebhookConfiguration/chancery-injector-pods",
        f"APIService/{REPORTS}",
        "ConfigMap/chancery-roots",
    } <= {one.target for one in findings if one.severity is Severity.OK}


def said_by_cart(life: Installation) -> str:
    pods = life.node.pods_of(SHOP, "cart")
    logs = [container.log for pod in pods for name, container in pod.containers.items() if name == "cart"]
    return "\n".join(log.read_text() for log in logs if log.exists())


def test_root_is_rotated_without_a_failed_call(life: Installation) -> None:
    before = life.trusted()
    assert {"chancery-injector-pods", REPORTS, f"ConfigMap of {SHOP}", "ClusterTrustBundle", "Secret"} <= before.keys()
    (old,) = {root for bundle in before.values() for root in split_certificates(bundle)}
    identity = certificate_in(life.directory_in(SHOP, "things", "things"))
    began = time.monotonic()
    calls = {
        "the user's webhook": lambda: ask_webhook(life),
        "the user's API": lambda: list_things(life),
        "reports": lambda: keep_reports(life),
        "the injector": lambda: ask_injector(life),
    }

    with kept_calling(calls) as made:
        life.ca_cli("rotate", "root", "--now", "--no-wait")
        life.kill("chancery-ca", "ca")
        await_phase(life, "signing", "retiring", "stable")
        for person in (life.administrator, life.reporter):
            life.ca_cli("renew", identity=person)
        kill_the_leader(life)
        await_phase(life, "stable")
        life.wait_until(
            lambda: not any(old in split_certificates(bundle) for bundle in life.trusted().values()),
            "the old root is trusted nowhere",
        )

    life.figures["rotation of the root, an authority and a leader killed"] = seconds_since(began)
    made["mTLS between pods"] = mtls_calls(life)
    life.figures |= {f"calls of {name} meanwhile": f"{each.succeeded}" for name, each in made.items()}
    assert {name: each.failures for name, each in made.items()} == {name: [] for name in made}, life.node.logs()
    assert all(each.succeeded > 50 for each in made.values()), life.figures
    after = life.trusted()
    assert before.keys() == after.keys()
    assert len({root for bundle in after.values() for root in split_certificates(bundle)}) == 1
    assert certificate_in(life.directory_in(SHOP, "things", "things")) != identity


def kill_the_leader(life: Installation) -> None:
    def leader() -> str:
        return str(life.read("lease", "chancery-controller", f"--namespace={NAMESPACE}")["spec"]["holderIdentity"])

    killed = leader()
    (pod,) = [
        each
        for each in life.node.pods_of(NAMESPACE, "chancery-controller")
        if killed.startswith(each.document["metadata"]["name"])
    ]
    began = time.monotonic()
    pod.containers["controller"].kill()
    life.wait_until(lambda: leader() != killed, "another controller leads", seconds=90)
    life.figures["a killed leader to the next"] = seconds_since(began)


def await_phase(life: Installation, *phases: str) -> None:
    deadline = time.monotonic() + 90
    while (standing := life.rotation())["rotation"]["phase"] not in phases:
        if time.monotonic() > deadline:
            pytest.fail(f"{json.dumps(standing, indent=1)}\n{life.node.logs()}")
        time.sleep(0.5)


def mtls_calls(life: Installation) -> Calls:
    lines = said_by_cart(life).splitlines()
    return Calls(
        succeeded=sum(line.startswith("called") for line in lines),
        failures=[line for line in lines if line.startswith(("failed", "Traceback"))],
    )


def ask_webhook(life: Installation) -> str:
    path = f"/api/v1/namespaces/{SHOP}/configmaps"
    return fault(life.cluster.admin.create(path, objects.asked_about(), dryRun="All"), 201)


def list_things(life: Installation) -> str:
    return fault(life.cluster.admin.get("/apis/things.example.com/v1/things"), 200)


def keep_reports(life: Installation) -> str:
    path = f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{SHOP}/policyreports"
    return fault(life.cluster.admin.create(path, objects.report("kept"), dryRun="All"), 201)


def ask_injector(life: Installation) -> str:
    answer = life.cluster.admin.create(f"/api/v1/namespaces/{SHOP}/pods", objects.labelled_pod("dry"), dryRun="All")
    if answer.status == 201 and "chancery.dev/injected" not in answer.document["metadata"].get("annotations", {}):
        return "not injected"
    return fault(answer, 201)


def test_certificate_of_a_deleted_pod_is_refused(life: Installation) -> None:
    stolen = life.node.directory / "stolen"
    shutil.copytree(life.directory_in(SHOP, "first", "idle").resolve() / "..data", stolen)
    assert life.ca_cli("template", identity=stolen, check=False).returncode == 0

    life.kubectl("delete", "pod", "first", f"--namespace={SHOP}", "--wait=true")
    began = time.monotonic()
    life.wait_until(
        lambda: life.ca_cli("template", identity=stolen, check=False).returncode == 4,
        "the certificate of the pod that is gone is refused",
    )
    life.figures["a deleted pod to its certificate refused"] = seconds_since(began)


def test_signer_of_services_certifies_who_is_behind_one(life: Installation) -> None:
    """Without anybody's approval. Not before the rotation, which would wait for whoever renews this one."""
    asks = "requests-of-the-authority"
    kinds = ("--verb=create", "--resource=certificatesigningrequests.certificates.k8s.io")
    life.kubectl("create", "clusterrole", asks, *kinds)
    account = f"--serviceaccount={NAMESPACE}:chancery-ca"
    life.kubectl("create", "clusterrolebinding", asks, f"--clusterrole={asks}", account)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")
    authority = life.cluster.client(f"system:serviceaccount:{NAMESPACE}:chancery-ca", *groups)
    request = csr(SubjectName(), dns=[f"chancery-ca.{NAMESPACE}.svc"])

    life.wait_until(
        lambda: authority.create(REQUESTS, objects.signing_request("chancery-ca", request)).status == 201,
        "the API server knows its right to ask",
    )
    life.wait_until(
        lambda: life.cluster.admin.get(f"{REQUESTS}/chancery-ca").document["status"].get("certificate"),
        "the request is signed",
    )
    for kind, name in (("csr", "chancery-ca"), ("clusterrolebinding", asks), ("clusterrole", asks)):
        life.kubectl("delete", kind, name)


def test_no_process_was_refused_by_the_cluster_or_ended_by_itself(life: Installation) -> None:
    restarts = life.restarts()
    logs = [each.log for pod in servers(life) for each in pod.containers.values() if each.log.exists()]
    refused = [line for log in logs for line in log.read_text().splitlines() if REFUSED.search(line)]
    events = life.read("events", "--all-namespaces")["items"]

    assert sorted(restarts.values()) == [1, 1], (restarts, life.node.logs())  # those that were killed
    assert refused == []
    assert "CaBundleInjected" in {each["reason"] for each in events}  # where they may not be written nobody says so


def servers(life: Installation) -> list[Pod]:
    """Pods of the release, but for the doctor, who tries what it may not."""
    here = life.node.pods_of(NAMESPACE, "chancery")
    return [pod for pod in here if pod.document["metadata"]["name"] != "chancery-doctor"]


def everything(life: Installation) -> set[str]:
    """The name of every object in the cluster, but for what is said in passing."""
    kinds = life.kubectl("api-resources", "--verbs=list", "--output=name").split()
    passing = {"events", "events.events.k8s.io", "podmetrics"}
    lists = life.read(",".join(kind for kind in kinds if kind not in passing), "--all-namespaces", "--ignore-not-found")
    return {
        f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}" for each in lists["items"]
    }


def test_uninstalling_leaves_what_the_notes_say_and_nothing_else(life: Installation) -> None:
    notes = life.helm.run("get", "notes", "chancery", *life.access).stdout
    life.kubectl(
        "delete", "apiservice", THINGS
    )  # first: no namespace goes while an API cannot be asked what it keeps there
    life.kubectl("delete", "validatingwebhookconfiguration", "things")
    life.kubectl("delete", "namespace", SHOP, "--timeout=55s")

    life.helm.run("uninstall", "chancery", "--wait", "--timeout=120s", *life.access, seconds=130)
    life.wait_until(lambda: not life.node.pods_of(NAMESPACE, ""), "the pods are gone")
    for command in notes.partition("When the authority shall be gone for good:")[2].strip().splitlines():
        program, *arguments = shlex.split(command)
        assert program == "kubectl"
        life.kubectl(*arguments, "--timeout=55s")

    made_by_kubernetes = {f"ConfigMap {NAMESPACE}/kube-root-ca.crt", f"ServiceAccount {NAMESPACE}/default"}
    life.wait_until(
        lambda: everything(life) - life.before <= {f"Namespace /{NAMESPACE}", "Node /played-node", *made_by_kubernetes},
        "nothing is left",
    )
    for what, figure in sorted(life.figures.items()):
        print(f"{what}: {figure}")
