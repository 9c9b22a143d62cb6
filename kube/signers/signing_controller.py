"""Approves, denies and signs CertificateSigningRequests for our signers.

- Each look reads the request and whom it is about anew; each write is conditional on the version that was decided on.
- The order's `request_id` is the object's UID: whoever signs it again, after a crash, gets the same certificate.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from kube.controllers import Key, Watch, itself
from kube.core_resources import PODS
from kube.documents import JsonObject, mapping, name_of
from kube.signers.conditions import LONGEST_WAIT, later
from kube.signers.decisions import Approve, Deny, Fail, Settled, Sign, Wait
from kube.signers.judgement import Surroundings, service_names
from kube.signers.parts import SignerParts
from kube.signers.requesters import ServiceAccount, requester_of
from kube.signers.requests import SentRequest, read_request
from kube.signers.signing_requests import SIGNING_REQUESTS, decide, is_settled, signed, signer_of, with_verdict
from kube.vocabulary import Signer


class SigningController:
    name = "certificate-signing-requests"

    def __init__(self, parts: SignerParts) -> None:
        self._parts = parts

    def watches(self) -> Sequence[Watch]:
        return [
            Watch(
                resource=SIGNING_REQUESTS,
                query={"fieldSelector": f"spec.signerName={signer}"},
                projection=_projected,
                keys=_pending,
                full_pass=LONGEST_WAIT,
            )
            for signer in Signer
        ]

    def reconcile(self, key: Key) -> timedelta | None:
        document = self._parts.lookups.find(SIGNING_REQUESTS, "", key.name)
        if document is None or signer_of(document) is None or is_settled(document):
            return None
        decision = decide(document, self._surroundings(document), self._parts.settings)
        match decision:
            case Settled():
                return None
            case Wait():
                self._parts.outcomes.waits(document, decision.reason, decision.message)
                return later(decision.again, document, self._parts.clock())
            case Sign():
                self._sign(document, decision)
            case Approve():
                self._conclude(document, "Approved", "approval", decision)
            case Deny():
                self._conclude(document, "Denied", "approval", decision)
            case Fail():
                self._conclude(document, "Failed", "status", decision)
        return None

    def _surroundings(self, document: JsonObject) -> Surroundings:
        requester = requester_of(document)
        account = requester if isinstance(requester, ServiceAccount) else None
        pod = self._parts.lookups.find(PODS, account.namespace, account.pod_name) if account else None
        sent = read_request(mapping(document, "spec").get("request"))
        if signer_of(document) is not Signer.SERVING or not isinstance(sent, SentRequest):
            return Surroundings(pod=pod)
        services = self._parts.lookups.services(service_names(sent.request, requester, self._parts.settings))
        pods = self._parts.lookups.pods_of(account.namespace, account.name) if account and services else ()
        return Surroundings(pod=pod, services=services, pods=pods)

    def _sign(self, document: JsonObject, order: Sign) -> None:
        certificate = self._parts.outcomes.fulfil(self._parts.authority, order, document)
        if isinstance(certificate, Fail):
            self._conclude(document, "Failed", "status", certificate)
            return
        if self._write(document, "status", signed(document, certificate)):
            self._parts.outcomes.issued(document, SIGNING_REQUESTS, certificate)

    def _conclude(self, document: JsonObject, outcome: str, subresource: str, decision: Approve | Deny | Fail) -> None:
        verdict = with_verdict(
            document, type=outcome, reason=decision.reason, message=decision.message, now=self._parts.clock()
        )
        if self._write(document, subresource, verdict):
            self._parts.outcomes.written(document, SIGNING_REQUESTS, outcome, decision.reason, decision.message)

    def _write(self, document: JsonObject, subresource: str, changed: JsonObject) -> bool:
        path = SIGNING_REQUESTS.path(name=name_of(document), subresource=subresource)
        return self._parts.replace(path, changed)


def _projected(document: JsonObject) -> JsonObject:
    """Whether there is something to do is all that is kept: the rest is read anew."""
    return {"pending": not is_settled(document)}


def _pending(document: JsonObject) -> Iterable[Key]:
    return itself(document) if document.get("pending") else ()
