"""What the authority has to be told about a pod that is there, from what the cluster says and what it was told before.

- Nothing is told twice: not to a pod that was released, not the names that were registered already.
- A pod has no names before it is on a node, as it cannot enroll before, nor while it is being deleted. One without a service
  account, a mirror of what kubelet runs by itself, has no identity at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kube.pods.allowance import Allowance
from kube.pods.lifetimes import End, end_of
from kube.pods.names import NO_NAMES, PodNames, names_of
from kube.pods.records import AccountRecord, NamespaceRecord, PodRecord, ServiceRecord
from kube.service_names import NameForms


@dataclass(slots=True, kw_only=True)
class Remembered:
    """Of one pod. `account_uid` is its service account's when it was seen last, `names` those registered last, None
    where none were; `released_at` by a clock that only goes forward."""

    account_uid: str | None = None
    names: tuple[str, ...] | None = None
    released_at: float | None = None
    complaint: str = ""
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Of one pod: its namespace and service account, where they are there, and Services of the namespace."""

    namespace: NamespaceRecord | None
    account: AccountRecord | None
    services: Iterable[ServiceRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    end: End


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """`is_due`: the authority does not have these yet. `adds`: some of them are new to it, as far as is known."""

    names: PodNames
    is_due: bool
    adds: bool = False

    def without_new(self, told: tuple[str, ...] | None) -> "Register":
        """What can be told at once: of those told before, the ones that are left."""
        kept = tuple(name for name in told or () if name in self.names.allowed)
        return Register(names=replace(self.names, allowed=kept), is_due=kept != told)


def decide(
    pod: PodRecord, around: Surroundings, remembered: Remembered, *, forms: NameForms, is_known: bool
) -> Release | Register | None:
    """None: there is nothing to say. `is_known`: the authority has certificates or names of the pod, so that these may be names
    that a registrar of before registered."""
    end = end_of(
        pod,
        has_namespace=around.namespace is not None,
        account=around.account,
        account_uid=remembered.account_uid,
    )
    if end is not None:
        return Release(end=end) if remembered.released_at is None else None
    if remembered.released_at is not None or not pod.node or not pod.service_account:
        return None
    names = _names(pod, around, forms)
    told = remembered.names if remembered.names is not None or is_known else ()
    adds = remembered.names is None or not set(names.allowed) <= set(remembered.names)
    return Register(names=names, is_due=names.allowed != told, adds=adds and bool(names.allowed))


def _names(pod: PodRecord, around: Surroundings, forms: NameForms) -> PodNames:
    namespace = around.namespace
    if pod.is_deleting or namespace is None or namespace.is_deleting:
        return NO_NAMES
    if not pod.takes_part(namespace_is_opted_in=namespace.is_opted_in):
        return NO_NAMES
    return names_of(pod, around.services, forms)
