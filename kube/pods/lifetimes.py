"""When a pod's certificates end: with the pod, its service account or its namespace.

- Being deleted is not the end: a server that shuts down gracefully still answers. It is given no new names.
- A service account that is there again under its old name is another one, whose tokens the pod does not have. By which of
  the two a pod was admitted, the times of their making say; API servers' clocks differ, and in doubt the pod lives on.
"""

from datetime import timedelta
from enum import StrEnum

from ca.client.values import RevocationReason
from kube.pods.records import AccountRecord, PodRecord

CLOCKS_DIFFER = timedelta(minutes=5)
"""Taken into account where nobody saw the service account change."""


class End(StrEnum):
    POD_DELETED = "the pod was deleted"
    POD_REPLACED = "another pod has taken its name"
    POD_ENDED = "the pod has ended"
    ACCOUNT_DELETED = "its service account was deleted"
    NAMESPACE_DELETED = "its namespace was deleted"

    @property
    def revocation_reason(self) -> RevocationReason:
        return (
            RevocationReason.PRIVILEGE_WITHDRAWN
            if self is End.ACCOUNT_DELETED
            else RevocationReason.CESSATION_OF_OPERATION
        )


def end_of(
    pod: PodRecord, *, has_namespace: bool, account: AccountRecord | None, account_uid: str | None
) -> End | None:
    """None while it lives. `account` is the service account of the pod's as it is now, `account_uid` the one with which the
    pod was seen last, None where nobody remembers. A mirror pod has no account."""
    if pod.has_ended:
        return End.POD_ENDED
    if not has_namespace:
        return End.NAMESPACE_DELETED
    if pod.service_account and not _is_same_account(pod, account, account_uid):
        return End.ACCOUNT_DELETED
    return None


def _is_same_account(pod: PodRecord, account: AccountRecord | None, account_uid: str | None) -> bool:
    """A pod is admitted with a service account that is there already: one that was made later is another."""
    if account is None:
        return False
    if account.uid == account_uid or account.created_at is None or pod.created_at is None:
        return True
    return account.created_at <= pod.created_at + (CLOCKS_DIFFER if account_uid is None else timedelta(0))
