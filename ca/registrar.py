"""What the authority keeps of a cluster's pods: the names that its registrar vouches for, and which pods are gone.

- Policy is asked for `register` about the pod's SPIFFE ID, under profile `workload`, and the names: whoever may speak for one
  namespace says nothing about the pods of another.
- A release revokes whatever the pod holds, by whose word it ever came; it needs no right over those names.
- Synchronous: edges call it in worker threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ca.ambient import Clock, epoch_seconds
from ca.audit import Action, audit_event
from ca.authority import pod_record
from ca.calls import Call
from ca.cluster.object_names import NAME, NAMESPACE, UID
from ca.errors import PodMismatch, PodReleased, RequestInvalid
from ca.orders import PodIdentity
from ca.policy import Operation, Policy, PolicyRequest
from ca.registry import verify_allowed
from ca.revocations import Revocations
from certs.names import SpiffeId, SubjectAlternativeNames, TrustDomain
from store import errors as store_errors
from store.pods import Pods
from store.records import AuditEvent, CertificateRecord, Page, PodRecord

KEPT_RELEASED = timedelta(hours=48)
"""How long it is known at least that a pod was released."""
_KEPT_BEYOND = timedelta(hours=1)
"""How much longer than the last token or certificate of the pod: clocks differ, and an API server answers from its cache."""
_PROFILE = "workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Pods, as callers with the right to speak for them see and change them."""

    pods: Pods
    revocations: Revocations
    policy: Callable[[], Policy]
    clock: Clock
    trust_domain: TrustDomain

    def verify_pod(self, call: Call, pod: PodIdentity, dns_names: tuple[str, ...] = ()) -> None:
        """Raises PolicyDenied where the caller does not speak for this pod, or not for these names."""
        self.policy().verify(self._question(call, pod.namespace, pod.service_account, dns_names))

    def register(self, call: Call, pod: PodIdentity, dns_names: tuple[str, ...]) -> None:
        """Raises PolicyDenied, PodReleased, PodMismatch; MalformedName, TooManyNames."""
        names = SubjectAlternativeNames.parse(dns=dns_names)
        self.verify_pod(call, pod, names.dns)
        wanted = pod_record(pod, dns_names=names.dns)
        if self.pods.find(wanted.uid) == wanted:  # a full pass says again what is known: it costs no transaction
            return
        event = audit_event(
            Action.POD_REGISTER, call, at=self.clock(), subject_id=pod.pod_uid, names=names.dns, **pod.details
        )
        try:
            self.pods.register(wanted, event)
        except store_errors.PodReleased as err:
            raise PodReleased(str(err)) from err
        except store_errors.PodMismatch as err:
            raise PodMismatch(str(err)) from err

    def release(self, call: Call, pod_uid: str, reason: int) -> int:
        """How many certificates that revoked; it counts from this moment on, in every check of this process.

        Raises PolicyDenied, RequestInvalid.
        """
        if not UID.fullmatch(pod_uid):
            raise RequestInvalid("pod_uid must be the UID of a pod", field="pod_uid")
        known = self.pods.find(pod_uid)
        self._verify_release(call, known)
        now = self.clock()

        def events(revoked: Sequence[CertificateRecord]) -> list[AuditEvent]:
            details = {"pod_uid": pod_uid, "reason": reason}
            pod = f"{known.namespace}/{known.name}" if known is not None and known.namespace else ""
            released = audit_event(
                Action.POD_RELEASE, call, at=now, subject_id=pod_uid, pod=pod, revoked=len(revoked), reason=reason
            )
            return [released] + [
                audit_event(
                    Action.CERTIFICATE_REVOKE, call, at=now, subject_id=one.id, serial=one.serial.hex(), **details
                )
                for one in revoked
            ]

        revoked = self.pods.release(
            pod_uid,
            at=epoch_seconds(now),
            reason=reason,
            kept_until=epoch_seconds(now + KEPT_RELEASED),
            kept_beyond=int(_KEPT_BEYOND.total_seconds()),
            events=events,
        )
        if revoked:
            self.revocations.refresh()
        return len(revoked)

    def page(self, call: Call, *, page_size: int, page_token: str) -> Page[PodRecord]:
        """Newest first; a page is shorter where the caller does not speak for all of it. Raises PolicyDenied."""
        verify_allowed(self.policy(), call, Operation.REGISTER)
        page = self.pods.page(now=epoch_seconds(self.clock()), page_size=page_size, page_token=page_token)
        policy = self.policy()
        speaks_for: dict[tuple[str, str], bool] = {}
        for pod in page.items:
            account = (pod.namespace, pod.service_account)
            if account not in speaks_for:
                speaks_for[account] = policy.decide(self._question(call, *account)).allowed
        return replace(page, items=tuple(pod for pod in page.items if speaks_for[pod.namespace, pod.service_account]))

    def _verify_release(self, call: Call, known: PodRecord | None) -> None:
        """Of a pod that is not known nothing can be asked but whether the caller is a registrar. Raises PolicyDenied."""
        if known is None or not known.namespace:
            verify_allowed(self.policy(), call, Operation.REGISTER)
        else:
            self.policy().verify(self._question(call, known.namespace, known.service_account))

    def _question(
        self, call: Call, namespace: str, service_account: str, dns_names: tuple[str, ...] = ()
    ) -> PolicyRequest:
        spiffe_id = SpiffeId.for_service_account(self.trust_domain, namespace, service_account)
        return PolicyRequest(
            caller=call.caller,
            operation=Operation.REGISTER,
            profile=_PROFILE,
            names=SubjectAlternativeNames.parse(uris=(str(spiffe_id),), dns=dns_names),
        )


def parse_pod(*, namespace: str, name: str, uid: str, service_account: str, node: str) -> PodIdentity:
    """Raises RequestInvalid."""
    for field, text, form in (
        ("namespace", namespace, NAMESPACE),
        ("name", name, NAME),
        ("uid", uid, UID),
        ("service_account", service_account, NAME),
        ("node", node or "none", NAME),
    ):
        if not form.fullmatch(text):
            raise RequestInvalid(f"{text[:64]!r} cannot be the {field} of a pod", field=f"pod.{field}")
    return PodIdentity(namespace=namespace, pod_name=name, pod_uid=uid, service_account=service_account, node_name=node)
