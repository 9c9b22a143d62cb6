"""What pods that are not ready wait for: by their status, with the last words of a container that ended; else by Events.

- Containers of the chart have `terminationMessagePolicy: FallbackToLogsOnError`: the end of their log is in the pod's status.
"""

from collections.abc import Sequence

from kube.diagnosis.event_log import EventLog
from kube.documents import JsonObject, mapping, name_of, objects, text

_NO_TROUBLE = {"ContainerCreating", "PodInitializing", ""}
_ENDED = {"CrashLoopBackOff", "Error", "Completed"}
_LONGEST = 400


def why_not_ready(pods: Sequence[JsonObject], log: EventLog) -> str:
    """Of the first pod that has something to say; empty, or with a semicolon before it."""
    for pod in pods:
        if text(pod, "status", "phase") == "Failed" and text(pod, "status", "reason"):  # by the kubelet, as one evicted
            message = text(pod, "status", "message")[:_LONGEST]
            return f"; {name_of(pod)} ended, {text(pod, 'status', 'reason')}: {message}"
        for container in (
            *objects(pod, "status", "initContainerStatuses"),
            *objects(pod, "status", "containerStatuses"),
        ):
            if container.get("ready") is not True and (why := _why(container)):
                return f"; {name_of(pod)}, container {text(container, 'name')}: {why}"
        for condition in objects(pod, "status", "conditions"):
            if text(condition, "type") == "PodScheduled" and text(condition, "status") == "False":
                return f"; {name_of(pod)} finds no node: {text(condition, 'message')[:_LONGEST]}"
    for pod in pods:
        if not is_ready(pod) and (said := log.last(pod)):
            return f"; {name_of(pod)}, {said}"
    return ""


def is_ready(pod: JsonObject) -> bool:
    return any(
        text(one, "type") == "Ready" and text(one, "status") == "True" for one in objects(pod, "status", "conditions")
    )


def _why(container: JsonObject) -> str:
    reason, detail = text(container, "state", "waiting", "reason"), text(container, "state", "waiting", "message")
    ended = mapping(container, "state", "terminated") or mapping(container, "lastState", "terminated")
    if ended and (reason in _ENDED or reason in _NO_TROUBLE) and ended.get("exitCode") != 0:
        killed = text(ended, "reason") if text(ended, "reason") not in _ENDED else ""
        last = _last_words(text(ended, "message")) or killed
        return f"{f'{reason}, ' if reason else ''}ended with status {ended.get('exitCode')}{': ' if last else ''}{last}"
    if reason in _NO_TROUBLE and not detail:
        return ""
    return f"{reason}{': ' if reason and detail else ''}{detail[:_LONGEST]}"


def _last_words(message: str) -> str:
    """The last line that says what was wrong, else the last."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [""])[-1][:_LONGEST]
