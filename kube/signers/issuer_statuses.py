"""What is written into cert-manager's CertificateRequests (cert-manager.io/v1 CertificateRequestStatus).

- Ready=False is `Pending` while something may change, `Failed` or `Denied` for good and with a failureTime; a request that makes no
  sense has the condition InvalidRequest beside it.
"""

import base64
from datetime import datetime

from cryptography import x509

from ca.client.values import IssuedCertificate
from certs.pem import encode_certificate
from kube.documents import JsonObject
from kube.instants import timestamp
from kube.signers.conditions import condition, condition_of, with_condition, with_status

DENIED = "RequestDenied"
"""The reason of a `Fail` that stands for somebody's Denied condition."""


def issued(
    document: JsonObject, certificate: IssuedCertificate, root: x509.Certificate | None, *, now: datetime
) -> JsonObject:
    """For `/status`: leaf and intermediates, and the root above them where it is known."""
    ready = condition(type="Ready", status="True", reason="Issued", message="signed", now=now)
    fields: JsonObject = {
        "certificate": base64.b64encode(certificate.full_chain_pem).decode(),
        "conditions": with_condition(document, ready),
    }
    if root is not None:
        fields["ca"] = base64.b64encode(encode_certificate(root)).decode()
    return with_status(document, **fields)


def pending(document: JsonObject, *, message: str, now: datetime) -> JsonObject | None:
    """For `/status`; None where it says so already."""
    ready = condition(type="Ready", status="False", reason="Pending", message=message, now=now)
    before = condition_of(document, "Ready") or {}
    if all(before.get(key) == ready[key] for key in ("status", "reason", "message")):
        return None
    return with_status(document, conditions=with_condition(document, ready))


def failed(document: JsonObject, *, reason: str, message: str, invalid: bool, now: datetime) -> JsonObject:
    """For `/status`: Ready=False, Denied where somebody else denied it and Failed otherwise, and the instant of it.

    `invalid`: the request itself is at fault, which cert-manager tells by the condition InvalidRequest.
    """
    ready_reason = "Denied" if reason == DENIED else "Failed"
    ready = condition(type="Ready", status="False", reason=ready_reason, message=message, now=now)
    if invalid:
        fault = condition(type="InvalidRequest", status="True", reason=reason, message=message, now=now)
        document = with_status(document, conditions=with_condition(document, fault))
    return with_status(document, conditions=with_condition(document, ready), failureTime=timestamp(now))
