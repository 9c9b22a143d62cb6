"""What Events add to what a status says: why nothing is made, mounted or bound; and what they cannot do."""

import pytest

from kube.diagnosis.event_log import EventLog
from kube.diagnosis.findings import Cause, Severity
from kube.diagnosis.workloads import Around, judge_workload
from tests.kube.diagnosis.made import pod, workload

QUOTA = 'create Pod chancery-injector-0 failed error: pods "chancery-injector-0" is forbidden: exceeded quota: q'
CLAIM = "data-chancery-injector-0"


def event(about, reason, message, *, kind="Warning", at="2026-11-29T11:59:00Z", **others):
    return {
        "involvedObject": {"uid": about},
        "reason": reason,
        "message": message,
        "type": kind,
        "lastTimestamp": at,
    } | others


def waiting_pod(**status):
    made = pod(phase="Pending", **status)
    made["metadata"]["uid"] = "pod"
    return made


def judged(made, *events, **around):
    return judge_workload(made, Around(log=EventLog(events=events), **around))


def stateful(**status):
    made = workload("StatefulSet", updateRevision="a", currentRevision="a", readyReplicas=0, **status)
    made["spec"]["replicas"] = 1
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    return made


def test_stateful_set_whose_pods_are_refused_says_by_whom():
    (finding,) = judged(stateful(replicas=0), event("1", "FailedCreate", QUOTA))

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, Cause.ROLLOUT_UNFINISHED)
    assert finding.summary.endswith("exceeded quota: q")
    assert "raise the quota" in finding.hint


def test_refusal_that_is_over_is_not_told():
    (finding,) = judged(
        stateful(replicas=1), event("1", "FailedCreate", QUOTA), claims={CLAIM: {"status": {"phase": "Bound"}}}
    )

    assert finding.cause is Cause.PODS_NOT_READY
    assert "quota" not in finding.summary


def test_claim_that_may_not_be_made_is_not_one_that_was_lost():
    refused = f'create Claim {CLAIM} failed error: persistentvolumeclaims "{CLAIM}" is forbidden: exceeded quota: q'
    (finding,) = judged(stateful(replicas=0), event("1", "FailedCreate", refused), claims={})

    assert finding.cause is Cause.ROLLOUT_UNFINISHED
    assert "exceeded quota" in finding.summary


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event("pod", "FailedMount", 'configmap "policy" not found')], 'FailedMount: configmap "policy" not found'),
        ([event("pod", "Unhealthy", "503", at="2026-11-29T12:00:00Z"), event("pod", "FailedMount", "no")], "FailedMount: no"),
        ([event("pod", "FailedMount", "old", at="2026-11-29T11:00:00Z"), event("pod", "FailedMount", "new")], "new"),
        ([event("pod", "Unhealthy", "Readiness probe\nfailed")], "Unhealthy: Readiness probe failed"),
        ([event("pod", "Pulled", "image is there", kind="Normal")], "0 of 2 pods are ready"),
        ([event("before", "FailedMount", "of a pod of the same name")], "0 of 2 pods are ready"),
        ([event("", "FailedMount", "of nobody")], "0 of 2 pods are ready"),
        ([{"involvedObject": 1, "message": [], "series": "x"}, {}], "0 of 2 pods are ready"),
        ([event("pod", "FailedMount", "s", at=None, series={"lastObservedTime": "2026-11-29T11:59:00Z"})], "FailedMount: s"),
    ],
)  # fmt: skip
def test_pod_whose_status_is_silent_is_explained_by_its_latest_warning(events, words):
    status = {"containerStatuses": [{"name": "injector", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
    (finding,) = judged(workload(readyReplicas=0), *events, pods=[waiting_pod(**status)])

    assert finding.summary.endswith(words)


def test_status_counts_more_than_events():
    status = {
        "containerStatuses": [
            {"name": "injector", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
        ]
    }
    (finding,) = judged(workload(readyReplicas=0), event("pod", "FailedMount", "earlier"), pods=[waiting_pod(**status)])

    assert finding.summary.endswith("ImagePullBackOff: no")


def test_whatever_is_said_beside_an_unsuspicious_reason_is_told():
    status = {
        "containerStatuses": [
            {"name": "injector", "state": {"waiting": {"reason": "ContainerCreating", "message": "no"}}}
        ]
    }
    (finding,) = judged(workload(readyReplicas=0), pods=[waiting_pod(**status)])

    assert finding.summary.endswith("ContainerCreating: no")


def test_pod_that_is_ready_explains_nothing():
    ready = waiting_pod(conditions=[{"type": "Ready", "status": "True"}])
    (finding,) = judged(workload(readyReplicas=1), event("pod", "Unhealthy", "at first"), pods=[ready])

    assert finding.summary == "1 of 2 pods are ready"
    assert "describe" not in finding.hint


def test_commands_are_whole():
    (finding,) = judged(workload(readyReplicas=0), pods=[waiting_pod()])

    for command in ("describe pod chancery-injector-0", "logs chancery-injector-0 --all-containers"):
        assert f"kubectl --namespace chancery {command}" in finding.hint


def test_pod_that_the_kubelet_ended_says_why():
    evicted = pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    (finding,) = judged(workload(readyReplicas=0), pods=[evicted])

    assert finding.summary.endswith("ended, Evicted: The node was low on resource: memory.")


@pytest.mark.parametrize(
    ("reason", "kind", "hint"),
    [
        ("FailedBinding", "Normal", "choose a class that there is"),
        ("ProvisioningFailed", "Warning", "choose a class that there is"),
        ("WaitForFirstConsumer", "Normal", "see what the pod waits for"),
    ],
)
def test_claim_that_waits_says_what_for(reason, kind, hint):
    claim = {"metadata": {"uid": "claim"}, "status": {"phase": "Pending"}}
    finding = judged(stateful(), event("claim", reason, "these words", kind=kind), claims={CLAIM: claim})[0]

    assert finding.cause is Cause.VOLUME_PENDING
    assert finding.summary.endswith(f"{reason}: these words")
    assert hint in finding.hint
