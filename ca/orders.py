"""What the authority is asked for, and what becomes of it."""

from dataclasses import dataclass
from datetime import timedelta

from ca.calls import Call
from ca.policy import Operation
from certs.keys import PrivateKey
from certs.names import SubjectAlternativeNames, SubjectName
from certs.requests import CertificateRequest
from store.records import CertificateRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PodIdentity:
    """A pod, as the cluster or its registrar vouches for it. The node's name is empty where it is on none yet."""

    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str
    node_name: str

    @property
    def details(self) -> dict[str, str]:
        """For logs and audit events."""
        return {"pod": f"{self.namespace}/{self.pod_name}", "pod_uid": self.pod_uid, "node": self.node_name}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCredential(PodIdentity):
    """The pod behind a service-account token, and the token."""

    credential_id: str
    """`JTI=` and a UUID."""
    expires_at: int
    """Whole seconds since 1970."""
    dns_names: tuple[str, ...] = ()
    """What it asks for beside its SPIFFE ID: recorded only if all of them are registered for the pod."""

    @property
    def details(self) -> dict[str, str]:
        of_pod: dict[str, str] = super(PodCredential, self).details
        return of_pod | {"credential": self.credential_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Subject and names fixed beforehand: those of the request do not count.

    With `exact`, a request that asks for other names is refused rather than overruled.
    """

    subject: SubjectName
    names: SubjectAlternativeNames
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One certificate, asked for."""

    call: Call
    operation: Operation
    profile: str
    request: bytes | CertificateRequest
    """PKCS#10 as it came, or one that this process has put together itself."""
    lifetime: timedelta | None = None
    usual_lifetime: timedelta | None = None
    """Where no lifetime is asked for; the profile's default where this is None too. Unlike `lifetime`, shortened where needed."""
    maximum_lifetime: timedelta | None = None
    request_id: str | None = None
    binding: Binding | None = None
    token_id: str | None = None
    pod: PodIdentity | None = None
    """Who will hold the certificate, which is revoked when the pod is released. A `PodCredential` is good for one key."""
    renewed_from: str | None = None
    server_key: PrivateKey | None = None
    """A key that this server made for the caller, to be kept sealed."""
    issuer_id: str | None = None
    """Who shall sign; the active issuing CA where it is not said."""


Outcome = CertificateRecord | Exception
"""The recorded certificate, or why there is none."""
