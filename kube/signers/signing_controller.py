"""Approves, denies and signs CertificateSigningRequests for our signers.

- Each look reads the request and whom it is about anew; each write is conditional on the version that was decided on.
- The order's `request_id` is the object's UID: whoever signs it again, after a crash, gets the same certificate.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from kube.ambient import Clock
from kube.cluster import Cluster
from kube.controllers import Key, Watch, itself
from kube.core_resources import PODS
from kube.documents import JsonObject, mapping, name_of
from kube.errors import NotThere
from kube.signers.authority import Authority
from kube.signers.conditions import LONGEST_WAIT, later
from kube.signers.decisions import Approve, Deny, Fail, Settled, Sign, Wait
from kube.signers.judgement import Surroundings, service_names
from kube.signers.lookups import Lookups
from kube.signers.outcomes import Outcomes
from kube.signers.requesters import ServiceAccount, requester_of
from kube.signers.requests import SentRequest, read_request
from kube.signers.settings import SignerSettings
from kube.signers.signing_requests import SIGNING_REQUESTS, decide, is_settled, signed, signer_of, with_verdict
from kube.vocabulary import Signer


class SigningController:
    name = "certificate-signing-requests"

    def __init__(
        self, cluster: Cluster, authority: Authority, outcomes: Outcomes, settings: SignerSettings, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._lookups = Lookups(cluster)
        self._authority = authority
        self._outcomes = outcomes
        self._settings = settings
        self._clock = clock

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
        document = self._lookups.find(SIGNING_REQUESTS, "", key.name)
        if document is None or signer_of(document) is None or is_settled(document):
            return None
        decision = decide(document, self._surroundings(document), self._settings)
        match decision:
            case Settled():
                return None
            case Wait():
                self._outcomes.waits(document, decision.reason, decision.message)
                return later(decision.again, document, self._clock())
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
        pod = self._lookups.find(PODS, account.namespace, account.pod_name) if account else None
        sent = read_request(mapping(document, "spec").get("request"))
        if signer_of(document) is not Signer.SERVING or not isinstance(sent, SentRequest):
            return Surroundings(pod=pod)
        services = self._lookups.services(service_names(sent.request, requester, self._settings))
        pods = self._lookups.pods_of(account.namespace, account.name) if account and services else ()
        return Surroundings(pod=pod, services=services, pods=pods)

    def _sign(self, document: JsonObject, order: Sign) -> None:
        certificate = self._outcomes.fulfil(self._authority, order, document)
        if isinstance(certificate, Fail):
            self._conclude(document, "Failed", "status", certificate)
            return
        if self._write(document, "status", signed(document, certificate)):
            self._outcomes.issued(document, SIGNING_REQUESTS, certificate)

    def _conclude(self, document: JsonObject, outcome: str, subresource: str, decision: Approve | Deny | Fail) -> None:
        verdict = with_verdict(
            document, type=outcome, reason=decision.reason, message=decision.message, now=self._clock()
        )
        if self._write(document, subresource, verdict):
            self._outcomes.written(document, SIGNING_REQUESTS, outcome, decision.reason, decision.message)

    def _write(self, document: JsonObject, subresource: str, changed: JsonObject) -> bool:
        """Whether the object was still there. Raises Conflict where it changed since."""
        try:
            self._cluster.replace(SIGNING_REQUESTS.path(name=name_of(document), subresource=subresource), changed)
        except NotThere:
            return False
        return True


def _projected(document: JsonObject) -> JsonObject:
    """Whether there is something to do is all that is kept: the rest is read anew."""
    return {"pending": not is_settled(document)}


def _pending(document: JsonObject) -> Iterable[Key]:
    return itself(document) if document.get("pending") else ()
