"""What is refused, with which reason, where and in which words."""

from dataclasses import replace

import pytest

from kube.admission.errors import InjectionRefused
from kube.admission.injection import inject
from kube.admission.pods import MOST_CONTAINERS, MOST_VOLUMES
from tests.kube.admission.pods_for_tests import INJECTION, USUAL, injected, patched, pod_of


def refusal(pod, **options):
    with pytest.raises(InjectionRefused) as refused:
        injected(pod, **options)
    return refused.value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mode", "daemon", "choose from podCertificate, sidecar, init"),
        ("mode", "", "choose from"),
        ("duration", "a day", "write it like"),
        ("duration", "1m", "from 5m to 90d"),
        ("duration", "91d", "from 5m to 90d"),
        ("duration", "9" * 40 + "d", "write it like"),
        ("dns", "*.shop.svc", "no name of a Service"),
        ("dns", "*.web.shop.svc", "no name of a Service"),
        ("dns", "web", "write SERVICE.shop.svc"),
        ("dns", "web.other.svc", "no name of a Service in the pod's namespace"),
        ("dns", "web.other.svc.cluster.local", "no name of a Service"),
        ("dns", "web.shop.com", "no name of a Service"),
        ("dns", "web-0.web.shop", "no name of a Service"),
        ("dns", "web.shop.svc.example", "no name of a Service"),
        ("dns", "-web", "."),
        ("dns", " ".join(f"s{number}.shop.svc" for number in range(100)), "at most 99"),
        ("dir", "tls", "absolute directory"),
        ("dir", "/", "absolute directory"),
        ("dir", "/a/../etc", "absolute directory"),
        ("dir", "/a//b", "absolute directory"),
        ("dir", "/a:b", "absolute directory"),
        ("dir", "/" + "a" * 300, "absolute directory"),
        ("dir", "/etc", "another use"),
        ("dir", "/proc/self", "another use"),
        ("dir", "/var/run/secrets/kubernetes.io/serviceaccount", "another use"),
        ("dir", "/run/secrets/kubernetes.io/serviceaccount", "another use"),
        ("dir", "/run/secrets", "another use"),
        ("dir", "/var/run/secrets/chancery.dev/bootstrap", "another use"),
        ("key-mode", "0777", "choose from 0400, 0440, 0444, 0600, 0640"),
        ("key-mode", "-0400", "choose from"),
        ("key-mode", "0o400", "choose from"),
        ("formats", "der", "choose from pem, bundle, pkcs12, jks"),
        ("reload", "signal:KILL:web", "write signal:HUP:CONTAINER"),
        ("reload", "signal:HUP", "write signal"),
        ("reload", "signal:HUP:1", "no container '1' to signal"),
        ("reload", "signal:HUP:/run/pid", "write signal"),
        ("reload", "exec:rm", "write signal"),
        ("reload", "http://10.0.0.1/", "not a plain http address of this machine"),
        ("reload", "http://127.0.0.1:99999/", "."),
        ("reload", "https://127.0.0.1/", "write signal"),
        ("containers", "", "name containers"),
        ("containers", "web,Web", "name containers"),
        ("containers", "web,db", "no container 'db'"),
    ],
)
def test_annotation_is_refused(name, value, why):
    error = refusal(pod_of(annotations={name: value}))

    (fault,) = error.faults
    assert fault.reason == "ANNOTATION_INVALID"
    assert fault.field == f"metadata.annotations[chancery.dev/{name}]"
    assert fault.message.startswith(f"chancery.dev/{name}: ")
    with pytest.raises(InjectionRefused, match=why):
        injected(pod_of(annotations={name: value}))


def test_names_that_the_registrar_does_not_register_are_refused_here_too():
    without = replace(INJECTION, short_names=False)

    assert injected(pod_of(annotations={"dns": "web.shop.svc"}), injection=without).patch
    with pytest.raises(InjectionRefused, match="no name of a Service"):
        injected(pod_of(annotations={"dns": "web.shop"}), injection=without)
    with pytest.raises(InjectionRefused, match="no name of a Service"):
        inject(
            pod_of(annotations={"dns": "kubernetes.default.svc"}),
            namespace="default",
            injection=INJECTION,
            features=USUAL,
        )


def test_every_fault_is_told_at_once():
    error = refusal(pod_of(annotations={"mode": "x", "duration": "y", "key-mode": "z"}))

    assert len(error.faults) == 3
    assert str(error).count("; ") >= 2


def test_value_is_shown_without_what_would_break_a_terminal_or_a_message():
    (fault,) = refusal(pod_of(annotations={"mode": "\x1b[31m\n" + "x" * 5000})).faults

    assert fault.message.isprintable()
    assert len(fault.message) < 300


@pytest.mark.parametrize("how", [{"subPath": "tls.crt"}, {"subPathExpr": "$(POD)"}])
@pytest.mark.parametrize("within", ["containers", "initContainers"])
def test_mount_of_a_part_is_refused_because_it_is_never_updated(how, within):
    mounting = {"name": "part", "volumeMounts": [{"name": "chancery-identity", "mountPath": "/tls.crt", **how}]}
    pod = pod_of(annotations={"containers": "web"})
    pod["spec"][within] = [*pod["spec"].get(within, []), mounting]

    (fault,) = refusal(pod).faults
    assert fault.reason == "SUB_PATH_MOUNT"
    assert f"spec.{within}[" in fault.field


def test_path_that_has_another_volume_is_refused():
    pod = pod_of()
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "own", "mountPath": "/var/run/secrets/chancery.dev/tls/"}]

    (fault,) = refusal(pod).faults
    assert fault.reason == "MOUNT_PATH_TAKEN"
    assert "'own'" in fault.message


AGENT = {
    "name": "chancery-agent",
    "image": "x",
    "args": ["agent"],
    "volumeMounts": [
        {"name": "chancery-identity", "mountPath": "/a"},
        {"name": "chancery-bootstrap", "mountPath": "/b"},
    ],
}


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "chancery-identity", "emptyDir": {}}]},
        {"volumes": [{"name": "chancery-identity", "hostPath": {"path": "/"}}]},
        {"volumes": [{"name": "chancery-bootstrap", "configMap": {"name": "mine"}}]},
        {"initContainers": [{"name": "chancery-agent", "image": "other"}]},
        {"initContainers": [{**AGENT, "args": ["serve"]}]},
        {"initContainers": [{**AGENT, "name": "chancery-agent-init"}]},
        {"initContainers": [AGENT, AGENT]},
        {"containers": [{"name": "web"}, AGENT]},
    ],
)
def test_what_has_our_name_and_is_not_ours_is_refused(spec):
    error = refusal(pod_of(**spec))

    assert {fault.reason for fault in error.faults} == {"NAME_TAKEN"}


def test_signal_needs_processes_in_common_and_a_user_in_common():
    wish = {"reload": "signal:HUP:web"}

    assert [fault.reason for fault in refusal(pod_of(annotations=wish)).faults] == ["PROCESSES_NOT_SHARED"]
    shared = pod_of(annotations=wish, shareProcessNamespace=True)
    assert "set runAsUser" in injected(shared).warnings[0]
    shared["spec"]["containers"].insert(0, {"name": "first", "securityContext": {"runAsUser": 7}})
    shared["spec"]["containers"][1]["securityContext"] = {"runAsUser": 8}
    agent = patched(shared)["spec"]["initContainers"][0]
    assert agent["securityContext"]["runAsUser"] == 8
    assert agent["args"][-1] == "--reload=signal:HUP:container=web"


def test_signal_that_could_never_arrive_is_refused():
    pod = patched(pod_of(shareProcessNamespace=True, securityContext={"runAsUser": 7, "fsGroup": 1}))
    pod["metadata"]["annotations"]["chancery.dev/reload"] = "signal:HUP:web"
    pod["spec"]["containers"][0]["securityContext"] = {"runAsUser": 8}

    assert [fault.reason for fault in refusal(pod).faults] == ["SIGNAL_NOT_PERMITTED"]


@pytest.mark.parametrize(
    "pod",
    [
        {"spec": None},
        {},
        {"spec": {"containers": {}}},
        {"spec": {"volumes": "x"}},
        {"spec": {"containers": [{"volumeMounts": {}}]}},
        {"metadata": [], "spec": {}},
        {"metadata": {"annotations": []}, "spec": {}},
        {"spec": {"securityContext": 1}},
    ],
)
def test_what_is_no_pod_is_refused(pod):
    assert refusal(pod).faults[0].reason == "POD_MALFORMED"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": [{}] * (MOST_CONTAINERS + 1)}, "spec.containers"),
        ({"initContainers": [0] * 100_000}, "spec.initContainers"),
        ({"volumes": [{}] * (MOST_VOLUMES + 1)}, "spec.volumes"),
        (
            {"containers": [{"name": "web", "volumeMounts": [{}] * (MOST_VOLUMES + 1)}]},
            "spec.containers[0].volumeMounts",
        ),
    ],
    ids=["containers", "init-containers", "volumes", "mounts"],
)
def test_pod_that_would_keep_others_waiting_is_refused(spec, field):
    (fault,) = refusal({"spec": spec}).faults

    assert (fault.reason, fault.field) == ("TOO_LARGE", field)


def test_largest_pod_is_injected():
    containers = [{"name": f"c{number}"} for number in range(MOST_CONTAINERS)]

    assert injected({"spec": {"containers": containers}}).patch
