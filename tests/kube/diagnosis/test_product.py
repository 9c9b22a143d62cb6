"""What each cause looks like from outside, and that it is named: the product's own parts in the cluster."""

import base64
from datetime import timedelta

import pytest

from ca.client.values import IssuerStatus, Rotation, RotationStatus, TrustConsumer
from kube.diagnosis.authority import judge_issuers, judge_metrics, judge_phases, judge_rotation
from kube.diagnosis.clocks import instant_of_header, judge_clock
from kube.diagnosis.distribution import judge_cluster_trust_bundles, judge_config_maps, judge_roots_secret
from kube.diagnosis.findings import Cause, Severity
from kube.diagnosis.leases import judge_lease
from kube.diagnosis.releases import judge_releases
from kube.diagnosis.rights import FEATURES, Right, judge_rights, rights_of
from kube.diagnosis.workloads import Around, judge_workload
from tests.kube.diagnosis.made import DAY, NOW, Root, pod, workload

ROOT, OTHER = Root(), Root(name="other")


def secret(release, version, status):
    return {"metadata": {"labels": {"owner": "helm", "name": release, "version": version, "status": status}}}


@pytest.mark.parametrize(
    ("versions", "cause", "advice"),
    [
        ({"1": "pending-install"}, Cause.RELEASE_PENDING, "helm uninstall shop --namespace pki,"),
        ({"1": "deployed", "2": "pending-upgrade"}, Cause.RELEASE_PENDING, "helm rollback shop 1 --namespace pki"),
        (
            {"9": "superseded", "10": "deployed", "11": "pending-rollback"},
            Cause.RELEASE_PENDING,
            "helm rollback shop 10",
        ),
        ({"1": "uninstalling"}, Cause.RELEASE_PENDING, "helm uninstall shop --namespace pki,"),
        ({"1": "deployed", "2": "failed"}, Cause.RELEASE_FAILED, "helm rollback shop 1 --namespace pki"),
        ({"1": "failed"}, Cause.RELEASE_FAILED, "helm uninstall shop --namespace pki,"),
    ],
)
def test_release_that_is_broken_says_how_to_get_out(versions, cause, advice):
    (finding,) = judge_releases(
        [secret("shop", *each) for each in versions.items()], frozenset({"shop"}), namespace="pki"
    )

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, cause)
    assert advice in finding.hint


def test_latest_revision_counts_and_others_releases_do_not():
    secrets = [secret("shop", "2", "failed"), secret("shop", "10", "deployed"), secret("theirs", "1", "failed")]
    (finding,) = judge_releases([*secrets, secret("shop", "x", "failed"), {}], frozenset({"shop"}), namespace="pki")

    assert (finding.severity, finding.summary) == (Severity.OK, "revision 10 is deployed")


def replica_set(revision, replicas, uid="1"):
    labels = {"app.kubernetes.io/component": "injector"}
    return {
        "metadata": {
            "name": f"chancery-injector-{revision}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"uid": uid}],
        },
        "status": {"replicas": replicas},
    }


BACK_OFF = {
    "containerStatuses": [{"name": "injector", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}]
}
NO_NODE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}


@pytest.mark.parametrize(
    ("status", "around", "severity", "cause", "words"),
    [
        ({"observedGeneration": 2}, Around(), Severity.PROBLEM, Cause.ROLLOUT_UNFINISHED, "nobody has taken up"),
        (
            {"updatedReplicas": 1},
            Around(),
            Severity.PROBLEM,
            Cause.ROLLOUT_UNFINISHED,
            "1 of 2 pods are of the new version",
        ),
        (
            {"updatedReplicas": 0},
            Around(pods=[pod(**BACK_OFF)]),
            Severity.PROBLEM,
            Cause.ROLLOUT_UNFINISHED,
            "container injector: ImagePullBackOff: no",
        ),
        (
            {
                "updatedReplicas": 1,
                "conditions": [{"type": "Progressing", "status": "False", "message": "has timed out progressing"}],
            },
            Around(),
            Severity.PROBLEM,
            Cause.ROLLOUT_UNFINISHED,
            "no longer tried: has timed out",
        ),
        (
            {"replicas": 3},
            Around(
                replica_sets=[replica_set("2", 2), replica_set("1", 1), replica_set("0", 0), replica_set("1", 1, "7")]
            ),
            Severity.WARNING,
            Cause.ROLLOUT_UNFINISHED,
            "linger: chancery-injector-1 (1)",
        ),
        ({"readyReplicas": 0}, Around(pods=[pod(**NO_NODE)]), Severity.PROBLEM, Cause.PODS_NOT_READY, "finds no node"),
        ({"readyReplicas": 1}, Around(), Severity.WARNING, Cause.PODS_NOT_READY, "1 of 2"),
    ],
)
def test_workload_says_where_it_stopped_and_what_pods_wait_for(status, around, severity, cause, words):
    (finding,) = judge_workload(workload(**status), around)

    assert (finding.severity, finding.cause) == (severity, cause)
    assert words in finding.summary


def test_pods_that_somebody_refuses_are_told_in_his_words():
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "a" is forbidden: exceeded quota: q'}
    (finding,) = judge_workload(workload(updatedReplicas=1, conditions=[refused]), Around())

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, Cause.ROLLOUT_UNFINISHED)
    assert "exceeded quota: q" in finding.summary


def test_workload_that_is_scaled_to_nothing_is_none_that_is_well():
    made = workload(replicas=0, updatedReplicas=0, readyReplicas=0)
    made["spec"]["replicas"] = 0
    (finding,) = judge_workload(made, Around())

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, Cause.PODS_NOT_READY)
    assert "scaled to no pods" in finding.summary
    assert "kubectl --namespace chancery scale deployment/chancery-injector --replicas=1" in finding.hint


def test_stateful_set_is_rolled_out_by_its_revisions():
    same = {"updateRevision": "a", "currentRevision": "a", "updatedReplicas": 0}
    other = {"updateRevision": "b", "currentRevision": "a", "updatedReplicas": 1}

    assert judge_workload(workload("StatefulSet", **same), Around())[0].severity is Severity.OK
    assert judge_workload(workload("StatefulSet", **other), Around())[0].cause is Cause.ROLLOUT_UNFINISHED


LOG = '{"message": "starting"}\nca-cli: error: the passphrase is not in Secret s\nhint: put it back\n'


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"}},
                "lastState": {"terminated": {"exitCode": 7, "reason": "Error", "message": LOG}},
            },
            "container injector: CrashLoopBackOff, ended with status 7: ca-cli: error: the passphrase is not in Secret s",
        ),
        (
            {"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            "ended with status 137: OOMKilled",
        ),
        (
            {"state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "boom\n\n"}}},
            "ended with status 1: boom",
        ),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}, "CrashLoopBackOff: back-off"),
        ({"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 0}}}, "0 of 2 pods are ready"),
        ({"ready": True, "lastState": {"terminated": {"exitCode": 1, "message": "past"}}}, "0 of 2 pods are ready"),
        ({"lastState": "garbage", "state": [1]}, "0 of 2 pods are ready"),
    ],
)
def test_container_that_ended_says_by_its_last_words_why(status, words):
    waiting = pod(containerStatuses=[{"name": "injector", "ready": False, **status}])
    (finding,) = judge_workload(workload(readyReplicas=0), Around(pods=[waiting]))

    assert finding.summary.endswith(words)


@pytest.mark.parametrize(
    ("policy", "revision", "is_stuck"), [("", "bad", True), ("", "good", False), ("Parallel", "bad", False)]
)
def test_pod_that_a_stateful_set_does_not_replace_has_to_be_deleted(policy, revision, is_stuck):
    made = workload("StatefulSet", updateRevision="good", currentRevision="good", readyReplicas=0)
    made["spec"]["podManagementPolicy"] = policy
    waiting = pod(**BACK_OFF)
    waiting["metadata"]["labels"]["controller-revision-hash"] = revision
    (finding,) = judge_workload(made, Around(pods=[waiting]))

    assert (finding.cause is Cause.ROLLOUT_UNFINISHED) == is_stuck
    assert ("kubectl --namespace chancery delete pod chancery-injector-0" in finding.hint) == is_stuck
    assert "ImagePullBackOff" in finding.summary


def with_claims():
    made = workload("StatefulSet", updateRevision="a", currentRevision="a")
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    made["spec"]["replicas"] = 1
    return made


NAME = "data-chancery-injector-0"


@pytest.mark.parametrize(
    ("claims", "cause", "words"),
    [
        ({}, Cause.VOLUME_MISSING, f"no PersistentVolumeClaim {NAME}"),
        ({NAME: {"status": {"phase": "Pending"}}}, Cause.VOLUME_PENDING, "the cluster's default"),
        ({NAME: {"status": {"phase": "Pending"}, "spec": {"storageClassName": "gold"}}}, Cause.VOLUME_PENDING, "gold"),
        ({NAME: {"status": {"phase": "Lost"}}}, Cause.VOLUME_MISSING, "Lost"),
        (
            {NAME: {"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Bound"}}},
            Cause.VOLUME_MISSING,
            "being deleted",
        ),
    ],
)
def test_volume_that_is_not_there_is_named(claims, cause, words):
    (finding,) = judge_workload(with_claims(), Around(claims=claims))

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, cause)
    assert words in finding.summary


def test_existing_claim_is_looked_for_too_and_nothing_is_said_of_claims_that_were_not_seen():
    made = workload()
    made["spec"]["template"]["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "mine"}}, {"emptyDir": {}}]

    assert "claim mine" in judge_workload(made, Around(claims={}))[0].summary.replace("Claim", "claim")
    assert judge_workload(made, Around(claims=None))[0].severity is Severity.OK
    assert judge_workload(made, Around(claims={"mine": {"status": {"phase": "Bound"}}}))[0].severity is Severity.OK


@pytest.mark.parametrize("document", [{}, {"kind": "Deployment", "metadata": 3, "spec": "x", "status": []}])
def test_workload_that_makes_no_sense_raises_nothing(document):
    assert judge_workload(document, Around(pods=[{}], replica_sets=[{}], claims={}))


def lease(**spec):
    return {
        "spec": {
            "holderIdentity": "one",
            "renewTime": "2026-11-29T11:59:55.000000Z",
            "leaseDurationSeconds": 15,
            **spec,
        }
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "no registrar has ever led"),
        (lease(holderIdentity=""), "gave it back"),
        (lease(renewTime="2026-11-29T11:50:00Z"), "10m ago"),
        (lease(renewTime=None), "never renewed"),
        (lease(renewTime="yesterday"), "never renewed"),
        ({}, "gave it back"),
    ],
)
def test_lease_that_nobody_holds_is_a_problem(found, words):
    finding = judge_lease("chancery-controller", found, at=NOW)

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, Cause.LEADER_MISSING)
    assert words in finding.summary


def test_leader_is_told_with_its_last_renewal():
    assert judge_lease("l", lease(), at=NOW).summary == "one leads, renewed 5 seconds ago"


def roots_secret(pem):
    return {"data": {"ca.crt": base64.b64encode(pem).decode()}}


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (None, Cause.ROOTS_SECRET_MISSING),
        ({}, Cause.ROOTS_SECRET_MISSING),
        (roots_secret(b"garbage"), Cause.ROOTS_SECRET_MISSING),
        (roots_secret(Root(ends=NOW - DAY / 24).pem), Cause.CERTIFICATE_EXPIRED),
        (roots_secret(Root(ends=NOW + DAY).pem), Cause.CERTIFICATE_EXPIRES),
        (roots_secret(ROOT.pem), None),
    ],
)
def test_roots_that_are_missing_or_end_are_told(found, cause):
    (finding,) = judge_roots_secret("roots", found, at=NOW)

    assert finding.cause is cause


def config_map(namespace, pem, *, ours=True):
    labels = {"chancery.dev/published-by": "registrar"} if ours else {}
    return {"metadata": {"namespace": namespace, "labels": labels}, "data": {"ca.crt": pem}}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "missing in shop"),
        ([config_map("shop", ROOT.pem.decode(), ours=False)], "not the registrar's in shop"),
        ([config_map("shop", "garbage")], "without certificates in shop"),
        ([config_map("shop", None)], "without certificates in shop"),
        ([config_map("shop", OTHER.pem.decode())], "other roots than the authority's in shop"),
    ],
)
def test_namespaces_that_lack_the_roots_are_named(found, words):
    (finding,) = judge_config_maps(found, frozenset({"shop"}), ROOT.bundle)

    assert (finding.severity, finding.cause) == (Severity.PROBLEM, Cause.ROOTS_NOT_DISTRIBUTED)
    assert words in finding.summary


def test_many_namespaces_are_counted_and_good_ones_are_fine():
    many = frozenset(f"n{number}" for number in range(9))

    assert judge_config_maps([], many, None)[0].summary.endswith("and 4 more")
    assert judge_config_maps([config_map("shop", ROOT.pem.decode())], frozenset({"shop"}), ROOT.bundle)[0].cause is None


def bundle(pem, **labels):
    ours = {"chancery.dev/published-by": "registrar", "chancery.dev/live": "true"}
    return {"metadata": {"name": "b", "labels": {**ours, **labels}}, "spec": {"trustBundle": pem}}


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (None, Severity.SKIPPED),
        ([], Severity.PROBLEM),
        ([bundle(ROOT.pem.decode(), **{"chancery.dev/live": "no"})], Severity.PROBLEM),
        ([bundle(OTHER.pem.decode())], Severity.WARNING),
        ([bundle("garbage")], Severity.WARNING),
        ([bundle(ROOT.pem.decode())], Severity.OK),
    ],
)
def test_trust_bundles_of_the_signer_are_compared(found, severity):
    (finding,) = judge_cluster_trust_bundles(found, ROOT.bundle)

    assert finding.severity is severity


def test_rights_that_are_missing_are_named_as_rbac_does():
    denied = [
        Right(verb="patch", group="apiregistration.k8s.io", resource="apiservices"),
        Right(verb="get", resource="secrets", name="roots"),
    ]
    finding = judge_rights("chancery/chancery-controller", denied, asked=9)

    assert finding.cause is Cause.RIGHTS_MISSING
    assert finding.summary == "may not patch apiservices.apiregistration.k8s.io, get secrets roots"
    assert judge_rights("a/b", [], asked=9).severity is Severity.OK


def test_rights_follow_what_the_controller_does():
    everything = rights_of("controller", features=FEATURES, lease="l")
    injecting = rights_of("controller", features=frozenset({"injection"}), lease="l")

    assert set(injecting) < set(everything)
    assert not any(right.resource == "pods" for right in injecting)
    assert rights_of("other", features=FEATURES) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(31, "ahead of"), (-33, "behind"), (3600, "60m ahead of"), (30, None), (-30, None), (0, None)],
)
def test_clock_is_told_beyond_half_a_minute(seconds, words):
    finding = judge_clock("it", NOW + timedelta(seconds=seconds), before=NOW, after=NOW)

    assert finding.cause is (Cause.CLOCK_SKEW if words else None)
    assert (words or "agrees") in finding.summary


def test_date_of_http_is_read():
    assert instant_of_header("Sun, 29 Nov 2026 12:00:00 GMT") == NOW
    assert instant_of_header("noon") is None
    assert instant_of_header("") is None


def exposition(**ends):
    return "# TYPE x gauge\n" + "".join(
        f'chancery_ca_expiry_timestamp_seconds{{id="1",kind="{kind}"}} {end.timestamp()}\n'
        for kind, end in ends.items()
    )


@pytest.mark.parametrize(
    ("kind", "left", "severity"),
    [
        ("root", 31 * DAY, Severity.OK),
        ("root", 29 * DAY, Severity.WARNING),
        ("intermediate", -DAY, Severity.PROBLEM),
        ("serving", DAY / 2, Severity.OK),
        ("serving", DAY / 8, Severity.WARNING),
    ],
)
def test_metrics_of_the_authority_tell_what_alerts_would(kind, left, severity):
    (finding,) = judge_metrics(exposition(**{kind: NOW + left}), at=NOW)

    assert (finding.target, finding.severity) == (f"authority {kind}", severity)
    assert finding.ends == NOW + left


def phase(name, entered):
    labels = f'{{kind="root",phase="{name}"}}'
    when = f"chancery_ca_rotation_entered_timestamp_seconds{labels} {entered.timestamp()}\n" if entered else ""
    return f"chancery_ca_rotation_phase{labels} 1.0\n{when}"


@pytest.mark.parametrize(
    ("exposition", "severity", "words"),
    [
        (phase("stable", None), Severity.OK, "none under way"),
        (phase("publishing", NOW - DAY), Severity.OK, "root, publishing for 24h"),
        (phase("publishing", NOW - 3 * DAY), Severity.WARNING, "root, publishing for 3d"),
        (phase("signing", NOW - 30 * DAY), Severity.OK, "root, signing for 30d"),
        ("", Severity.SKIPPED, "administrator"),
    ],
)
def test_rotation_that_is_stuck_shows_in_metrics(exposition, severity, words):
    (finding,) = judge_phases(exposition, at=NOW)

    assert finding.severity is severity
    assert words in finding.summary


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        'chancery_ca_expiry_timestamp_seconds{kind="root"} 1e999\n',
        'chancery_ca_expiry_timestamp_seconds{kind="root"} NaN\n',
    ],
)
def test_metrics_that_are_none_say_nothing(text):
    assert list(judge_metrics(text, at=NOW)) == []


def issuer(state, ends):
    return IssuerStatus(
        id="1", profile="intermediate", subject="CN=i", key_type="", state=state, not_before=NOW - 100 * DAY,
        not_after=ends, sha256_fingerprint="", certificate_pem=b"",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "ends", "severities"),
    [
        ("active", NOW + 100 * DAY, [Severity.OK]),
        ("active", NOW + 10 * DAY, [Severity.WARNING]),
        ("active", NOW - DAY, [Severity.PROBLEM]),
        ("retired", NOW - DAY, []),
    ],
)
def test_issuers_are_told_before_they_end(state, ends, severities):
    assert [one.severity for one in judge_issuers([issuer(state, ends)], at=NOW)] == severities


def rotation(**changed):
    under_way = Rotation(
        id="1", kind="root", phase="publishing", haste="due", aborted=False, started_at=NOW - DAY, entered_at=NOW - DAY,
        finished_at=None, generation=2,
    )  # fmt: skip
    lagging = TrustConsumer(name="registrar", held_generation=1, reported_at=NOW)
    said = {
        "rotation": under_way, "waits": ("1 consumer lags",), "consumers": (lagging,), "consumers_total": 1,
        "consumers_behind": 1, "remaining": (), "generation": 2, "issuer_due": NOW, "root_due": NOW,
    }  # fmt: skip
    return RotationStatus(**{**said, **changed})


def test_rotation_that_waits_says_for_whom():
    finding = judge_rotation(rotation(), at=NOW)

    assert (finding.severity, finding.cause) == (Severity.WARNING, Cause.ROTATION_WAITS)
    assert finding.summary == "root, publishing for 24h, waits: 1 consumer lags; lagging: registrar (generation 1)"
    assert judge_rotation(rotation(waits=()), at=NOW).severity is Severity.OK
    assert judge_rotation(rotation(rotation=None), at=NOW).severity is Severity.OK
