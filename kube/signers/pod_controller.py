"""Answers PodCertificateRequests, of whichever version the cluster serves.

- None is signed that was made while the admission policy was not in the cluster: it proves nothing about who made it.
- Where an earlier attempt left its certificate unwritten for too long, a further one is ordered, and so on: each has its own
  `request_id`, so that no crash makes two of one attempt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ca.client.values import IssuedCertificate
from kube.collections import Collections
from kube.controllers import Key, Watch, key_of
from kube.core_resources import NODES, PODS, SERVICE_ACCOUNTS
from kube.documents import JsonObject, mapping, name_of, namespace_of, text
from kube.errors import Forbidden, Refused
from kube.signers.admission_policy import BINDINGS, POLICIES, fault_of_policy, policy_name, proves
from kube.signers.decisions import Deny, Fail, Settled, Sign, Wait
from kube.signers.errors import AnswerUnfit
from kube.signers.parts import SignerParts
from kube.signers.pod_requests import (
    POD_REQUESTS,
    POD_REQUESTS_BETA,
    Asked,
    PodSurroundings,
    decide,
    is_ours,
    is_settled,
    read_annotations,
)
from kube.signers.pod_statuses import is_fresh, issued, refused, what_speaks_against_issuing

ATTEMPTS = 5
"""Each is good for four minutes; the cluster forgets requests after fifteen."""
POLICY_HOLDS = timedelta(seconds=2)
"""How long what was seen of it counts: a cluster loses it with a release that is removed, and gets another a moment later."""
_LOOK_AGAIN = timedelta(seconds=10)
_TOO_EARLY = (
    "the request was made before the admission policy, as it is, was in the cluster, so that it does not prove that a node made "
    "it; the cluster forgets it after a quarter of an hour, and the kubelet asks again"
)
_VERSIONS = {resource.version: resource for resource in (POD_REQUESTS, POD_REQUESTS_BETA)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _PolicySeen:
    """`fault` is empty where both do what they should."""

    at: datetime
    policy: JsonObject
    binding: JsonObject
    fault: str


class PodRequestController:
    name = "pod-certificate-requests"

    def __init__(self, parts: SignerParts, collections: Collections) -> None:
        self._parts = parts
        self._v1 = collections.of(POD_REQUESTS, projection=_projected)
        self._seen: _PolicySeen | None = None

    def watches(self) -> Sequence[Watch]:
        return [
            Watch(resource=POD_REQUESTS, projection=_projected, keys=_pending_v1),
            Watch(resource=POD_REQUESTS_BETA, projection=_projected, keys=_pending_beta),
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        resource = _VERSIONS[key.kind]
        if resource is POD_REQUESTS_BETA and self._v1.is_served:
            return None
        document = self._parts.lookups.find(resource, key.namespace, key.name)
        if document is None or not is_ours(document) or is_settled(document):
            return None
        seen = self._look_at_policy()
        if seen.fault:
            self._parts.outcomes.waits(document, "AdmissionPolicyMissing", seen.fault)
            return _LOOK_AGAIN
        if not proves(document, seen.policy, seen.binding):
            self._parts.outcomes.waits(document, "MadeBeforeAdmissionPolicy", _TOO_EARLY)
            return None
        decision = decide(document, self._surroundings(document), self._parts.settings, now=self._parts.clock())
        match decision:
            case Wait():
                self._parts.outcomes.waits(document, decision.reason, decision.message)
                return decision.again
            case Sign():
                self._sign(document, decision)
            case Deny():
                self._refuse(document, "Denied", decision)
            case Fail():
                self._refuse(document, "Failed", decision)
            case Settled():
                pass
        return None

    def _surroundings(self, document: JsonObject) -> PodSurroundings:
        spec, namespace = mapping(document, "spec"), namespace_of(document)
        asked = read_annotations(document, self._parts.settings)
        return PodSurroundings(
            pod=self._parts.lookups.find(PODS, namespace, text(spec, "podName")),
            service_account=self._parts.lookups.find(SERVICE_ACCOUNTS, namespace, text(spec, "serviceAccountName")),
            node=self._parts.lookups.find(NODES, "", text(spec, "nodeName")),
            services=self._parts.lookups.services(asked.services) if isinstance(asked, Asked) else {},
        )

    def _look_at_policy(self) -> _PolicySeen:
        now, seen = self._parts.clock(), self._seen
        if seen is not None and timedelta() <= now - seen.at < POLICY_HOLDS:
            return seen
        try:
            policy = self._parts.lookups.find(POLICIES, "", policy_name())
            binding = self._parts.lookups.find(BINDINGS, "", policy_name())
            fault = fault_of_policy(policy, binding)
        except Forbidden as err:
            policy, binding, fault = None, None, f"the admission policy cannot be looked at: {err}"
        seen = _PolicySeen(at=now, policy=policy or {}, binding=binding or {}, fault=fault)
        self._seen = None if fault else seen
        return seen

    def _sign(self, document: JsonObject, order: Sign) -> None:
        certificate = self._fresh(document, order)
        if isinstance(certificate, Fail):
            self._refuse(document, "Failed", certificate)
            return
        if fault := what_speaks_against_issuing(document, certificate):
            self._refuse(document, "Failed", Fail(reason="LifetimeNotPossible", message=fault))
            return
        if self._write(document, issued(document, certificate, now=self._parts.clock())):
            self._parts.outcomes.issued(document, POD_REQUESTS, certificate)

    def _fresh(self, document: JsonObject, order: Sign) -> IssuedCertificate | Fail:
        for attempt in range(1, ATTEMPTS + 1):
            request_id = order.request_id if attempt == 1 else f"{order.request_id}.{attempt}"
            certificate = self._parts.outcomes.fulfil(
                self._parts.authority, replace(order, request_id=request_id), document
            )
            if isinstance(certificate, Fail) or is_fresh(certificate, self._parts.clock()):
                return certificate
        problem = "the authority's certificates begin more than four minutes from now: its clock and ours differ"
        self._parts.outcomes.waits(document, "ClocksDiffer", problem)
        raise AnswerUnfit(problem)

    def _refuse(self, document: JsonObject, outcome: str, decision: Deny | Fail) -> None:
        status = refused(
            document, type=outcome, reason=decision.reason, message=decision.message, now=self._parts.clock()
        )
        if self._write(document, status):
            self._parts.outcomes.written(document, POD_REQUESTS, outcome, decision.reason, decision.message)

    def _write(self, document: JsonObject, changed: JsonObject) -> bool:
        """Whether the object was still there. Raises Conflict where it changed since."""
        resource = _VERSIONS[text(document, "apiVersion").rpartition("/")[2]]
        try:
            return self._parts.replace(resource.path(namespace_of(document), name_of(document), "status"), changed)
        except Refused as err:
            self._parts.outcomes.waits(document, "StatusRefused", str(err))
            raise


def _projected(document: JsonObject) -> JsonObject:
    """Whether there is something to do is all that is kept: the rest is read anew."""
    return {"pending": is_ours(document) and not is_settled(document)}


def _pending_v1(document: JsonObject) -> Iterable[Key]:
    return _pending(document, POD_REQUESTS.version)


def _pending_beta(document: JsonObject) -> Iterable[Key]:
    return _pending(document, POD_REQUESTS_BETA.version)


def _pending(document: JsonObject, version: str) -> Iterable[Key]:
    return (replace(key_of(document), kind=version),) if document.get("pending") else ()
