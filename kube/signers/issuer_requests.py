"""cert-manager's CertificateRequests (cert-manager.io/v1) for our issuers: what is done about one, and what is then written.

- Signed is what is Approved and not Denied; what is Denied is marked so, with a failureTime, for cert-manager to go on.
- An approval says that the issuer may be used. Names are held to the cluster's state and the issuer all the same, since
  cert-manager itself approves whatever it is let to approve.
"""

import re
from datetime import timedelta

from kube.collections import Resource
from kube.documents import JsonObject, JsonValue, is_being_deleted, mapping, namespace_of, text, uid_of
from kube.signers.conditions import condition_of, holds
from kube.signers.decisions import Decision, Deny, Fail, Settled, Wait
from kube.signers.errors import IssuerInvalid
from kube.signers.issuer_judgement import LOOK_AGAIN, IssuerSurroundings, judge
from kube.signers.issuer_statuses import DENIED
from kube.signers.issuers import GROUP, KINDS, IssuerTerms, is_ready
from kube.signers.requests import read_request
from kube.signers.settings import SignerSettings

ISSUER_REQUESTS = Resource(group="cert-manager.io", version="v1", plural="certificaterequests")

_DURATION = re.compile(r"(?:(\d{1,7})h)?(?:(\d{1,7})m)?(?:(\d{1,9})(?:\.\d+)?s)?", re.ASCII)


def issuer_kind(document: JsonObject) -> str | None:
    """`Issuer` or `ClusterIssuer`; None where the request is not for an issuer of ours."""
    if text(document, "spec", "issuerRef", "group") != GROUP:
        return None
    kind = text(document, "spec", "issuerRef", "kind") or "Issuer"
    return kind if kind in KINDS else None


def is_settled(document: JsonObject) -> bool:
    status, ready = mapping(document, "status"), condition_of(document, "Ready") or {}
    over = ready.get("status") == "True" or text(ready, "reason") in {"Failed", "Denied", "Issued"}
    return is_being_deleted(document) or over or bool(status.get("certificate")) or bool(status.get("failureTime"))


def decide(document: JsonObject, surroundings: IssuerSurroundings, settings: SignerSettings) -> Decision:
    kind = issuer_kind(document)
    if kind is None or not uid_of(document) or is_settled(document):
        return Settled()
    if holds(document, "Denied"):
        return Fail(reason=DENIED, message=_said(document, "Denied") or "the request was denied")
    if not holds(document, "Approved"):
        return Settled()
    terms = _terms(kind, document, surroundings.issuer)
    if not isinstance(terms, IssuerTerms):
        return terms
    return _order(document, terms, surroundings, settings)


def _terms(kind: str, document: JsonObject, issuer: JsonObject | None) -> IssuerTerms | Wait | Deny:
    name = text(document, "spec", "issuerRef", "name")[:100]
    if issuer is None:
        return Wait(reason="Pending", message=f"there is no {kind} {name} of {GROUP}", again=LOOK_AGAIN)
    if not is_ready(issuer):
        return Wait(reason="Pending", message=f"{kind} {name} is not ready", again=LOOK_AGAIN)
    try:
        terms = IssuerTerms.from_document({**issuer, "kind": kind})
    except IssuerInvalid as err:
        return Wait(reason="Pending", message=f"{kind} {name}: {err}", again=LOOK_AGAIN)
    if not terms.serves(namespace_of(document)):
        return Deny(reason="NamespaceNotPermitted", message=f"{kind} {name} is not for this namespace")
    return terms


def _order(
    document: JsonObject, terms: IssuerTerms, surroundings: IssuerSurroundings, settings: SignerSettings
) -> Decision:
    spec = mapping(document, "spec")
    if spec.get("isCA"):
        return Deny(reason="CertificateAuthorityRequested", message="isCA: no request makes a certificate authority")
    sent = read_request(spec.get("request"))
    if isinstance(sent, Deny):
        return sent
    granted = judge(document, sent.request, terms, surroundings, settings)
    if isinstance(granted, (Deny, Wait)):
        return granted
    duration = _go_duration(spec.get("duration"))
    if duration is not None and duration <= timedelta():
        return Deny(reason="InvalidDuration", message="spec.duration is no duration such as 24h0m0s")
    lifetime = settings.lifetime(duration)
    if terms.maximum_lifetime is not None:
        lifetime = min(lifetime, terms.maximum_lifetime)
    return granted.order(sent.octets, sent.request, lifetime=lifetime, request_id=f"cr-{uid_of(document)}")


def _said(document: JsonObject, type: str) -> str:  # noqa: A002 - the field's name
    return text(condition_of(document, type) or {}, "message")


def _go_duration(value: JsonValue) -> timedelta | None:
    """metav1.Duration, as `24h0m0s`; None where none is given, zero for what is no duration of whole seconds."""
    if value is None:
        return None
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        return timedelta()
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
