"""What is written into a PodCertificateRequest, and when an issued certificate still can be.

- kube-apiserver takes a certificate only while its notBefore is within five minutes of its clock, its life an hour or more and
  at most `maxExpirationSeconds`, and `beginRefreshAt` ten minutes away from either end. One answer, for ever.
"""

from datetime import datetime, timedelta

from ca.client.values import IssuedCertificate
from kube.documents import JsonObject
from kube.instants import timestamp
from kube.signers.conditions import condition
from kube.signers.pod_requests import SHORTEST, longest_life

FRESH = timedelta(minutes=4)
"""Five minutes, less what clocks differ by and the write takes."""
MARGIN = timedelta(minutes=10)
_REFRESH_AT = 0.6


def what_speaks_against_issuing(document: JsonObject, certificate: IssuedCertificate) -> str:
    """Empty where the API server takes it, once it is fresh."""
    life = certificate.not_after - certificate.not_before
    if life < SHORTEST:
        return f"the certificate would live for {life}, less than an hour: the issuing CA ends soon"
    if life > longest_life(document):
        return f"the certificate lives for {life}, longer than the pod asked for"
    return ""


def is_fresh(certificate: IssuedCertificate, now: datetime) -> bool:
    """Whether it was signed just now: the notBefore of one that an earlier attempt left unwritten lies too far back."""
    return abs(now - certificate.not_before) < FRESH


def issued(document: JsonObject, certificate: IssuedCertificate, *, now: datetime) -> JsonObject:
    """For `/status`."""
    outcome = condition(
        type="Issued", status="True", reason="Issued", message="signed for the pod's service account", now=now
    )
    status: JsonObject = {
        "conditions": [outcome],
        "certificateChain": certificate.full_chain_pem.decode(),
        "notBefore": timestamp(certificate.not_before),
        "notAfter": timestamp(certificate.not_after),
        "beginRefreshAt": timestamp(begin_refresh_at(certificate.not_before, certificate.not_after)),
    }
    return {**document, "status": status}


def refused(document: JsonObject, *, type: str, reason: str, message: str, now: datetime) -> JsonObject:  # noqa: A002 - the field's name
    """Denied or Failed, for `/status`: a condition and nothing else."""
    outcome = condition(type=type, status="True", reason=reason, message=message, now=now)
    return {**document, "status": {"conditions": [outcome]}}


def begin_refresh_at(not_before: datetime, not_after: datetime) -> datetime:
    wanted = not_before + (not_after - not_before) * _REFRESH_AT
    return min(max(wanted, not_before + MARGIN), not_after - MARGIN).replace(microsecond=0)
