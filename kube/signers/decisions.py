"""What is to be done about one request for a certificate.

- Every decision but `Settled` and `Sign` says why, in words for whoever asked; reasons are in UpperCamelCase, as in conditions.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from ca.client.values import Pod
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Nothing: it has been answered, withdrawn, or is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Have it signed. `csr` is what the requester sent; `lifetime` counts from issuance, without the back-date."""

    csr: bytes
    request: CertificateRequest
    subject: SubjectName
    names: SubjectAlternativeNames
    profile: str
    lifetime: timedelta
    request_id: str
    pod: Pod | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """For something that others do; `again`: look once more after that long, None: when told."""

    reason: str
    message: str
    again: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request is one that nobody may make."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The request may have been approved, and cannot be fulfilled."""

    reason: str
    message: str


Decision: TypeAlias = Settled | Sign | Approve | Wait | Deny | Fail


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a request may have. `needs_approval` says why it is not approved automatically; empty where it may be."""

    subject: SubjectName
    names: SubjectAlternativeNames
    profile: str
    pod: Pod | None = None
    needs_approval: str = ""
    again: timedelta | None = None

    def order(self, csr: bytes, request: CertificateRequest, *, lifetime: timedelta, request_id: str) -> Sign:
        return Sign(
            csr=csr,
            request=request,
            subject=self.subject,
            names=self.names,
            profile=self.profile,
            lifetime=lifetime,
            request_id=request_id,
            pod=self.pod,
        )
