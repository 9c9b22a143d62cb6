"""Enrollment by service-account token: what is checked, in which order, and what of it the caller learns.

    1 size and form of the token          6 the pod itself, where a setting asks for it
    2 TokenReview                         7 the request: proof of possession, strength of the key
    3 ours, and for no other audience     8 how often pod and node have asked
    4 a service account                   9 policy, then names and lifetime: the steps of `ca.authority`
    5 bound to a pod on a node           10 in the transaction that records: the pod, neither released nor another's; the names
                                            that were asked for, registered for it; the token, for this key and no other

- The identity is the cluster's word, DNS names are its registrar's; of the request only the public key counts.
- Whatever is refused is refused with one error and one text. Why stands in the log, and in the audit trail once the cluster
  has vouched for the caller. No answer of the cluster is no permission.
- Nothing is remembered of an answer: a token that the cluster withdraws is worth nothing from then on.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NoReturn

import structlog

from ca.ambient import Clock, epoch_seconds
from ca.callers import Caller
from ca.calls import Call
from ca.cluster.connection import ClusterConnection
from ca.cluster.credentials import pod_credential, read_review, review_document, verify_form
from ca.cluster.faults import NoAnswer, NotThere, Refusal, RefusalReason
from ca.cluster.pods import Pod, pod_path, read_pod, verify_pod
from ca.cluster.questions import Questions
from ca.cluster.rate_limits import EnrollmentLimits
from ca.denials import DenialLog
from ca.errors import (
    ClusterUnavailable,
    EnrollmentRefused,
    InvalidArgument,
    NamesNotRegistered,
    Overloaded,
    PermissionDenied,
    PodReleased,
    RequestInvalid,
    Unauthenticated,
)
from ca.metrics import Metrics
from ca.orders import Binding, Order, PodCredential
from ca.pipeline import SigningPipeline
from ca.policy import Operation
from ca.succession import Succession
from certs.errors import MalformedInput, ProfileViolation, RequestRefused
from certs.lifetimes import format_lifetime
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName, TrustDomain
from certs.profiles import LEAF_PROFILES
from certs.requests import CertificateRequest
from store.records import CertificateRecord

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_WORKLOAD = LEAF_PROFILES["workload"]
_REFUSALS = (
    Unauthenticated,
    PermissionDenied,
    InvalidArgument,
    PodReleased,
    MalformedInput,
    RequestRefused,
    ProfileViolation,
)

_log = structlog.get_logger("chancery.enrollment")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountEnrollment:
    """Belongs to an event loop."""

    connection: ClusterConnection
    questions: Questions
    limits: EnrollmentLimits
    pipeline: SigningPipeline
    succession: Succession
    denials: DenialLog
    clock: Clock
    trust_domain: TrustDomain
    audience: str
    looks_at_pods: bool
    metrics: Metrics

    async def enroll(
        self,
        call: Call,
        *,
        token: str,
        csr: bytes,
        lifetime: timedelta | None,
        request_id: str | None,
        dns_names: tuple[str, ...] = (),
        replaces: str = "",
    ) -> CertificateRecord:
        """What `replaces` names is followed where it is this pod's, and else left as it stands.

        Raises EnrollmentRefused, ClusterUnavailable, Overloaded, NamesNotRegistered; RequestInvalid for a lifetime that the profile
        does not know, MalformedName and TooManyNames for DNS names; and what the pipeline raises that is not the caller's fault.
        """
        _verify_lifetime(lifetime)
        wanted = SubjectAlternativeNames.parse(dns=dns_names).dns
        pod = replace(await self._identify(call, token), dns_names=wanted)
        spiffe_id = SpiffeId.for_service_account(self.trust_domain, pod.namespace, pod.service_account)
        call = replace(call, caller=Caller.for_service_account(spiffe_id, wanted))
        try:
            order = Order(
                call=call,
                operation=Operation.ISSUE,
                profile=_WORKLOAD.name,
                request=await self._admit(pod, csr),
                usual_lifetime=lifetime and min(lifetime, _WORKLOAD.maximum_lifetime),
                request_id=request_id,
                binding=Binding(subject=SubjectName(), names=call.caller.names, exact=False),
                pod=pod,
                renewed_from=await self._replaced(call.caller.name, pod, replaces),
            )
            return await self.pipeline.issue(order)
        except (Overloaded, NamesNotRegistered) as err:
            self._count(err.reason)
            _log.warning("enrollment put off", request=call.id, caller=call.caller.name, error=str(err), **pod.details)
            raise
        except _REFUSALS as err:
            self._count(err.reason)
            await self.denials.write(
                call, "EnrollServiceAccount", reason=err.reason, explanation=str(err), **pod.details
            )
            _refuse(call, str(err), **pod.details)

    async def _identify(self, call: Call, token: str) -> PodCredential:
        """Steps 1 to 6."""
        try:
            verify_form(token)  # 1
            document = review_document(token, self.audience)
            review = await self.questions.ask(  # 2
                lambda: read_review(self.connection.post(_TOKEN_REVIEWS, document)), source=call.source
            )
            pod = pod_credential(review, token, audience=self.audience, now=epoch_seconds(self.clock()))  # 3 to 5
            if self.looks_at_pods:
                verify_pod(await self._pod(pod, call.source), pod)  # 6
        except Refusal as err:
            self._count(err.reason)
            _refuse(call, str(err))
        except NoAnswer as err:
            self._count(ClusterUnavailable.reason)
            _log.warning("the cluster cannot be asked about a token", request=call.id, error=str(err))
            raise ClusterUnavailable(
                f"enrollment is not possible now; try again in a moment (request {call.id})"
            ) from err
        return pod

    async def _pod(self, pod: PodCredential, source: str) -> Pod:
        try:
            return await self.questions.ask(lambda: read_pod(self.connection.get(pod_path(pod))), source=source)
        except NotThere as err:
            raise Refusal(RefusalReason.POD_GONE, f"there is no pod {pod.namespace}/{pod.pod_name}") from err

    async def _admit(self, pod: PodCredential, csr: bytes) -> CertificateRequest:
        """Steps 7 and 8. A request that cannot be read counts as much as another."""
        try:
            return await asyncio.to_thread(CertificateRequest.from_bytes, csr)
        finally:
            self.limits.take(pod)

    async def _replaced(self, requester: str, pod: PodCredential, name: str) -> str | None:
        return await asyncio.to_thread(self.succession.of_pod, requester, pod.pod_uid, name) if name else None

    def _count(self, reason: str) -> None:
        self.metrics.enrollment_refusals.labels(credential="service-account", reason=reason).inc()


def _refuse(call: Call, why: str, **details: str) -> NoReturn:
    """The one answer to everything that is wrong: not even the cause stays with it."""
    _log.info("enrollment refused", request=call.id, caller=call.caller.name, error=why, **details)
    raise EnrollmentRefused(f"enrollment is refused; the server's log says why (request {call.id})") from None


def _verify_lifetime(lifetime: timedelta | None) -> None:
    """Longer ones are cut; one that is too short for the profile would have to be lengthened. Raises RequestInvalid."""
    if lifetime is not None and lifetime < _WORKLOAD.minimum_lifetime:
        shortest = format_lifetime(_WORKLOAD.minimum_lifetime)
        raise RequestInvalid(f"a certificate lives for {shortest} at least; ask for more", field="lifetime")
