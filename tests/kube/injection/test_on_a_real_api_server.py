"""The trust bundle reaches whatever carries the label, and nobody's way of writing these objects is wedged by it."""

import base64
import itertools
import ssl

import pytest
from cryptography import x509

from kube.injection.decisions import decide
from kube.injection.kinds import KINDS as KINDS_OF_TARGETS
from kube.trust.roots import Roots
from tests.kube.ambient import real_clock
from tests.kube.distributing import events_about, seconds_until
from tests.kube.injection.webhook_server import webhook_server
from tests.servers.kubernetes.extension import API_SERVICES, Extension
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.kubernetes.pki import TestAuthority
from tests.servers.test_kubernetes import serving

pytestmark = KUBERNETES

VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EXPIRY = "chancery_kube_injected_expiry_timestamp_seconds"
KINDS = {VALIDATING: "ValidatingWebhookConfiguration", MUTATING: "MutatingWebhookConfiguration"}
LABEL = {"chancery.dev/inject": "true"}
_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    return f"injected-{next(_numbers)}"


def configuration(name, *webhooks, labels=LABEL, path=VALIDATING):
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": KINDS[path],
        "metadata": {"name": name, "labels": labels},
        "webhooks": list(webhooks),
    }


def webhook(name, **client):
    """One that is asked about nothing that there is."""
    return {
        "name": name,
        "clientConfig": client or {"service": {"namespace": "shop", "name": "hook", "path": "/"}},
        "rules": [
            {"apiGroups": ["nowhere.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}
        ],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }


def bundles(world, path):
    """What each webhook of a configuration trusts by."""
    webhooks = world.get(path)["webhooks"]
    return {one["name"]: base64.b64decode(one["clientConfig"].get("caBundle", "")) for one in webhooks}


@pytest.mark.parametrize("path", [VALIDATING, MUTATING])
def test_every_webhook_of_a_configuration_gets_the_bundle_by_service_or_url(world, name, path):
    by_url = webhook("b.shop.example", url="https://127.0.0.1:1/")
    world.create(path, configuration(name, webhook("a.shop.example"), by_url, path=path))
    wanted = {"a.shop.example": world.authority.pem, "b.shop.example": world.authority.pem}
    seconds_until(lambda: bundles(world, f"{path}/{name}") == wanted, "both are injected")

    labels = {"kind": KINDS[path], "namespace": "", "name": name}
    seconds_until(lambda: world.registrar.metric(EXPIRY, **labels), "its expiry is shown")
    seconds_until(lambda: "CaBundleInjected" in events_about(world.cluster, name), "an Event says so")
    end = x509.load_pem_x509_certificate(world.authority.pem).not_valid_after_utc
    assert world.registrar.metric(EXPIRY, **labels) == end.timestamp()


def test_owner_who_applies_removes_renames_and_reorders_webhooks_without_a_conflict(world, name):
    path = f"{VALIDATING}/{name}"

    def apply(*webhooks):
        document = configuration(name, *map(webhook, webhooks))
        done = world.cluster.kubectl("apply", "--server-side", "--filename=-", document=document, check=False)
        assert done.returncode == 0, done.stderr
        wanted = dict.fromkeys(webhooks, world.authority.pem)
        seconds_until(lambda: bundles(world, path) == wanted, f"{webhooks} have the bundle")

    apply("a.shop.example", "b.shop.example")
    apply("b.shop.example")
    apply("renamed.shop.example", "b.shop.example")
    apply("b.shop.example", "c.shop.example", "renamed.shop.example")

    managers = {one["manager"]: one["operation"] for one in world.get(path)["metadata"]["managedFields"]}
    assert managers.pop("kubectl") == "Apply"
    assert set(managers.values()) == {"Update"}


def test_wiped_field_comes_back(world, name, record_property):
    path = f"{VALIDATING}/{name}"
    world.create(VALIDATING, configuration(name, webhook("a.shop.example")))
    seconds_until(lambda: bundles(world, path)["a.shop.example"], "it is injected")
    present = world.get(path)
    del present["webhooks"][0]["clientConfig"]["caBundle"]
    world.cluster.admin.put(path, present)
    elapsed = seconds_until(lambda: bundles(world, path)["a.shop.example"] == world.authority.pem, "it is back")

    record_property("seconds", elapsed)
    print(f"a wiped field was back after {elapsed:.3f} s")


def test_patch_that_was_decided_before_a_rename_changes_nothing(world, name):
    path = f"{VALIDATING}/{name}"
    stale = world.create(VALIDATING, configuration(name, webhook("a.shop.example")))
    seconds_until(lambda: bundles(world, path)["a.shop.example"], "it is injected")
    present = world.get(path)
    present["webhooks"][0]["name"] = "renamed.shop.example"
    renamed = world.cluster.admin.put(path, present)
    roots = Roots.from_pem(world.authority.pem, generation=1, at=real_clock())
    patch = decide(KINDS_OF_TARGETS[0], stale, roots).patch
    kind = "strategic-merge-patch+json"
    conditional = world.cluster.admin.patch(path, patch, kind=kind)
    unconditional = world.cluster.admin.patch(path, {"webhooks": patch["webhooks"]}, kind=kind)

    assert renamed.status == 200
    assert (conditional.status, conditional.reason) == (409, "Conflict")
    assert unconditional.status == 422
    assert bundles(world, path) == {"renamed.shop.example": world.authority.pem}


def test_garbage_is_replaced_and_an_event_says_so(world, name):
    garbled = webhook("a.shop.example", url="https://127.0.0.1:1/", caBundle=base64.b64encode(b"garbage").decode())
    world.create(VALIDATING, configuration(name, garbled))
    seconds_until(
        lambda: bundles(world, f"{VALIDATING}/{name}")["a.shop.example"] == world.authority.pem, "it is replaced"
    )
    seconds_until(lambda: "GarbageReplaced" in events_about(world.cluster, name), "an Event says so")

    assert "a.shop.example" in events_about(world.cluster, name)["GarbageReplaced"]


def test_object_of_others_is_not_touched(world, name):
    mine = base64.b64encode(b"garbage of mine").decode()
    theirs = world.create(
        VALIDATING, configuration(f"{name}-theirs", webhook("a.x.example", url="https://a/", caBundle=mine), labels={})
    )
    no = world.create(
        VALIDATING, configuration(f"{name}-no", webhook("a.x.example"), labels={"chancery.dev/inject": "false"})
    )
    world.create(VALIDATING, configuration(name, webhook("a.shop.example")))
    seconds_until(lambda: bundles(world, f"{VALIDATING}/{name}")["a.shop.example"], "a later one is injected")

    assert world.get(f"{VALIDATING}/{name}-theirs") == theirs
    assert world.get(f"{VALIDATING}/{name}-no") == no


def test_api_service_becomes_available(world, name):
    extension = Extension.publish(world.cluster, namespace=name, name="things")
    api_service = f"v1.{name}.example.com"
    with serving(world.authority.issue_server(extension.server_name)) as (port, _):
        spec = {
            "group": f"{name}.example.com",
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "service": {"namespace": name, "name": "things", "port": port},
        }
        world.create(API_SERVICES, {"metadata": {"name": api_service, "labels": LABEL}, "spec": spec})
        extension.wait_until_available(api_service)
        extension.unregister(api_service)


def test_api_service_that_skips_verification_is_left_alone_with_an_event(world, name):
    api_service = f"v1.{name}.example.com"
    spec = {
        "group": f"{name}.example.com",
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": name, "name": "things", "port": 443},
    }
    world.create(API_SERVICES, {"metadata": {"name": api_service, "labels": LABEL}, "spec": spec})
    seconds_until(lambda: "InsecureSkipTLSVerify" in events_about(world.cluster, api_service), "an Event says why")
    left = world.get(f"{API_SERVICES}/{api_service}")["spec"]
    del left["insecureSkipTLSVerify"]
    assert "caBundle" not in left

    world.cluster.admin.patch(f"{API_SERVICES}/{api_service}", {"spec": {"insecureSkipTLSVerify": False}})
    seconds_until(lambda: "caBundle" in world.get(f"{API_SERVICES}/{api_service}")["spec"], "it is injected after all")
    world.cluster.admin.delete(f"{API_SERVICES}/{api_service}")


def test_conversion_webhook_of_a_crd_is_believed(world, name):
    files = world.authority.issue_server("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    group = f"{name}.example.com"
    with webhook_server(lambda: context) as (port, asked):
        world.create(CRDS, crd(group, f"https://127.0.0.1:{port}/convert"))
        path = f"{CRDS}/things.{group}"
        seconds_until(
            lambda: "caBundle" in world.get(path)["spec"]["conversion"]["webhook"]["clientConfig"], "it is injected"
        )
        world.cluster.wait_until(
            lambda: world.cluster.admin.get(f"/apis/{group}/v1/things").status == 200, "it is served"
        )
        thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one"}}
        world.create(f"/apis/{group}/v1/things", thing)
        world.cluster.wait_until(
            lambda: world.cluster.admin.get(f"/apis/{group}/v2/things/one").status == 200,
            "one version becomes the other",
        )
        spec = world.get(path)["spec"]
        world.cluster.admin.delete(path)

    assert asked[-1].startswith("/convert")
    assert spec["conversion"]["webhook"]["conversionReviewVersions"] == ["v1"]
    assert [one["name"] for one in spec["versions"]] == ["v1", "v2"]


def crd(group, url):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}", "labels": LABEL},
        "spec": {
            "group": group,
            "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
            "scope": "Cluster",
            "versions": [
                {"name": name, "served": True, "storage": name == "v1", "schema": schema} for name in ("v1", "v2")
            ],
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"clientConfig": {"url": url}, "conversionReviewVersions": ["v1"]},
            },
        },
    }


def test_new_roots_reach_everything_at_once(world, name, tmp_path):
    path = f"{VALIDATING}/{name}"
    world.create(VALIDATING, configuration(name, webhook("a.shop.example")))
    seconds_until(lambda: bundles(world, path)["a.shop.example"] == world.authority.pem, "it is injected")
    newcomer = TestAuthority(tmp_path / "ca", "the next root")
    try:
        generation = world.trust.publish(world.authority.pem, newcomer.pem)
        both = world.authority.pem + newcomer.pem
        seconds_until(lambda: bundles(world, path)["a.shop.example"] == both, "both roots are injected")
        seconds_until(lambda: world.trust.reports[-1] == generation, "the authority hears of it")
    finally:
        world.trust.publish(world.authority.pem)
    seconds_until(lambda: bundles(world, path)["a.shop.example"] == world.authority.pem, "one is left")


def test_bundle_that_is_none_changes_nothing(world, name):
    path = f"{VALIDATING}/{name}"
    world.create(VALIDATING, configuration(name, webhook("a.shop.example")))
    seconds_until(lambda: bundles(world, path)["a.shop.example"], "it is injected")
    try:
        world.trust.publish(b"")
        seconds_until(
            lambda: world.registrar.metric("chancery_kube_trust_bundles_refused_total", reason="BUNDLE_EMPTY"),
            "it is refused",
        )
        assert bundles(world, path)["a.shop.example"] == world.authority.pem
    finally:
        world.trust.publish(world.authority.pem)
