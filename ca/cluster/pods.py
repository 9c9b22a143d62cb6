"""Whether a pod is what its token says: there, alive, of that service account, on that node."""

import msgspec

from ca.cluster.faults import NoAnswer, Refusal, RefusalReason
from ca.orders import PodCredential
from serving.records import read_by_threads

_ENDED = frozenset({"Succeeded", "Failed"})


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str
    deletion_timestamp: str | None = None


class _Spec(msgspec.Struct, rename="camel"):
    service_account_name: str = ""
    node_name: str = ""


class _Status(msgspec.Struct):
    phase: str = ""


@read_by_threads
class Pod(msgspec.Struct):
    """What is read of one."""

    kind: str
    metadata: _Metadata
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)


def pod_path(pod: PodCredential) -> str:
    """Both names are Kubernetes names: none has a slash."""
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.pod_name}"


def read_pod(answer: bytes) -> Pod:
    """Raises NoAnswer."""
    try:
        pod = msgspec.json.decode(answer, type=Pod)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise NoAnswer(f"the cluster's answer is no pod: {err}", again=True) from err
    if pod.kind != "Pod":
        raise NoAnswer("the cluster's answer is of another kind than Pod", again=True)
    return pod


def verify_pod(pod: Pod, credential: PodCredential) -> None:
    """Raises Refusal."""
    if pod.metadata.uid != credential.pod_uid:
        raise Refusal(RefusalReason.POD_IS_ANOTHER, "another pod has taken the name of the token's")
    if pod.spec.service_account_name != credential.service_account:
        raise Refusal(RefusalReason.POD_IS_ANOTHER, "the pod runs under another service account")
    if pod.spec.node_name != credential.node_name:
        raise Refusal(RefusalReason.POD_IS_ANOTHER, "the pod is on another node")
    if pod.status.phase in _ENDED:
        raise Refusal(RefusalReason.POD_GONE, f"the pod has ended: {pod.status.phase}")
    if pod.metadata.deletion_timestamp is not None:
        raise Refusal(RefusalReason.POD_GONE, "the pod is being deleted")
