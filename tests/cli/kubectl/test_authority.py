"""Which pod is asked: one that is ready, of the one authority; in doubt none."""

import pytest

from cli.errors import InputInvalid
from cli.kubectl.authority import is_ready, only_authority, ready_container, state_of
from kube.errors import ClusterUnreachable
from kube.exec_session import Container
from tests.cli.kubectl.documents import pod

NOT_READY = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]


def test_first_ready_pod_is_asked() -> None:
    pods = [pod("c"), pod("b"), pod("a", conditions=NOT_READY)]

    assert ready_container(pods) == Container(namespace="chancery", pod="b", name="ca")


def test_pod_that_is_being_deleted_is_not_asked() -> None:
    going = pod("a")
    going["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"

    assert not is_ready(going)
    with pytest.raises(ClusterUnreachable, match="chancery/a is being deleted"):
        ready_container([going])


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "is ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "is OOMKilled"),
        (
            {"phase": "Pending", "conditions": [{"status": "False", "reason": "Unschedulable"}]},
            "is Pending (Unschedulable)",
        ),
        ({"phase": None, "conditions": 7, "containerStatuses": "x"}, "is unknown"),
    ],
)
def test_why_none_is_ready_is_said(status: dict[str, object], state: str) -> None:
    one = pod("a", **status)

    assert state_of(one) == state
    with pytest.raises(ClusterUnreachable, match="no pod of the authority is ready"):
        ready_container([pod("a", **{"conditions": NOT_READY, **status})])


def test_annotated_container_is_asked_where_the_pod_has_it() -> None:
    one = pod("a")
    one["spec"]["containers"] = [{"name": "mesh"}, {"name": "authority"}]
    one["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "authority"}

    assert ready_container([one]).name == "authority"
    one["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "gone"}
    assert ready_container([one]).name == "mesh"


@pytest.mark.parametrize(
    ("pods", "hint"),
    [
        ([pod("a"), pod("b", namespace="other")], "choose one with --namespace"),
        ([pod("a"), pod("b", instance="other")], "choose one with --selector app.kubernetes.io/instance=NAME"),
    ],
)
def test_several_authorities_are_refused_with_a_way_out(pods: list[dict[str, object]], hint: str) -> None:
    with pytest.raises(InputInvalid, match="there are several authorities") as caught:
        only_authority(pods)

    assert caught.value.hint == hint


def test_replicas_are_one_authority() -> None:
    assert len(only_authority([pod("a"), pod("b"), pod("c")])) == 3
