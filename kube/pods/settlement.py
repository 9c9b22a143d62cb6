"""Brings the authority to where it should be about one pod.

- An absence on which certificates would be revoked is confirmed first (`kube.pods.sightings`); what is not is looked at again.
- What was told is remembered once the authority has answered, never before.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from ca.client.errors import CallDenied, CallInvalid, CallOutOfTurn
from kube.ambient import Monotonic
from kube.cluster import Cluster
from kube.collections import Collection
from kube.core_resources import NAMESPACES, PODS, SERVICE_ACCOUNTS
from kube.documents import JsonObject, uid_of
from kube.events import Events, EventType
from kube.pods.authority import PodAuthority
from kube.pods.complaints import complaint_about
from kube.pods.decisions import Register, Remembered, Surroundings, decide
from kube.pods.ledger import Ledger
from kube.pods.lifetimes import End, end_of
from kube.pods.names import PodNames
from kube.pods.records import AccountRecord, NamespaceRecord, PodRecord
from kube.pods.service_index import ServiceIndex
from kube.pods.sightings import find
from kube.service_names import NameForms

LOOK_AGAIN = timedelta(seconds=30)
RELEASE_AGAIN = timedelta(hours=24)
"""For a pod that has ended and is kept: the authority forgets after 48 hours that nothing may be signed for it."""

_RELEASED_BEFORE = (
    "the pod was released before, when its service account was not there: it is given no certificates; "
    "delete it, to have it made anew"
)

_log = structlog.get_logger("chancery.kube.pods")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrounded:
    """Collections in which a pod's surroundings are found."""

    namespaces: Collection
    accounts: Collection
    services: ServiceIndex


class Settlement:
    """Raises KubeError and ClientError. Only a leader tells the authority anything: `cluster` is fenced."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        authority: PodAuthority,
        events: Events,
        monotonic: Monotonic,
        surrounded: Surrounded,
        ledger: Ledger,
        forms: NameForms,
    ) -> None:
        self._cluster = cluster
        self._authority = authority
        self._events = events
        self._monotonic = monotonic
        self._surrounded = surrounded
        self._ledger = ledger
        self._forms = forms

    def settle(self, document: JsonObject, *, is_known: bool = False) -> timedelta | None:
        """For a pod that is there, as its `document` says; `is_known` to the authority. Returns when to look again."""
        pod = PodRecord.from_document(document)
        with self._ledger.entry(pod.uid) as remembered:
            self._recall(remembered)
            around = self._around(pod)
            decision = decide(pod, around, remembered, forms=self._forms, is_known=is_known)
            wait = None
            if isinstance(decision, Register):
                self._complain(document, remembered, complaint_about(decision.names))
                wait = self._tell_names(document, pod, decision, remembered)
            elif decision is not None:
                if not self._is_confirmed(pod, decision.end, remembered):
                    _log.info("not released: the cluster still has it", pod=pod.name, namespace=pod.namespace)
                    return LOOK_AGAIN
                revoked = self._release(pod.namespace, pod.name, pod.uid, decision.end)
                remembered.released_at = self._monotonic()
                self._say_released(document, decision.end, revoked)
            if around.account is not None:
                remembered.account_uid = around.account.uid
            return RELEASE_AGAIN if remembered.released_at is not None else wait

    def depart(self, namespace: str, name: str, uid: str) -> timedelta | None:
        """For a pod of which nothing is known any more but its name. Returns when to look again. Raises ValueError for what
        cannot be the name of a pod."""
        with self._ledger.entry(uid) as remembered:
            self._recall(remembered)
            if remembered.released_at is None:
                end = self._end_of_absent(namespace, name, uid)
                if end is None:
                    _log.info("not released: the cluster still has it", pod=name, namespace=namespace)
                    return LOOK_AGAIN
                self._release(namespace, name, uid, end)
            self._ledger.forget(uid)
            return None

    def _recall(self, remembered: Remembered) -> None:
        released_at = remembered.released_at
        if released_at is not None and self._monotonic() - released_at >= RELEASE_AGAIN.total_seconds():
            remembered.released_at = None

    def _around(self, pod: PodRecord) -> Surroundings:
        namespace = self._surrounded.namespaces.get("", pod.namespace)
        account = self._surrounded.accounts.get(pod.namespace, pod.service_account)
        return Surroundings(
            namespace=None if namespace is None else NamespaceRecord.from_document(namespace),
            account=None if account is None else AccountRecord.from_document(account),
            services=self._surrounded.services.of(pod.namespace),
        )

    def _tell_names(
        self, document: JsonObject, pod: PodRecord, decision: Register, remembered: Remembered
    ) -> timedelta | None:
        """Returns when to look again, where the pod has come to further names too often."""
        seconds = remembered.allowance.wait(self._monotonic()) if decision.is_due and decision.adds else 0.0
        if seconds:
            decision = decision.without_new(remembered.names)
        if decision.is_due:
            self._register(document, pod, decision.names, remembered)
            if decision.adds:
                remembered.allowance.take()
        return timedelta(seconds=seconds) if seconds else None

    def _register(self, document: JsonObject, pod: PodRecord, names: PodNames, remembered: Remembered) -> None:
        self._cluster.verify_leading()
        try:
            self._authority.register_pod(pod.value, names.allowed)
        except (CallDenied, CallInvalid) as err:
            self._complain(document, remembered, f"the authority does not take the pod's DNS names: {err}")
            raise
        except CallOutOfTurn as err:
            if err.reason != "POD_RELEASED":
                raise
            remembered.released_at = self._monotonic()
            self._complain(document, remembered, _RELEASED_BEFORE)
            return
        remembered.names = names.allowed
        _log.info("names registered", pod=pod.name, namespace=pod.namespace, names=len(names.allowed))

    def _release(self, namespace: str, name: str, uid: str, end: End) -> int:
        self._cluster.verify_leading()
        revoked = self._authority.release_pod(uid, end.revocation_reason)
        _log.info("pod released", pod=name, namespace=namespace, uid=uid, why=end.value, revoked=revoked)
        return revoked

    def _is_confirmed(self, pod: PodRecord, end: End, remembered: Remembered) -> bool:
        """That it has ended a pod says itself."""
        if end is End.POD_ENDED:
            return True
        if end is End.NAMESPACE_DELETED:
            return find(self._cluster, NAMESPACES, "", pod.namespace) is None
        account = find(self._cluster, SERVICE_ACCOUNTS, pod.namespace, pod.service_account)
        present = None if account is None else AccountRecord.from_document(account)
        return end is end_of(pod, has_namespace=True, account=present, account_uid=remembered.account_uid)

    def _end_of_absent(self, namespace: str, name: str, uid: str) -> End | None:
        document = find(self._cluster, PODS, namespace, name)
        if document is None:
            return End.POD_DELETED
        if uid_of(document) != uid:
            return End.POD_REPLACED
        return End.POD_ENDED if PodRecord.from_document(document).has_ended else None

    def _say_released(self, document: JsonObject, end: End, revoked: int) -> None:
        if end is End.POD_ENDED:
            if revoked:
                self._events.record(
                    document, EventType.NORMAL, "CertificatesRevoked", f"{end}; certificates revoked: {revoked}"
                )
            return
        message = f"{end}; certificates revoked: {revoked}. The pod is given no others: delete it, to have it made anew"
        self._events.record(document, EventType.WARNING, "CertificatesRevoked", message)

    def _complain(self, document: JsonObject, remembered: Remembered, complaint: str) -> None:
        if complaint and complaint != remembered.complaint:
            self._events.record(document, EventType.WARNING, "DnsNamesNotRegistered", complaint)
        remembered.complaint = complaint
