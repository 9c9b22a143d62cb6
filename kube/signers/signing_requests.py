"""CertificateSigningRequests (certificates.k8s.io/v1): what is done about one, and what is then written.

- Signed is what is Approved and neither Denied nor Failed, and nothing that has a certificate already, whoever put it there.
- A request that nobody may make is denied while it waits; once it is approved it fails, since the API has no way back.
- An approval of ours says what the cluster said then, and nobody stands for it: it is looked at again before anything is signed.
- Usages that the signer does not certify are denied; a CA is never made.
"""

import base64
from datetime import datetime

from ca.client.values import IssuedCertificate
from kube.collections import Resource
from kube.documents import JsonObject, is_being_deleted, mapping, sequence, text, uid_of
from kube.instants import timestamp
from kube.signers.conditions import condition as made_condition
from kube.signers.conditions import condition_of, holds, seconds_of, with_condition, with_status
from kube.signers.decisions import Approve, Decision, Deny, Fail, Granted, Settled, Wait
from kube.signers.judgement import Surroundings, judge
from kube.signers.requesters import requester_of
from kube.signers.requests import SentRequest, read_request
from kube.signers.settings import PROFILES, SignerSettings
from kube.signers.usages import fault_of_usages
from kube.vocabulary import Signer

SIGNING_REQUESTS = Resource(
    group="certificates.k8s.io", version="v1", plural="certificatesigningrequests", namespaced=False
)
_SIGNERS = {signer.value: signer for signer in Signer}


def is_settled(document: JsonObject) -> bool:
    """Whether there is nothing more to do about it."""
    answered = bool(mapping(document, "status").get("certificate"))
    return answered or is_being_deleted(document) or holds(document, "Denied") or holds(document, "Failed")


def signer_of(document: JsonObject) -> Signer | None:
    return _SIGNERS.get(text(document, "spec", "signerName"))


def decide(document: JsonObject, surroundings: Surroundings, settings: SignerSettings) -> Decision:
    """`surroundings` are those of the request as it was read; nothing of them is looked at for what is settled."""
    signer = signer_of(document)
    if signer is None or not uid_of(document) or is_settled(document):
        return Settled()
    approved = holds(document, "Approved")
    examined = _examine(signer, document, surroundings, settings)
    if isinstance(examined, Deny):
        return Fail(reason=examined.reason, message=examined.message) if approved else examined
    sent, granted = examined
    automatic = _automatic(signer, document)
    if approved and not (granted.needs_approval and _is_by(document, automatic)):
        return _approved(document, sent, granted, settings)
    if granted.needs_approval:
        reason = "ApprovalOutdated" if approved else "ApprovalNeeded"
        return Wait(reason=reason, message=granted.needs_approval, again=granted.again)
    return automatic


def _automatic(signer: Signer, document: JsonObject) -> Approve:
    message = f"{requester_of(document)} asks {signer} for what the cluster says it is"
    return Approve(reason="AutoApproved", message=message)


def _is_by(document: JsonObject, approval: Approve) -> bool:
    """Whether it is what the request was approved by; its message is written in another form than it is given in."""
    found = condition_of(document, "Approved") or {}
    words = " ".join(approval.message.split())
    return text(found, "reason") == approval.reason and words.startswith(text(found, "message"))


def _examine(
    signer: Signer, document: JsonObject, surroundings: Surroundings, settings: SignerSettings
) -> tuple[SentRequest, Granted] | Deny:
    sent = read_request(mapping(document, "spec").get("request"))
    if isinstance(sent, Deny):
        return sent
    if fault := fault_of_usages(sequence(document, "spec", "usages"), profile=PROFILES[signer]):
        return Deny(reason="UsagesNotPermitted", message=fault)
    granted = judge(signer, sent.request, requester_of(document), surroundings, settings)
    return granted if isinstance(granted, Deny) else (sent, granted)


def _approved(document: JsonObject, sent: SentRequest, granted: Granted, settings: SignerSettings) -> Decision:
    lifetime = settings.lifetime(seconds_of(mapping(document, "spec").get("expirationSeconds")))
    return granted.order(sent.octets, sent.request, lifetime=lifetime, request_id=f"csr-{uid_of(document)}")


def signed(document: JsonObject, certificate: IssuedCertificate) -> JsonObject:
    """For `/status`."""
    return with_status(document, certificate=base64.b64encode(certificate.full_chain_pem).decode())


def with_verdict(document: JsonObject, *, type: str, reason: str, message: str, now: datetime) -> JsonObject:  # noqa: A002 - the field's name
    """Approved or Denied for `/approval`, Failed for `/status`."""
    new = made_condition(type=type, status="True", reason=reason, message=message, now=now)
    return with_status(document, conditions=with_condition(document, {**new, "lastUpdateTime": timestamp(now)}))
