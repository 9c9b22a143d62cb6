"""Which pod is the authority's: found by the labels that the chart gives it, refused where that is in doubt.

- Whoever may make pods may label them so. What is asked of a pod holds no secret; several authorities are told apart by hand.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.errors import InputInvalid, InputMissing
from cli.kubectl.workstation import Reach, path_of

if TYPE_CHECKING:
    from kube.documents import JsonObject
    from kube.exec_session import Container

_NAME = "app.kubernetes.io/name"
_COMPONENT = "app.kubernetes.io/component=ca"
SELECTOR = f"{_NAME}=chancery,{_COMPONENT}"
_INSTANCE = "app.kubernetes.io/instance"
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_CONTAINER = "ca"


def find_authority(reach: Reach, selector: str = SELECTOR) -> "Sequence[JsonObject]":
    """Its pods: in the namespace that was asked for, else in all, else in the context's, as far as one may look.

    Raises InputMissing, InputInvalid where there are several authorities; Forbidden, ClusterUnreachable.
    """
    from kube.errors import Forbidden

    if reach.namespace:
        pods, where = _pods(reach, reach.namespace, selector), f"namespace {reach.namespace}"
    else:
        try:
            pods, where = _pods(reach, None, selector), "any namespace"
        except Forbidden:
            where = f"namespace {reach.own_namespace}, and you may not look in the others"
            pods = _pods(reach, reach.own_namespace, selector)
    if not pods:
        raise InputMissing(
            f"there is no authority in {where}: no pod is labelled {selector}",
            hint=f"--namespace says where it is; with the chart's nameOverride: --selector {_NAME}=NAME,{_COMPONENT}",
        )
    return only_authority(pods)


def only_authority(pods: "Sequence[JsonObject]") -> "Sequence[JsonObject]":
    """Raises InputInvalid where the pods are of more than one release."""
    from kube.documents import namespace_of, texts

    found = sorted({(namespace_of(one), texts(one, "metadata", "labels").get(_INSTANCE, "")) for one in pods})
    if len(found) > 1:
        named = ", ".join(f"{instance or '?'} in {namespace}" for namespace, instance in found)
        apart = len({namespace for namespace, _ in found}) == len(found)
        raise InputInvalid(
            f"there are several authorities: {named}",
            hint="choose one with --namespace" if apart else f"choose one with --selector {_INSTANCE}=NAME",
        )
    return pods


def ready_container(pods: "Sequence[JsonObject]") -> "Container":
    """Of the first pod that is ready, by name. Raises ClusterUnreachable where none is, and says why."""
    from kube.documents import name_of, namespace_of
    from kube.errors import ClusterUnreachable
    from kube.exec_session import Container

    for one in sorted(pods, key=name_of):
        if is_ready(one):
            return Container(namespace=namespace_of(one), pod=name_of(one), name=_container_of(one))
    states = "; ".join(f"{namespace_of(one)}/{name_of(one)} {state_of(one)}" for one in sorted(pods, key=name_of))
    raise ClusterUnreachable(f"no pod of the authority is ready: {states}")


def is_ready(pod: "JsonObject") -> bool:
    from kube.documents import metadata, objects, text

    conditions = {text(one, "type"): text(one, "status") for one in objects(pod, "status", "conditions")}
    return conditions.get("Ready") == "True" and metadata(pod).get("deletionTimestamp") is None


def state_of(pod: "JsonObject") -> str:
    """In a few words, as kubectl has it."""
    from kube.documents import metadata, objects, text

    if metadata(pod).get("deletionTimestamp") is not None:
        return "is being deleted"
    for one in objects(pod, "status", "containerStatuses"):
        for kind in ("waiting", "terminated"):
            if reason := text(one, "state", kind, "reason"):
                return f"is {reason}"
    for one in objects(pod, "status", "conditions"):
        if text(one, "status") == "False" and (reason := text(one, "reason")):
            return f"is {text(pod, 'status', 'phase') or 'unknown'} ({reason})"
    return f"is {text(pod, 'status', 'phase') or 'unknown'}"


def _pods(reach: Reach, namespace: str | None, selector: str) -> "Sequence[JsonObject]":
    from kube.core_resources import PODS
    from kube.listing import list_objects

    path = path_of(PODS, namespace)
    return list_objects(reach.cluster, path, {"labelSelector": selector}, None).objects


def _container_of(pod: "JsonObject") -> str:
    """The one that kubectl takes, where the pod has it; never a sidecar that somebody injected before it."""
    from kube.documents import objects, text, texts

    names = [text(one, "name") for one in objects(pod, "spec", "containers")]
    wanted = texts(pod, "metadata", "annotations").get(_DEFAULT_CONTAINER, _CONTAINER)
    return next((name for name in (wanted, _CONTAINER, *names) if name in names), _CONTAINER)
