"""What a pod gets, in each mode, and what it keeps."""

import dataclasses

import pytest

from kube.admission.errors import FeaturesUnknown, InjectionRefused
from kube.admission.settings import TrustSource
from tests.kube.admission.pods_for_tests import (
    INJECTION,
    NEW,
    OLD,
    USUAL,
    arguments,
    container,
    injected,
    patched,
    pod_of,
)

IDENTITY = {
    "name": "chancery-identity",
    "mountPath": "/var/run/secrets/chancery.dev/tls",
    "readOnly": True,
}


def paths(result):
    return [operation["path"] for operation in result.patch]


def volume(pod, name):
    (found,) = [one for one in pod["spec"]["volumes"] if one["name"] == name]
    return found


def test_pod_without_anything_gets_each_list_before_what_stands_in_it():
    result = injected(pod_of(securityContext={"fsGroup": 1}))

    assert paths(result) == [
        "/spec/volumes",
        "/spec/volumes/-",
        "/spec/volumes/-",
        "/spec/initContainers",
        "/spec/initContainers/0",
        "/spec/containers/0/volumeMounts",
        "/spec/containers/0/volumeMounts/-",
        "/metadata/annotations",
        "/metadata/annotations/chancery.dev~1injected",
    ]
    assert all(operation["op"] == "add" for operation in result.patch)


def test_lists_that_are_there_are_added_to_and_empty_ones_count_as_there():
    pod = pod_of(
        annotations={}, volumes=[{"name": "data", "emptyDir": {}}], initContainers=[], securityContext={"fsGroup": 1}
    )
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]

    assert paths(injected(pod)) == [
        "/spec/volumes/-",
        "/spec/volumes/-",
        "/spec/initContainers/0",
        "/spec/containers/0/volumeMounts/-",
        "/metadata/annotations/chancery.dev~1injected",
    ]


def test_null_counts_as_absent():
    pod = pod_of(volumes=None, initContainers=None, securityContext=None)
    pod["metadata"]["annotations"] = None

    assert len(patched(pod)["spec"]["volumes"]) == 2


def test_pod_without_metadata_gets_one_where_its_namespace_asks():
    assert patched({"spec": {"containers": [{"name": "web"}]}})["metadata"]["annotations"] == {
        "chancery.dev/injected": "v1-sidecar"
    }


def test_other_init_containers_are_mounted_one_further_on_and_keep_their_restart_policy():
    others = [{"name": "migrate", "image": "m"}, {"name": "proxy", "image": "p", "restartPolicy": "Always", "newer": 1}]
    pod = pod_of(initContainers=others)
    stored = patched(pod)

    assert [one["name"] for one in stored["spec"]["initContainers"]] == ["chancery-agent", "migrate", "proxy"]
    assert stored["spec"]["initContainers"][1:] == [{**one, "volumeMounts": [IDENTITY]} for one in others]


def test_sidecar_starts_before_all_others_and_shows_when_it_is_ready():
    agent = container(patched(pod_of()), "chancery-agent")

    assert agent["restartPolicy"] == "Always"
    assert agent["startupProbe"]["exec"]["command"] == ["ca-cli", "agent", "ready"]
    assert agent["args"] == [
        "agent",
        "--server=https://ca.chancery.svc:8111",
        "--key-mode=0440",
        "--formats=bundle,pem",
    ]
    assert {mount["mountPath"]: mount["name"] for mount in agent["volumeMounts"]} == {
        "/var/run/secrets/chancery.dev/tls": "chancery-identity",
        "/var/run/secrets/chancery.dev/bootstrap": "chancery-bootstrap",
        "/var/run/secrets/kubernetes.io/serviceaccount": "chancery-bootstrap",
    }


def test_bootstrap_volume_has_a_token_for_the_authority_and_the_roots_readable_by_the_agent():
    projected = volume(patched(pod_of()), "chancery-bootstrap")["projected"]

    assert projected["defaultMode"] == 0o644
    assert projected["sources"] == [
        {"serviceAccountToken": {"audience": "chancery.dev", "expirationSeconds": 3600, "path": "token"}},
        {"configMap": {"name": "chancery-roots", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]


def test_roots_come_from_a_cluster_trust_bundle_where_that_is_said():
    injection = dataclasses.replace(INJECTION, trust_source=TrustSource.CLUSTER_TRUST_BUNDLE)
    (_, roots) = volume(patched(pod_of(), injection=injection), "chancery-bootstrap")["projected"]["sources"]

    assert roots["clusterTrustBundle"]["signerName"] == "chancery.dev/workload"


def test_kubelet_is_asked_where_cluster_and_wishes_allow_it():
    stored = patched(pod_of("web", "logs", annotations={"duration": "2h"}), features=NEW)
    certificate, roots = volume(stored, "chancery-identity")["projected"]["sources"]

    assert certificate["podCertificate"] == {
        "signerName": "chancery.dev/workload",
        "keyType": "ECDSAP256",
        "maxExpirationSeconds": 7200,
        "keyPath": "tls.key",
        "certificateChainPath": "tls.crt",
        "credentialBundlePath": "bundle.pem",
    }
    assert roots["configMap"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert "initContainers" not in stored["spec"]
    assert [one["volumeMounts"] for one in stored["spec"]["containers"]] == [[IDENTITY], [IDENTITY]]
    assert stored["metadata"]["annotations"]["chancery.dev/injected"] == "v1-podCertificate"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dns", "web.shop.svc"),
        ("formats", "pem,jks"),
        ("reload", "http://127.0.0.1:9000/reload"),
        ("key-mode", "0444"),
        ("duration", "30m"),
    ],
)
def test_what_the_kubelet_cannot_do_is_done_by_an_agent_unless_the_kubelet_was_asked_for(name, value):
    stored = patched(pod_of(annotations={name: value}), features=NEW)

    assert stored["metadata"]["annotations"]["chancery.dev/injected"] == "v1-sidecar"
    with pytest.raises(InjectionRefused, match=rf"^chancery\.dev/{name}: .*choose the mode sidecar"):
        injected(pod_of(annotations={"mode": "podCertificate", name: value}), features=NEW)


def test_old_clusters_get_an_init_container_and_a_plain_sidecar():
    stored = patched(pod_of(annotations={"reload": "http://127.0.0.1:9000/"}), features=OLD)
    first, agent = container(stored, "chancery-agent-init"), container(stored, "chancery-agent")

    assert [one["name"] for one in stored["spec"]["containers"]] == ["web", "chancery-agent"]
    assert first["args"][-1] == "--once"
    assert not {"restartPolicy", "startupProbe", "livenessProbe"} & set(first)
    assert not {"restartPolicy", "startupProbe"} & set(agent)
    assert agent["args"][-1] == "--reload=http://127.0.0.1:9000/"
    assert "volumeMounts" in stored["spec"]["containers"][0]


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_pod_that_ends_has_no_agent_that_would_keep_it_from_it(policy):
    result = injected(pod_of(restartPolicy=policy), features=OLD)
    stored = patched(pod_of(restartPolicy=policy), features=OLD)

    assert [one["name"] for one in stored["spec"]["containers"]] == ["web"]
    assert ("--patience=10m" in arguments(stored, "chancery-agent-init")) == (policy == "Never")
    assert "its certificate is not renewed" in result.warnings[0]


@pytest.mark.parametrize("mode", ["podCertificate", "sidecar", "init"])
def test_annotation_decides_about_the_mode(mode):
    stored = patched(pod_of(annotations={"mode": mode}), features=NEW)

    assert stored["metadata"]["annotations"]["chancery.dev/injected"] == f"v1-{mode}"


@pytest.mark.parametrize(("mode", "features"), [("podCertificate", USUAL), ("sidecar", OLD)])
def test_mode_that_the_cluster_would_drop_is_refused(mode, features):
    with pytest.raises(InjectionRefused) as refused:
        injected(pod_of(annotations={"mode": mode}), features=features)

    assert [fault.reason for fault in refused.value.faults] == ["MODE_NOT_SUPPORTED"]


@pytest.mark.parametrize("mode", ["sidecar", "podCertificate"])
def test_operators_mode_is_had_by_who_asks_for_it_whatever_a_node_says_of_itself(mode):
    pod = pod_of(annotations={"mode": mode})

    assert injected(pod, features=OLD, injection=dataclasses.replace(INJECTION, mode=mode)).mode == mode


def test_operators_mode_is_that_of_pods_that_ask_for_none_or_for_what_it_cannot_do():
    fixed = dataclasses.replace(INJECTION, mode="podCertificate")

    assert injected(pod_of(), features=None, injection=fixed).mode == "podCertificate"
    assert injected(pod_of(annotations={"dns": "a.shop.svc"}), features=None, injection=fixed).mode == "sidecar"
    assert injected(pod_of(annotations={"mode": "init"}), features=None, injection=fixed).mode == "init"


def test_cluster_that_was_not_asked_yet_decides_nothing():
    with pytest.raises(FeaturesUnknown):
        injected(pod_of(), features=None)


def test_wishes_become_flags_of_the_agent():
    wishes = {
        "duration": "90m",
        "dns": "web.shop.svc, web.shop.svc.cluster.local,web.shop.svc",
        "dir": "/etc/tls",
        "key-mode": "0444",
        "formats": "pkcs12,jks",
        "reload": "http://127.0.0.1:9000/reload",
        "containers": "web",
    }
    stored = patched(pod_of("web", "logs", annotations=wishes))

    assert arguments(stored)[2:] == [
        "--key-mode=0444",
        "--formats=jks,pem,pkcs12",
        "--ttl=1h30m",
        "--dns=web.shop.svc",
        "--dns=web.shop.svc.cluster.local",
        "--reload=http://127.0.0.1:9000/reload",
    ]
    assert container(stored, "web")["volumeMounts"] == [{**IDENTITY, "mountPath": "/etc/tls"}]
    assert "volumeMounts" not in container(stored, "logs")


def test_names_are_those_by_which_services_of_the_namespace_are_reached():
    names = "Web.shop web.shop.svc,web.shop.svc.example.com\nweb-0.web.shop.svc"

    injection = dataclasses.replace(INJECTION, cluster_domain="example.com")
    stored = patched(pod_of(annotations={"dns": names}), injection=injection)

    asked = [one.removeprefix("--dns=") for one in arguments(stored)[4:]]
    assert asked == ["web.shop", "web.shop.svc", "web.shop.svc.example.com", "web-0.web.shop.svc"]


def test_container_that_mounts_the_volume_itself_keeps_its_own_mount():
    pod = pod_of()
    own = [{"name": "chancery-identity", "mountPath": "/somewhere"}]
    pod["spec"]["containers"][0]["volumeMounts"] = own

    assert container(patched(pod), "web")["volumeMounts"] == own


def test_volume_that_the_owner_made_in_our_form_is_used():
    pod = pod_of(volumes=[{"name": "chancery-identity", "emptyDir": {"medium": "Memory"}}])
    stored = patched(pod, features=NEW)

    assert [one["name"] for one in stored["spec"]["volumes"]] == ["chancery-identity", "chancery-bootstrap"]
    assert stored["metadata"]["annotations"]["chancery.dev/injected"] == "v1-sidecar"


@pytest.mark.parametrize("features", [OLD, USUAL, NEW])
def test_second_time_changes_nothing_also_when_others_added_to_it(features):
    once = patched(pod_of("web", annotations={"containers": "web"}), features=features)
    for one in [*once["spec"].get("initContainers", []), *once["spec"]["containers"]]:
        one.setdefault("volumeMounts", []).append({"name": "kube-api-access", "mountPath": "/var/run/secrets/k"})
        one["terminationMessagePath"] = "/dev/termination-log"

    assert injected(once, features=features).patch == ()
    assert injected(once, features=None).patch == ()


def test_container_that_another_webhook_added_since_gets_the_files_in_the_mode_of_before():
    once = patched(pod_of(), features=OLD)
    once["spec"]["containers"].append({"name": "late", "image": "l"})

    assert paths(injected(once, features=NEW)) == [
        "/spec/containers/2/volumeMounts",
        "/spec/containers/2/volumeMounts/-",
    ]


def test_annotation_copied_from_another_pod_does_not_pass_for_an_identity():
    assert len(patched(pod_of(annotations={"injected": "v1-init"}))["spec"]["volumes"]) == 2


@pytest.mark.parametrize(
    "pod",
    [
        pod_of(label="false"),
        {
            **pod_of(),
            "metadata": {
                "annotations": {"kubernetes.io/config.mirror": "x"},
                "labels": {"chancery.dev/inject": "true"},
            },
        },
    ],
    ids=["opted out", "mirror of a static pod"],
)
def test_pod_is_left_alone(pod):
    assert injected(pod) == type(injected(pod))()


@pytest.mark.parametrize(
    "spec",
    [{"hostNetwork": True}, {"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}],
)
def test_unsuitable_pod_is_refused_where_it_asks_itself_and_left_alone_where_its_namespace_does(spec):
    with pytest.raises(InjectionRefused):
        injected(pod_of(**spec))
    result = injected(pod_of(label="", **spec))

    assert result.patch == ()
    assert "left without an identity" in result.warnings[0]


def test_pod_of_the_hosts_network_is_injected_where_that_is_allowed():
    assert injected(pod_of(hostNetwork=True), injection=dataclasses.replace(INJECTION, host_network=True)).patch


def test_annotation_written_wrong_is_warned_of():
    assert injected(pod_of(annotations={"durration": "1h"})).warnings == ("chancery.dev/durration: no such annotation",)


@pytest.mark.parametrize("mode", ["sidecar", "init"])
def test_agent_is_within_what_the_pod_requests_as_a_whole(mode):
    pod = pod_of(annotations={"mode": mode}, resources={"requests": {"memory": "64Mi"}})
    spec = patched(pod)["spec"]
    agents = [one for one in (*spec["initContainers"], *spec["containers"]) if one["name"].startswith("chancery-")]

    assert [one["resources"]["requests"] for one in agents] == [{"cpu": "5m", "memory": "0"}] * len(agents)
    assert all(one["resources"]["limits"]["memory"] == "96Mi" for one in agents)
