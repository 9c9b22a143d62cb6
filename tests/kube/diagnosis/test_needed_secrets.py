"""Secrets that workloads need and that are not there, and what is said of them; their names are all that is looked at."""

from kube.diagnosis.findings import Cause, Severity
from kube.diagnosis.needed_secrets import judge_needed_secrets
from tests.kube.diagnosis.made import workload

DATABASE = {"name": "CHANCERY_DATABASE", "valueFrom": {"secretKeyRef": {"name": "database", "key": "url"}}}
MAYBE = {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "url", "optional": True}}}
PASSPHRASE = {"name": "CHANCERY_KUBERNETES_PASSPHRASE_SECRET", "value": "passphrase"}
VOLUMES = [
    {"name": "a", "secret": {"secretName": "mounted"}},
    {"name": "b", "secret": {"secretName": "optional", "optional": True}},
    {"name": "c", "projected": {"sources": [{"secret": {"name": "roots"}}, {"serviceAccountToken": {}}]}},
    {"name": "d", "emptyDir": {}},
]


def judge(*there, env=(DATABASE, MAYBE, PASSPHRASE), ready=2):
    made = workload(readyReplicas=ready)
    made["spec"]["template"]["spec"] = {"volumes": VOLUMES, "containers": [{"env": list(env)}, "garbage"]}
    return {one.target: one for one in judge_needed_secrets([made, {}], frozenset(there), roots="roots")}


def test_nothing_is_said_where_all_are_there():
    assert judge("database", "mounted", "passphrase") == {}


def test_each_that_is_missing_is_named_with_who_needs_it():
    found = judge("passphrase")

    assert {one.cause for one in found.values()} == {Cause.SECRET_MISSING}
    assert sorted(found) == ["Secret/database", "Secret/mounted"]
    assert "Deployment/chancery-injector" in found["Secret/database"].summary


def test_passphrase_is_put_back_before_the_authority_stops():
    (finding,) = judge("database", "mounted").values()

    assert finding.severity is Severity.PROBLEM
    assert "does not start again without it" in finding.summary
    assert (
        "before the authority is stopped: kubectl --namespace chancery create secret generic passphrase --from"
        in finding.hint
    )


def test_an_authority_that_never_started_has_lost_no_passphrase():
    (finding,) = judge("database", "mounted", ready=0).values()
    (lost,) = judge("database", "mounted", "roots", ready=0).values()

    assert "it starts by itself: kubectl --namespace chancery create secret" in lost.hint
    assert (finding.severity, lost.severity) == (Severity.WARNING, Severity.PROBLEM)
    assert "makes both when it starts for the first time" in finding.summary
    assert "if it ever ran" in finding.hint
