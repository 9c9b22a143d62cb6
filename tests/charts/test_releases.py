"""Releases on a real API server, by both majors of Helm: installed, upgraded, rolled back, uninstalled.

- Nothing runs in the pods, and nobody makes them: what is tried is what Helm does to the objects, and who owns which field.
- The injector is played by writing the caBundle as it does: by a patch that updates (docs/kubernetes.md).
"""

import base64
import contextlib
import itertools
import json
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.charts.conftest import CHART
from tests.servers.helm.commands import Helm
from tests.servers.kubernetes.control_plane import ControlPlane
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = [*KUBERNETES, pytest.mark.timeout(240)]

BUNDLE = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()
KINDS = (
    "statefulsets,deployments,services,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,"
    "clusterroles,clusterrolebindings,apiservices,mutatingwebhookconfigurations,validatingwebhookconfigurations,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions"
)
LEFT = "secrets,persistentvolumeclaims,leases,configmaps"
REGISTRATIONS = {
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
}
SERVERS = {
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "Deployment": "/apis/apps/v1/deployments",
    "Service": "/api/v1/services",
}
DEFINITIONS = ("issuers.chancery.dev", "clusterissuers.chancery.dev")
_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release, of groups of reports that no other test has."""

    helm: Helm
    cluster: ControlPlane
    name: str

    @property
    def groups(self) -> list[dict[str, str]]:
        return [{"group": f"{letter}.{self.name}.example", "version": "v1"} for letter in "ab"]

    def values(self, groups: list[dict[str, str]] | None = None, **others: Any) -> dict[str, Any]:
        """Definitions go with the release, so that the next one may have them, where nothing else is said."""
        said = {"apiserver": {"apiServices": self.groups if groups is None else groups}}
        return said | {"controller": {"crds": {"keep": False}}} | others

    def helm_run(self, *arguments: str, values: dict[str, Any] | None = None, check: bool = True):
        where = (f"--kubeconfig={self.cluster.admin_kubeconfig}", f"--namespace={self.name}")
        return self.helm.run(*arguments, *where, values=values, check=check)

    def install(self, **others: Any) -> str:
        return self.helm_run(
            "install", self.name, str(CHART), "--create-namespace", values=self.values(**others)
        ).stdout

    def upgrade(self, groups: list[dict[str, str]] | None = None, **others: Any) -> None:
        self.helm_run("upgrade", self.name, str(CHART), values=self.values(groups, **others))

    def found(self) -> set[str]:
        """The objects of the release, in whatever namespace."""
        said = self.cluster.kubectl(
            "get", KINDS, "--all-namespaces", f"--selector=app.kubernetes.io/instance={self.name}", "--output=json"
        )
        return {f"{each['kind']}/{each['metadata']['name']}" for each in json.loads(said.stdout)["items"]}

    def pods(self) -> dict[str, str]:
        """The image of each container, by workload and name."""
        said = self.cluster.kubectl("get", "statefulsets,deployments", f"--namespace={self.name}", "--output=json")
        specs = {
            each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in json.loads(said.stdout)["items"]
        }
        return {
            f"{name}/{container['name']}": container["image"]
            for name, spec in specs.items()
            for container in (*spec.get("initContainers", ()), *spec["containers"])
        }

    def api_service(self, group: dict[str, str]) -> dict[str, Any]:
        said = self.cluster.kubectl("get", "apiservice", f"{group['version']}.{group['group']}", "--output=json")
        return dict(json.loads(said.stdout))

    def inject(self, group: dict[str, str]) -> None:
        self.cluster.kubectl(
            *("patch", "apiservice", f"{group['version']}.{group['group']}", "--type=merge"),
            *("--field-manager=chancery-controller", f"--patch={json.dumps({'spec': {'caBundle': BUNDLE}})}"),
        )


@pytest.fixture
def begin(control_plane):
    """Makes a release that ends with the test."""
    begun = []

    def begin(helm: Helm) -> Release:
        begun.append(Release(helm=helm, cluster=control_plane, name=f"r{next(_numbers)}-helm{helm.program.major}"))
        return begun[-1]

    yield begin
    for release in begun:  # a dead APIService would be in the way of other tests
        release.helm_run("uninstall", release.name, check=False)
    control_plane.kubectl("delete", "customresourcedefinitions", *DEFINITIONS, "--ignore-not-found", "--wait=false")


@pytest.fixture
def release(begin, helm) -> Release:
    return begin(helm)


@pytest.fixture
def each_release(begin, each_helm) -> Release:
    """Where the majors might differ: in how they apply, and in what order they delete."""
    return begin(each_helm)


def test_install_makes_what_is_rendered(each_release):
    release = each_release
    notes = release.install()
    rendered = release.helm.render(CHART, release=release.name, namespace=release.name, values=release.values())

    assert release.found() == {
        f"{each['kind']}/{each['metadata']['name']}" for each in yaml.safe_load_all(rendered) if each
    }
    assert f"{release.name}-chancery-ca.{release.name}.svc, trust domain cluster.local" in notes


def test_bundle_outlives_upgrade_and_rollback(each_release):
    release = each_release
    first, second = release.groups
    third = {"group": f"c.{release.name}.example", "version": "v1"}
    release.install()
    release.inject(first)

    release.upgrade([first, third], additionalLabels={"changed": "yes"})
    upgraded = release.found()
    kept = release.api_service(first)
    release.inject(third)
    release.helm_run("rollback", release.name, "1")

    assert f"APIService/v1.{third['group']}" in upgraded
    assert f"APIService/v1.{second['group']}" not in upgraded
    assert (kept["spec"]["caBundle"], kept["metadata"]["labels"]["changed"]) == (BUNDLE, "yes")
    assert release.api_service(first)["spec"]["caBundle"] == BUNDLE
    assert "changed" not in release.api_service(first)["metadata"]["labels"]
    assert {f"APIService/v1.{each['group']}" for each in release.groups} <= release.found()
    assert f"APIService/v1.{third['group']}" not in release.found()


def test_upgrade_that_changes_nothing_changes_nothing(release):
    release.install()
    before = release.api_service(release.groups[0])["metadata"]
    authority = ("get", "statefulset", f"{release.name}-chancery-ca", f"--namespace={release.name}", "--output=json")
    generation = json.loads(release.cluster.kubectl(*authority).stdout)["metadata"]["generation"]

    release.upgrade()

    assert release.api_service(release.groups[0])["metadata"]["uid"] == before["uid"]
    assert json.loads(release.cluster.kubectl(*authority).stdout)["metadata"]["generation"] == generation


def test_authority_moves_to_a_database_and_grows_and_moves_back(release):
    release.install()
    before = release.found()

    release.upgrade(ca={"replicaCount": 3, "database": {"existingSecret": "database"}})
    found = release.found()
    release.upgrade()

    assert f"Deployment/{release.name}-chancery-ca" in found
    assert f"StatefulSet/{release.name}-chancery-ca" not in found
    assert f"PodDisruptionBudget/{release.name}-chancery-ca" in found
    assert release.found() == before


def test_another_release_of_the_chart_rolls_every_pod_and_is_rolled_back(each_release, tmp_path):
    """Values are kept; selectors and claims are as they were, or the API server would refuse the whole."""
    release = each_release
    later = tmp_path / "chancery"
    shutil.copytree(CHART, later)
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (later / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "0.2.0+git.1", "appVersion": "0.2.0+git.1"}))
    kept = {"injector": {"failurePolicy": {"namespaces": "Ignore"}}}
    release.install(**kept)
    first, _ = release.groups
    release.inject(first)
    made, before = release.found(), release.pods()

    release.helm_run("upgrade", release.name, str(later), "--reset-then-reuse-values")
    upgraded, kept_bundle = release.pods(), release.api_service(first)["spec"].get("caBundle")
    policies = {each["failurePolicy"] for each in webhooks_of(release, f"{release.name}-chancery-injector-namespaces")}
    release.helm_run(
        "upgrade", release.name, str(later), "--reset-then-reuse-values", values={"image": {"tag": "0.3.0"}}
    )
    tagged = release.pods()
    release.helm_run("rollback", release.name, "1")

    assert set(before.values()) == {f"chancery:{about['appVersion']}"}
    assert upgraded == dict.fromkeys(before, "chancery:0.2.0_git.1")
    assert tagged == dict.fromkeys(before, "chancery:0.3.0")
    assert (kept_bundle, policies) == (BUNDLE, {"Ignore"})
    assert (release.found(), release.pods()) == (made, before)
    assert release.api_service(first)["spec"]["caBundle"] == BUNDLE


def test_refused_values_leave_the_release_as_it_was(release):
    release.install()
    before = release.found()

    refused = release.helm_run(
        "upgrade", release.name, str(CHART), values=release.values(ca={"replicaCount": 2}), check=False
    )

    assert refused.returncode
    assert "ca.replicaCount: 2 replicas need a PostgreSQL database" in refused.stderr
    assert release.found() == before
    release.upgrade()


def test_uninstall_leaves_what_notes_say_and_they_say_how_to_be_rid_of_it(each_release):
    release = each_release
    notes = release.install()
    kubectl, namespace = release.cluster.kubectl, f"--namespace={release.name}"
    for secret in ("roots", "passphrase"):  # as the authority makes them, at its first start
        kubectl("create", "secret", "generic", f"{release.name}-chancery-ca-{secret}", namespace)
    workload = json.loads(kubectl("get", "statefulset", f"{release.name}-chancery-ca", namespace, "-o", "json").stdout)
    (template,) = workload["spec"]["volumeClaimTemplates"]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**template["metadata"], "name": "data-ca-0"},
        "spec": {key: value for key, value in template["spec"].items() if key != "volumeMode"},
    }
    kubectl("create", "-f", "-", namespace, document=claim)  # as the StatefulSet's controller makes it
    kubectl("create", "-f", "-", namespace, document=lease_of(release))
    published = {"name": "chancery-roots", "labels": {"chancery.dev/published-by": "registrar"}}
    kubectl("create", "-f", "-", namespace, document={"apiVersion": "v1", "kind": "ConfigMap", "metadata": published})

    release.helm_run("uninstall", release.name)

    assert release.found() == set()
    assert names_of(release, LEFT) == {
        f"{release.name}-chancery-ca-roots",
        f"{release.name}-chancery-ca-passphrase",
        f"{release.name}-chancery-controller",
        "chancery-roots",
        "data-ca-0",
    }
    commands = re.findall(r"^  kubectl (.* delete .*|delete .*)$", notes, re.MULTILINE)
    for command in commands:
        kubectl(*shlex.split(command), "--wait=false")
    assert len(commands) == 5
    assert names_of(release, LEFT) == set()


def test_uninstall_begins_with_what_the_cluster_would_call_in_vain(each_release):
    """A dead APIService is in the way of namespaces and discovery everywhere. Helm 3 has no place for webhook configurations in its
    order, and deletes them last."""
    release = each_release
    release.install()
    installed = release.found()
    paths = (*REGISTRATIONS.values(), *SERVERS.values())
    now = {path: release.cluster.admin.get(path).document["metadata"]["resourceVersion"] for path in paths}

    release.helm_run("uninstall", release.name)

    gone: dict[str, int] = {}
    for kind, path in (REGISTRATIONS | SERVERS).items():
        gone |= deletions(release, path, now[path], {each for each in installed if each.startswith(f"{kind}/")})
    of_kind = {kind: [gone[each] for each in gone if each.startswith(f"{kind}/")] for kind in REGISTRATIONS | SERVERS}
    servers = [revision for kind in SERVERS for revision in of_kind[kind]]
    assert gone.keys() == {each for each in installed if each.split("/")[0] in of_kind}
    assert all(of_kind.values())
    assert max(of_kind["APIService"]) < min(servers)
    webhooks = of_kind["MutatingWebhookConfiguration"]
    assert max(webhooks) < min(servers) if release.helm.program.major > 3 else min(webhooks) > max(servers)


def deletions(release: Release, path: str, since: str, installed: set[str]) -> dict[str, int]:
    """What was deleted of the release, and at which revision of all that the cluster stores; until all that was installed is."""
    gone: dict[str, int] = {}
    with (
        contextlib.suppress(StopIteration),
        release.cluster.admin.watch(path, resourceVersion=since, timeoutSeconds=30) as watch,
    ):
        while installed - gone.keys():
            event = watch.next()
            each = event["object"]["metadata"]
            ours = each.get("labels", {}).get("app.kubernetes.io/instance") == release.name
            if event["type"] == "DELETED" and ours:
                gone[f"{event['object']['kind']}/{each['name']}"] = int(each["resourceVersion"])
    return gone


def test_install_again_takes_up_what_was_left(release):
    release.install()
    release.helm_run("uninstall", release.name)

    release.install()

    assert f"StatefulSet/{release.name}-chancery-ca" in release.found()


def test_definitions_and_issuers_outlive_the_release_where_they_are_kept(release):
    kept = {"controller": {"crds": {"keep": True}}}
    notes = release.install(**kept)
    issuer = {"apiVersion": "chancery.dev/v1alpha1", "kind": "ClusterIssuer", "metadata": {"name": release.name}}
    release.cluster.wait_until(
        lambda: not release.cluster.kubectl("create", "-f", "-", document=issuer, check=False).returncode,
        "the definition is established",
    )

    release.helm_run("uninstall", release.name)

    assert release.found() == {f"CustomResourceDefinition/{each}" for each in DEFINITIONS}
    assert release.cluster.kubectl("get", "clusterissuer", release.name, "--output=name").stdout
    assert f"kubectl delete customresourcedefinitions {' '.join(DEFINITIONS)}" in notes
    release.install(**kept)  # takes them up again


def test_webhook_configurations_that_come_go_and_are_renamed_keep_what_was_injected(each_release):
    """One entry to a configuration: what is renamed is another object, and no half of an entry is left over (Helm 4 applies)."""
    release = each_release
    configurations = [f"{release.name}-chancery-injector-{what}" for what in ("pods", "namespaces")]
    release.install(injector={"enabled": False})
    release.upgrade(injector={"enabled": True})
    for name, entry in zip(configurations, ("pods", "namespaces"), strict=True):
        inject_webhook(release, name, f"{entry}.injector.chancery.dev")

    release.upgrade(injector={"failurePolicy": {"pods": "Ignore"}})
    changed = [webhook_of(release, name) for name in configurations]
    release.upgrade(fullnameOverride="renamed", injector={"enabled": True})
    renamed = release.found()
    release.helm_run("rollback", release.name, "3")

    assert [(each["failurePolicy"], each["clientConfig"]["caBundle"]) for each in changed] == [
        ("Ignore", BUNDLE),
        ("Fail", BUNDLE),
    ]
    assert {each for each in renamed if each.startswith("Mutating")} == {
        f"MutatingWebhookConfiguration/renamed-injector-{what}" for what in ("pods", "namespaces")
    }
    assert "caBundle" not in webhook_of(release, configurations[0])["clientConfig"]
    release.upgrade(injector={"enabled": False})
    assert [each for each in release.found() if each.startswith("Mutating")] == []


def test_entry_that_a_later_chart_renames_is_replaced_whole(each_release, tmp_path):
    release = each_release
    release.install()
    name = f"{release.name}-chancery-injector-pods"
    inject_webhook(release, name, "pods.injector.chancery.dev")
    later = tmp_path / "chancery"
    shutil.copytree(CHART, later)
    template = later / "templates" / "injector" / "webhooks.yaml"
    template.write_text(template.read_text().replace("$what }}.injector.chancery", "$what }}.renamed.chancery"))

    release.helm_run("upgrade", release.name, str(later), values=release.values())

    (entry,) = webhooks_of(release, name)
    assert entry["name"] == "pods.renamed.chancery.dev"
    assert entry["clientConfig"].get("caBundle") in {None, ""}


def inject_webhook(release: Release, configuration: str, entry: str) -> None:
    patch = {"webhooks": [{"name": entry, "clientConfig": {"caBundle": BUNDLE}}]}
    release.cluster.kubectl(
        *("patch", "mutatingwebhookconfiguration", configuration, "--type=strategic"),
        *("--field-manager=chancery-controller", f"--patch={json.dumps(patch)}"),
    )


def webhooks_of(release: Release, configuration: str) -> list[dict[str, Any]]:
    said = release.cluster.kubectl("get", "mutatingwebhookconfiguration", configuration, "--output=json")
    return list(json.loads(said.stdout)["webhooks"])


def webhook_of(release: Release, configuration: str) -> dict[str, Any]:
    (entry,) = webhooks_of(release, configuration)
    return entry


@pytest.mark.parametrize(
    "how", [("--server-side", "--field-manager=argocd-controller"), ()], ids=["server-side", "three-way"]
)
def test_apply_as_by_argo_cd_never_conflicts_and_leaves_bundles(release, how):
    """The second is its default: what was applied last, what is to be, and what there is."""
    kubectl = release.cluster.kubectl
    kubectl("create", "namespace", release.name)
    apply = ("apply", *how, "--filename=-")
    first, second = release.groups
    webhook = f"{release.name}-chancery-injector-pods"

    def rendered(groups, **others):
        values = release.values(groups, **others)
        text = release.helm.render(CHART, release=release.name, namespace=release.name, values=values)
        return {"apiVersion": "v1", "kind": "List", "items": [each for each in yaml.safe_load_all(text) if each]}

    try:
        kubectl(*apply, document=rendered([first, second]))
        release.inject(first)
        inject_webhook(release, webhook, "pods.injector.chancery.dev")
        kubectl(*apply, document=rendered([first, second]))
        kubectl(*apply, document=rendered([first, second], injector={"timeoutSeconds": 7}))

        assert release.api_service(first)["spec"]["caBundle"] == BUNDLE
        entry = webhook_of(release, webhook)
        assert (entry["clientConfig"]["caBundle"], entry["timeoutSeconds"]) == (BUNDLE, 7)
    finally:
        kubectl("delete", "--filename=-", "--wait=false", document=rendered([first, second]))


def lease_of(release: Release) -> dict[str, Any]:
    metadata = {"name": f"{release.name}-chancery-controller"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}


def names_of(release: Release, kinds: str) -> set[str]:
    """Of what is not on its way out already."""
    said = release.cluster.kubectl("get", kinds, f"--namespace={release.name}", "--output=json")
    return {
        each["metadata"]["name"]
        for each in json.loads(said.stdout)["items"]
        if "deletionTimestamp" not in each["metadata"] and each["metadata"]["name"] != "kube-root-ca.crt"
    }
