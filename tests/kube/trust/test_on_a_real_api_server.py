"""The roots are in the namespaces that asked for them and in a ClusterTrustBundle, and nobody's own objects are touched."""

import itertools

import pytest

from kube.trust.roots import Roots
from tests.kube.ambient import real_clock
from tests.kube.distributing import events_about, seconds_until
from tests.servers.kubernetes.fixtures import KUBERNETES
from tests.servers.kubernetes.pki import TestAuthority

pytestmark = KUBERNETES

BUNDLES = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles"
LABEL = {"chancery.dev/inject": "true"}
_numbers = itertools.count()


@pytest.fixture
def namespace(world) -> str:
    name = f"trust-{next(_numbers)}"
    world.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def opt_in(world, namespace, value="true"):
    world.cluster.admin.patch(
        f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {"chancery.dev/inject": value}}}
    )


def path_in(namespace):
    return f"/api/v1/namespaces/{namespace}/configmaps/chancery-roots"


def roots_in(world, namespace):
    answer = world.cluster.admin.get(path_in(namespace))
    return answer.document["data"]["ca.crt"].encode() if answer.status == 200 else None


def live_bundles(world):
    items = world.get(f"{BUNDLES}?labelSelector=chancery.dev/live%3Dtrue")["items"]
    return [one["spec"]["trustBundle"].encode() for one in items]


def test_namespace_gets_the_roots_when_it_opts_in_and_loses_them_when_it_opts_out(world, namespace):
    opt_in(world, namespace)
    seconds_until(lambda: roots_in(world, namespace) == world.authority.pem, "the roots are there")
    opt_in(world, namespace, "false")

    seconds_until(lambda: roots_in(world, namespace) is None, "the roots are gone")


def test_pod_opts_its_namespace_in_for_as_long_as_it_is_there(world, namespace):
    pods = f"/api/v1/namespaces/{namespace}/pods"
    world.cluster.make_default_account(namespace)
    container = {"name": "app", "image": "app"}
    world.create(pods, {"metadata": {"name": "app", "labels": LABEL}, "spec": {"containers": [container]}})
    seconds_until(lambda: roots_in(world, namespace) == world.authority.pem, "the roots are there")
    world.cluster.admin.delete(f"{pods}/app", {"gracePeriodSeconds": 0})

    seconds_until(lambda: roots_in(world, namespace) is None, "the roots are gone")


def test_config_map_of_somebody_else_is_never_overwritten_and_holds_the_report_back(world, namespace):
    theirs = {"metadata": {"name": "chancery-roots"}, "data": {"ca.crt": "theirs"}}
    stored = world.create(f"/api/v1/namespaces/{namespace}/configmaps", theirs)
    opt_in(world, namespace)
    about = {"kind": "ConfigMap", "namespace": namespace, "name": "chancery-roots"}
    seconds_until(lambda: world.registrar.metric("chancery_kube_trust_lagging", **about) == 1, "a metric names it")
    seconds_until(
        lambda: "ConfigMapNotOurs" in events_about(world.cluster, "chancery-roots", namespace=namespace), "an Event too"
    )
    seconds_until(lambda: world.trust.reports[-1] == 0, "nothing is reported")
    assert world.get(path_in(namespace)) == stored

    world.cluster.admin.delete(path_in(namespace))
    seconds_until(lambda: roots_in(world, namespace) == world.authority.pem, "the roots come when it is gone")
    seconds_until(lambda: world.trust.reports[-1] == world.trust.generation, "and are reported")
    assert world.registrar.metric("chancery_kube_trust_lagging", **about) is None


@pytest.mark.parametrize(
    "patch",
    [
        {"data": None},
        {"data": {"ca.crt": "garbage"}},
        {"data": {"ca.crt": None}, "binaryData": {"ca.crt": "AAAA"}},
        {"data": {"ca.crt": "garbage"}, "immutable": True},
    ],
)
def test_roots_that_somebody_changes_come_back(world, namespace, patch):
    opt_in(world, namespace)
    seconds_until(lambda: roots_in(world, namespace), "the roots are there")
    changed = world.cluster.admin.patch(path_in(namespace), patch)
    elapsed = seconds_until(
        lambda: world.get(path_in(namespace)).get("data", {}).get("ca.crt", "").encode() == world.authority.pem,
        "they are back",
    )

    assert changed.status == 200
    print(f"back after {elapsed:.3f} s")


def test_deleted_config_map_comes_back(world, namespace):
    opt_in(world, namespace)
    seconds_until(lambda: roots_in(world, namespace), "the roots are there")
    world.cluster.admin.delete(path_in(namespace))

    seconds_until(lambda: roots_in(world, namespace) == world.authority.pem, "they are back")


def test_cluster_trust_bundles_succeed_one_another(world, tmp_path):
    newcomer = TestAuthority(tmp_path / "ca", "the next root")
    both = world.authority.pem + newcomer.pem
    seconds_until(lambda: live_bundles(world) == [world.authority.pem], "the bundle is live")
    foreign = {
        "apiVersion": "certificates.k8s.io/v1beta1",
        "kind": "ClusterTrustBundle",
        "metadata": {"name": "chancery.dev:workload:by-hand"},
        "spec": {"signerName": "chancery.dev/workload", "trustBundle": newcomer.pem.decode()},
    }
    stored = world.create(BUNDLES, foreign)
    try:
        generation = world.trust.publish(both)
        seconds_until(lambda: live_bundles(world) == [both], "the new one is live, and it alone")
        seconds_until(lambda: len(world.get(BUNDLES)["items"]) == 2, "the old one is deleted")
        seconds_until(lambda: world.trust.reports[-1] == generation, "the authority hears of it")
        assert world.get(f"{BUNDLES}/chancery.dev:workload:by-hand") == stored
        [ours] = [one for one in world.get(BUNDLES)["items"] if one["metadata"]["name"] != stored["metadata"]["name"]]
        world.cluster.admin.patch(
            f"{BUNDLES}/{ours['metadata']['name']}", {"spec": {"trustBundle": newcomer.pem.decode()}}
        )
        seconds_until(lambda: live_bundles(world) == [both], "what somebody changed is restored")
    finally:
        world.trust.publish(world.authority.pem)
        world.cluster.admin.delete(f"{BUNDLES}/chancery.dev:workload:by-hand")
    seconds_until(lambda: live_bundles(world) == [world.authority.pem], "the first is live again")


def test_what_is_published_is_what_was_verified(world, namespace, tmp_path):
    newcomer = TestAuthority(tmp_path / "ca", "the next root")
    opt_in(world, namespace)
    try:
        world.trust.publish(b"# today's\n" + world.authority.pem.replace(b"\n", b"\r\n"), newcomer.pem)
        plain = world.authority.pem + newcomer.pem
        seconds_until(lambda: roots_in(world, namespace) == plain, "without comments and carriage returns")
    finally:
        world.trust.publish(world.authority.pem)
    assert Roots.from_pem(plain, generation=1, at=real_clock()).pem == plain
