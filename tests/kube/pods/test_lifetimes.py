"""When a pod's certificates end."""

from datetime import timedelta

import pytest

from ca.client.values import RevocationReason
from kube.pods.lifetimes import CLOCKS_DIFFER, End, end_of
from kube.pods.records import AccountRecord, PodRecord
from tests.kube.pods import documents

ACCOUNT = documents.account()


def end(pod=None, *, has_namespace=True, account=ACCOUNT, account_uid=None):
    return end_of(
        PodRecord.from_document(pod or documents.pod()),
        has_namespace=has_namespace,
        account=None if account is None else AccountRecord.from_document(account),
        account_uid=account_uid,
    )


def younger(seconds):
    return documents.account(age=-timedelta(seconds=seconds))


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown", ""])
def test_pod_lives(phase):
    assert end(documents.pod(phase=phase)) is None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pod_that_has_ended_has(phase):
    assert end(documents.pod(phase=phase)) is End.POD_ENDED


def test_pod_that_is_being_deleted_lives():
    assert end(documents.pod(deletionTimestamp=documents.at(documents.NOON))) is None


def test_service_account_deleted_is_the_end_of_its_pods():
    assert end(account=None) is End.ACCOUNT_DELETED


def test_mirror_pod_has_no_service_account_to_lose():
    assert end(documents.pod(spec={"serviceAccountName": ""}), account=None) is None


def test_namespace_deleted_is_the_end_of_its_pods():
    assert end(has_namespace=False) is End.NAMESPACE_DELETED


def test_service_account_made_anew_is_another():
    assert end(account=younger(1), account_uid="of-the-one-before") is End.ACCOUNT_DELETED


def test_pod_made_under_the_new_service_account_lives_whatever_was_seen_before():
    assert end(account=younger(0), account_uid="of-the-one-before") is None


def test_where_nobody_saw_it_change_clocks_that_differ_are_allowed_for():
    limit = CLOCKS_DIFFER.total_seconds()

    assert end(account=younger(limit)) is None
    assert end(account=younger(limit + 1)) is End.ACCOUNT_DELETED


def test_same_service_account_is_the_same_however_young():
    account = younger(3600)

    assert end(account=account, account_uid=account["metadata"]["uid"]) is None


@pytest.mark.parametrize("stamp", [None, "", "yesterday", 7, "2026-11-29T12:00:00"])
def test_pod_or_account_without_an_age_lives(stamp):
    account = documents.account(creationTimestamp=stamp)

    assert end(account=account, account_uid="another") is None
    assert end(documents.pod(creationTimestamp=stamp), account=younger(3600), account_uid="another") is None


def test_reasons_of_revocation():
    reasons = {one: one.revocation_reason for one in End}

    assert reasons.pop(End.ACCOUNT_DELETED) is RevocationReason.PRIVILEGE_WITHDRAWN
    assert set(reasons.values()) == {RevocationReason.CESSATION_OF_OPERATION}
