"""Signs, and marks as denied or failed, cert-manager's CertificateRequests that name an issuer of ours."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from cryptography import x509

from ca.client.errors import ClientError
from ca.client.values import IssuedCertificate
from kube.controllers import Key, Watch, itself
from kube.core_resources import PODS
from kube.documents import JsonObject, mapping, name_of, namespace_of, text
from kube.signers.authority import issuing_root
from kube.signers.conditions import LONGEST_WAIT, later
from kube.signers.decisions import Deny, Fail, Sign, Wait
from kube.signers.errors import AnswerUnfit
from kube.signers.issuer_judgement import IssuerSurroundings, service_names
from kube.signers.issuer_requests import ISSUER_REQUESTS, decide, is_settled, issuer_kind
from kube.signers.issuer_statuses import DENIED, failed, issued, pending
from kube.signers.issuers import KINDS
from kube.signers.parts import SignerParts
from kube.signers.requesters import ServiceAccount, requester_of
from kube.signers.requests import SentRequest, read_request


class IssuerRequestController:
    name = "certificate-requests"

    def __init__(self, parts: SignerParts) -> None:
        self._parts = parts

    def watches(self) -> Sequence[Watch]:
        return [Watch(resource=ISSUER_REQUESTS, projection=_projected, keys=_pending, full_pass=LONGEST_WAIT)]

    def reconcile(self, key: Key) -> timedelta | None:
        document = self._parts.lookups.find(ISSUER_REQUESTS, key.namespace, key.name)
        if document is None or issuer_kind(document) is None or is_settled(document):
            return None
        decision = decide(document, self._surroundings(document), self._parts.settings)
        match decision:
            case Wait():
                self._wait(document, decision)
                return later(decision.again, document, self._parts.clock())
            case Sign():
                self._sign(document, decision)
            case Deny():
                self._fail(document, decision, invalid=True)
            case Fail():
                self._fail(document, decision, invalid=False)
            case _:
                pass
        return None

    def _surroundings(self, document: JsonObject) -> IssuerSurroundings:
        kind, namespace = issuer_kind(document) or "Issuer", namespace_of(document)
        of_issuer = namespace if KINDS[kind].namespaced else ""
        issuer = self._parts.lookups.find(KINDS[kind], of_issuer, text(document, "spec", "issuerRef", "name"))
        sent = read_request(mapping(document, "spec").get("request"))
        if issuer is None or not isinstance(sent, SentRequest):
            return IssuerSurroundings(issuer=issuer)
        own = [
            name
            for name in service_names(document, sent.request, self._parts.settings)
            if name is not None and name.namespace == namespace
        ]
        return IssuerSurroundings(
            issuer=issuer, pod=self._pod(document, sent), services=self._parts.lookups.services(own)
        )

    def _pod(self, document: JsonObject, sent: SentRequest) -> JsonObject | None:
        """Whose token made the request, where that matters."""
        requester = requester_of(document)
        if not sent.request.names.uris or not isinstance(requester, ServiceAccount):
            return None
        return self._parts.lookups.find(PODS, requester.namespace, requester.pod_name)

    def _sign(self, document: JsonObject, order: Sign) -> None:
        certificate = self._parts.outcomes.fulfil(self._parts.authority, order, document)
        if isinstance(certificate, Fail):
            self._fail(document, certificate, invalid=False)
            return
        changed = issued(document, certificate, self._root(certificate, document), now=self._parts.clock())
        if self._write(document, changed):
            self._parts.outcomes.issued(document, ISSUER_REQUESTS, certificate)

    def _root(self, certificate: IssuedCertificate, document: JsonObject) -> x509.Certificate | None:
        try:
            return issuing_root(certificate, self._parts.authority.roots())
        except (ClientError, AnswerUnfit) as err:
            self._parts.outcomes.waits(document, "AuthorityUnavailable", str(err))
            raise

    def _wait(self, document: JsonObject, decision: Wait) -> None:
        changed = pending(document, message=decision.message, now=self._parts.clock())
        if changed is not None and self._write(document, changed):
            self._parts.outcomes.waits(document, decision.reason, decision.message)

    def _fail(self, document: JsonObject, decision: Deny | Fail, *, invalid: bool) -> None:
        changed = failed(
            document, reason=decision.reason, message=decision.message, invalid=invalid, now=self._parts.clock()
        )
        if self._write(document, changed):
            outcome = "Denied" if decision.reason == DENIED else "Failed"
            self._parts.outcomes.written(document, ISSUER_REQUESTS, outcome, decision.reason, decision.message)

    def _write(self, document: JsonObject, changed: JsonObject) -> bool:
        path = ISSUER_REQUESTS.path(namespace_of(document), name_of(document), "status")
        return self._parts.replace(path, changed)


def _projected(document: JsonObject) -> JsonObject:
    """Whether there is something to do is all that is kept: the rest is read anew."""
    return {"pending": issuer_kind(document) is not None and not is_settled(document)}


def _pending(document: JsonObject) -> Iterable[Key]:
    return itself(document) if document.get("pending") else ()
