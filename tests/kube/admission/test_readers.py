"""Which user the agent has, and who can read the key that it writes."""

import dataclasses

import pytest

from tests.kube.admission.pods_for_tests import INJECTION, container, injected, patched, pod_of

OPENSHIFT = dataclasses.replace(INJECTION, agent_user=None)
CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}


def with_users(*users, pod_user=None, **spec):
    pod = pod_of(*(f"c{number}" for number in range(len(users))), **spec)
    for one, user in zip(pod["spec"]["containers"], users, strict=True):
        if user is not None:
            one["securityContext"] = {"runAsUser": user}
    if pod_user is not None:
        pod["spec"].setdefault("securityContext", {})["runAsUser"] = pod_user
    return pod


@pytest.mark.parametrize(
    ("users", "pod_user", "agent"),
    [
        ((None,), None, 65532),
        ((None,), 1000, 1000),
        ((2000,), None, 2000),
        ((2000,), 1000, 2000),
        ((2000, None), 1000, 1000),
        ((2000, 3000), None, 2000),
        ((None, 3000), None, 65532),
        ((0,), None, 0),
    ],
)
def test_agent_has_the_user_of_all_containers_else_the_pods_else_the_first_ones(users, pod_user, agent):
    context = container(patched(with_users(*users, pod_user=pod_user)), "chancery-agent")["securityContext"]

    assert context["runAsUser"] == agent
    assert context["runAsNonRoot"] == (agent != 0)
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_cluster_that_chooses_users_is_left_to_it():
    stored = patched(pod_of(), injection=OPENSHIFT)

    assert "runAsUser" not in container(stored, "chancery-agent")["securityContext"]
    assert "securityContext" not in stored["spec"]


def test_pod_of_one_user_needs_no_group():
    assert "fsGroup" not in patched(with_users(5, 5))["spec"].get("securityContext", {})


@pytest.mark.parametrize("users", [(None,), (5, 6)])
def test_pod_of_several_or_unknown_users_gets_a_group(users):
    stored = patched(with_users(*users, securityContext={"runAsNonRoot": True}))

    assert stored["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
    }


def test_group_of_the_pod_stays():
    assert patched(pod_of(securityContext={"fsGroup": 7}))["spec"]["securityContext"] == {"fsGroup": 7}


@pytest.mark.parametrize("volume", [CLAIM, {"name": "x", "ephemeral": {}}, {"name": "x", "csi": {"driver": "d"}}])
def test_pod_that_keeps_files_gets_a_warning_instead(volume):
    pod = pod_of(volumes=[volume])

    assert "securityContext" not in patched(pod)["spec"]
    (warning,) = injected(pod).warnings
    assert warning.startswith("web may not be able to read the key")
    assert 'chancery.dev/key-mode: "0444"' in warning


def test_key_that_everybody_reads_needs_nothing():
    result = injected(pod_of(annotations={"key-mode": "0444"}, volumes=[CLAIM]))

    assert result.warnings == ()


def test_key_that_the_agent_alone_reads_is_warned_of():
    assert "0400 lets the agent's user alone" in injected(pod_of(annotations={"key-mode": "0400"})).warnings[0]
