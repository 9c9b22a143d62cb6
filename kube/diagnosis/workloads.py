"""Deployments and StatefulSets of the product: rolled out, or caught half-way, and what their pods and volumes wait for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kube.diagnosis.event_log import EventLog
from kube.diagnosis.findings import Cause, Finding, fine, problem, warning
from kube.diagnosis.waiting import is_ready, why_not_ready
from kube.documents import JsonObject, mapping, metadata, name_of, namespace_of, objects, text, texts, uid_of

_MOST_REPLICAS = 100
_LONGEST_MESSAGE = 400
_FIRST_CONSUMER = {"WaitForFirstConsumer", "WaitForPodScheduled"}
"""Of a class whose volumes are made where the pod comes to be (volumeBindingMode)."""
_WAIT_FOR_POD = "its volume is made when its pod has a node: see what the pod waits for"
_CHOOSE_CLASS = (
    "see kubectl describe pvc; choose a class that there is by persistence.storageClass (kubectl get storageclass)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What there is in the namespace. `claims` by name; None where they could not be read, as the others could not."""

    pods: Sequence[JsonObject] | None = ()
    replica_sets: Sequence[JsonObject] | None = ()
    claims: Mapping[str, JsonObject] | None = None
    log: EventLog = field(default_factory=EventLog)


def judge_workload(workload: JsonObject, around: Around) -> Sequence[Finding]:
    """At least one finding. `workload` has its kind: Deployment or StatefulSet."""
    label = f"{text(workload, 'kind')}/{name_of(workload)}"
    pods = [one for one in around.pods or () if _is_of(workload, one)]
    found = [
        *_judge_volumes(label, workload, around),
        *_judge_rollout(label, workload, around, pods),
    ]
    return found or [
        fine(label, f"{_number(workload, 'status', 'readyReplicas')} of {_wanted(workload)} pods are ready")
    ]


def variable_of(workload: JsonObject, name: str) -> str:
    """Of the environment of its containers; empty where none has it."""
    for container in objects(workload, "spec", "template", "spec", "containers"):
        for variable in objects(container, "env"):
            if text(variable, "name") == name:
                return text(variable, "value")
    return ""


def component_of(workload: JsonObject) -> str:
    return texts(workload, "metadata", "labels").get("app.kubernetes.io/component", "")


def _kubectl(workload: JsonObject) -> str:
    """What begins a command about something beside it."""
    return f"kubectl --namespace {namespace_of(workload)}"


def _describe(workload: JsonObject, pods: Sequence[JsonObject]) -> str:
    """The commands for the first pod that is not ready; empty where there is none."""
    waiting = next((one for one in pods if not is_ready(one)), None)
    if waiting is None:
        return ""
    kubectl, name = _kubectl(workload), name_of(waiting)
    return f": {kubectl} describe pod {name}, {kubectl} logs {name} --all-containers"


def _judge_rollout(label: str, workload: JsonObject, around: Around, pods: Sequence[JsonObject]) -> Iterator[Finding]:
    wanted, why = _wanted(workload), why_not_ready(pods, around.log)
    if (seen := _number(workload, "status", "observedGeneration")) < _number(workload, "metadata", "generation"):
        yield problem(
            label,
            Cause.ROLLOUT_UNFINISHED,
            f"nobody has taken up its last change (seen {seen})",
            "see whether kube-controller-manager runs",
        )
    elif refusal := _refusal(workload, around.log):
        yield problem(
            label,
            Cause.ROLLOUT_UNFINISHED,
            f"pods are refused: {refusal}",
            "raise the quota, or mend the policy or webhook that refuses; they are made by themselves then",
        )
    elif stuck := [name_of(one) for one in pods if _is_stuck(workload, one)]:
        yield problem(
            label,
            Cause.ROLLOUT_UNFINISHED,
            f"{', '.join(stuck)} is of another version, never became ready, and so is not replaced{why}",
            f"delete it, and it comes back in the present version: {_kubectl(workload)} delete pod {' '.join(stuck)}",
        )
    elif (updated := _updated(workload)) < wanted:
        yield problem(
            label,
            Cause.ROLLOUT_UNFINISHED,
            f"an upgrade is half done: {updated} of {wanted} pods are of the new version{_deadline(workload)}{why}",
            f"see what the new pods wait for{_describe(workload, pods)}; back to the version before: helm rollback",
        )
    elif old := [one for one in around.replica_sets or () if _is_of(workload, one) and _is_old(workload, one)]:
        names = ", ".join(f"{name_of(one)} ({_number(one, 'status', 'replicas')})" for one in old)
        yield warning(
            label,
            Cause.ROLLOUT_UNFINISHED,
            f"pods of an older version linger: {names}{why}",
            "they end once the new ones are available: see what those wait for, and finalizers or nodes that are gone",
        )
    elif not wanted:
        yield problem(
            label,
            Cause.PODS_NOT_READY,
            "it is scaled to no pods",
            f"where that was not meant: {_kubectl(workload)} scale {label.lower()} --replicas=1",
        )
    elif (ready := _number(workload, "status", "readyReplicas")) < wanted:
        yield (problem if not ready else warning)(
            label,
            Cause.PODS_NOT_READY,
            f"{ready} of {wanted} pods are ready{why}",
            f"see what it waits for{_describe(workload, pods)}; a server says so in its log, and in /readyz",
        )


def _judge_volumes(label: str, workload: JsonObject, around: Around) -> Iterator[Finding]:
    if around.claims is None:
        return
    for name in _claim_names(workload):
        claim = around.claims.get(name)
        phase = text(claim, "status", "phase")
        if claim is None:
            if name in _refusal(workload, around.log):
                continue  # to be made, and told with the refusal
            yield problem(
                label,
                Cause.VOLUME_MISSING,
                f"there is no PersistentVolumeClaim {name}, which its pods mount",
                "name the claim that there is in persistence.existingClaim, or restore it from a backup: an authority that "
                "comes up empty is another authority",
            )
        elif metadata(claim).get("deletionTimestamp"):
            yield problem(
                label,
                Cause.VOLUME_MISSING,
                f"PersistentVolumeClaim {name} is being deleted, and goes when its pod does",
                "make a backup now: ca-cli backup; then install anew and restore",
            )
        elif phase != "Bound":
            storage_class = text(claim, "spec", "storageClassName") or "the cluster's default, which there may not be"
            said = around.log.last(claim, warnings_alone=False)
            yield problem(
                label,
                Cause.VOLUME_PENDING if phase != "Lost" else Cause.VOLUME_MISSING,
                f"PersistentVolumeClaim {name} is {phase or 'not bound'}; its storage class is {storage_class}"
                + (f"; {said}" if said is not None else ""),
                _WAIT_FOR_POD
                if said is not None and said.reason in _FIRST_CONSUMER
                else f"see {_kubectl(workload)} describe pvc {name}; {_CHOOSE_CLASS}",
            )


def _claim_names(workload: JsonObject) -> Iterator[str]:
    for volume in objects(workload, "spec", "template", "spec", "volumes"):
        if name := text(volume, "persistentVolumeClaim", "claimName"):
            yield name
    for template in objects(workload, "spec", "volumeClaimTemplates"):
        for index in range(min(_wanted(workload), _MOST_REPLICAS)):
            yield f"{name_of(template)}-{name_of(workload)}-{index}"


def _is_of(workload: JsonObject, one: JsonObject) -> bool:
    labels = texts(one, "metadata", "labels")
    wanted = texts(workload, "spec", "selector", "matchLabels")
    return bool(wanted) and wanted.items() <= labels.items()


def _is_old(workload: JsonObject, replica_set: JsonObject) -> bool:
    def revision(one: JsonObject) -> str:
        return texts(one, "metadata", "annotations").get("deployment.kubernetes.io/revision", "")

    is_owned = any(text(one, "uid") == uid_of(workload) for one in objects(replica_set, "metadata", "ownerReferences"))
    runs = _number(replica_set, "status", "replicas") > 0
    return is_owned and runs and revision(replica_set) != revision(workload)


def _is_stuck(workload: JsonObject, pod: JsonObject) -> bool:
    """A StatefulSet that makes its pods in order waits for those that are not ready, whatever its template says by now."""
    in_order = text(workload, "spec", "podManagementPolicy") != "Parallel" and text(workload, "kind") == "StatefulSet"
    revision = texts(pod, "metadata", "labels").get("controller-revision-hash", "")
    is_leaving = metadata(pod).get("deletionTimestamp") is not None
    return (
        in_order
        and not is_ready(pod)
        and not is_leaving
        and revision not in {"", text(workload, "status", "updateRevision")}
    )


def _wanted(workload: JsonObject) -> int:
    replicas = mapping(workload, "spec").get("replicas")
    return replicas if isinstance(replicas, int) else 1


def _updated(workload: JsonObject) -> int:
    """A StatefulSet counts those of its current revision apart, and has nothing else to count where both are the same."""
    status = mapping(workload, "status")
    if text(workload, "kind") == "StatefulSet" and text(status, "updateRevision") == text(status, "currentRevision"):
        return _wanted(workload)
    return _number(workload, "status", "updatedReplicas")


def _refusal(workload: JsonObject, log: EventLog) -> str:
    """A Deployment has it in its status; of a StatefulSet, whose status is silent, only an Event says so."""
    for one in objects(workload, "status", "conditions"):
        if text(one, "type") == "ReplicaFailure" and text(one, "status") == "True":
            return text(one, "message")[:_LONGEST_MESSAGE] or text(one, "reason")
    lacks = _number(workload, "status", "replicas") < _wanted(workload)
    said = log.last(workload, "FailedCreate") if lacks else None
    return said.message[:_LONGEST_MESSAGE] if said is not None else ""


def _deadline(workload: JsonObject) -> str:
    for one in objects(workload, "status", "conditions"):
        if text(one, "type") == "Progressing" and text(one, "status") == "False":
            return f", and no longer tried: {text(one, 'message')}"
    return ""


def _number(document: JsonObject, *path: str) -> int:
    *steps, last = path
    found = mapping(document, *steps).get(last)
    return found if isinstance(found, int) else 0
