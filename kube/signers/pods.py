"""Whether a pod is still the one that was meant, by its UID, never by its name alone; and for which names it stands."""

from collections.abc import Iterable

from ca.client.values import Pod
from kube.documents import JsonObject
from kube.pods.records import PodRecord, ServiceRecord
from kube.service_names import ServiceName
from kube.signers.decisions import Deny
from kube.signers.requesters import ServiceAccount


def living_pod(document: JsonObject | None, *, uid: str, service_account: str, node: str | None = None) -> Pod | str:
    """The pod if it lives, is that one, of that account and, where given, on that node; else what speaks against it."""
    if document is None:
        return "the pod is not there"
    pod = PodRecord.from_document(document)
    if pod.uid != uid:
        return "the pod of that name is another one: its UID differs"
    if pod.service_account != service_account:
        return "the pod has another service account"
    if node is not None and pod.node != node:
        return "the pod is on another node"
    if not pod.is_alive:
        return "the pod has ended or is being deleted"
    return pod.value


def pod_of_token(requester: ServiceAccount, document: JsonObject | None) -> Pod | Deny:
    """The pod that the requester's token is bound to. A token that survives its pod is worth nothing."""
    pod = living_pod(document, uid=requester.pod_uid, service_account=requester.name)
    if isinstance(pod, Pod):
        return pod
    message = f"{requester} asked with the token of pod {requester.pod_name[:100]}: {pod}"
    return Deny(reason="PodNotThere", message=message)


def stands_for(name: ServiceName, service: JsonObject, pods: Iterable[PodRecord]) -> bool:
    """Whether one of `pods` is behind the name."""
    of = ServiceRecord.from_document(service)
    return any(pod.is_alive and of.selects(pod) and name.host in {"", of.host_of(pod)} for pod in pods)
