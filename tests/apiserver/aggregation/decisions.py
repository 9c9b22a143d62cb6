"""What the cluster lets somebody do, and how long it takes to show: refusals are remembered for ten seconds."""

from collections.abc import Callable

from tests.apiserver.client import Answer
from tests.servers.kubernetes.control_plane import ControlPlane

_SECONDS = 60


def let_read(cluster: ControlPlane, namespace: str, *subjects: str) -> None:
    """Lets subjects (arguments of `kubectl create rolebinding`) read flunders, and these of one namespace alone."""
    cluster.kubectl(
        "create", "role", "reader", "--verb=get,list,watch", "--resource=flunders.wardle.example.com", "-n", namespace
    )
    cluster.kubectl("create", "rolebinding", "readers", "--role=reader", *subjects, "-n", namespace)


def becomes(cluster: ControlPlane, status: int, ask: Callable[[], Answer]) -> Answer:
    """Waits until an answer has this status, and returns that answer."""
    answers: list[Answer] = []
    cluster.wait_until(
        lambda: answers.append(ask()) or answers[-1].status == status,
        f"the answer is {status}",
        seconds=_SECONDS,
    )
    return answers[-1]
