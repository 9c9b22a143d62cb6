"""Whether a pod is still the one that was meant, and whom it is: by its UID, never by its name alone."""

from ca.client.values import Pod
from kube.documents import JsonObject, metadata, name_of, namespace_of, text, uid_of


def what_speaks_against(pod: JsonObject | None, *, uid: str, service_account: str, node: str | None = None) -> str:
    """Empty where `pod` lives, is that one, of that account and, where given, on that node."""
    if pod is None:
        return "the pod is not there"
    if uid_of(pod) != uid:
        return "the pod of that name is another one: its UID differs"
    if account_of(pod) != service_account:
        return "the pod has another service account"
    if node is not None and text(pod, "spec", "nodeName") != node:
        return "the pod is on another node"
    if not is_alive(pod):
        return "the pod has ended or is being deleted"
    return ""


def is_alive(pod: JsonObject) -> bool:
    return not metadata(pod).get("deletionTimestamp") and text(pod, "status", "phase") not in {"Succeeded", "Failed"}


def account_of(pod: JsonObject) -> str:
    return text(pod, "spec", "serviceAccountName")


def pod_value(pod: JsonObject) -> Pod:
    return Pod(
        namespace=namespace_of(pod),
        name=name_of(pod),
        uid=uid_of(pod),
        service_account=account_of(pod),
        node=text(pod, "spec", "nodeName"),
    )
