"""Who is asking.

- A caller is what authentication found out, nothing more: no right follows from being one.
- Only a certificate, or a cluster's word for a service account, gives a caller names of its own; a token's bindings are kept
  with the token.
- `name` is what records and audit show, and what tells two callers apart: no certificate can carry a name that reads as
  a token, as an anonymous caller or as the authority itself.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.errors import MalformedName
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName

_SERVICE_ACCOUNT_SEGMENTS = 4  # ns, <namespace>, sa, <service account>


class CallerKind(StrEnum):
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the name of a kind of caller, not a secret
    SERVICE_ACCOUNT = "service-account"
    ANONYMOUS = "anonymous"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`serial_number` is 32 lower-case hexadecimal digits, `certificate_fingerprint` the SHA-256 of the DER.

    `not_after` is the last instant of the certificate, aware UTC.
    """

    kind: CallerKind
    subject: SubjectName = field(default_factory=SubjectName)
    names: SubjectAlternativeNames = field(default_factory=SubjectAlternativeNames)
    spiffe_id: SpiffeId | None = None
    serial_number: str | None = None
    certificate_fingerprint: bytes | None = None
    not_after: datetime | None = None
    token_id: str | None = None
    name: str = field(init=False)
    """As records and audit show it: the SPIFFE ID, else the subject (RFC 4514), else the first name with its kind."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self._name())

    @classmethod
    def from_certificate(cls, certificate: x509.Certificate) -> "Caller":
        """The holder of a certificate that the TLS handshake, or its like, has verified already.

        Raises MalformedName where the subject or a name cannot be one that this authority issued.
        """
        names = _names_of(certificate)
        return cls(
            kind=CallerKind.CERTIFICATE,
            subject=SubjectName.from_x509(certificate.subject),
            names=names,
            spiffe_id=_spiffe_id_among(names),
            serial_number=format(certificate.serial_number, "032x"),
            certificate_fingerprint=certificate.fingerprint(hashes.SHA256()),
            not_after=certificate.not_valid_after_utc,
        )

    @classmethod
    def hypothetical(
        cls, *, common_name: str | None = None, organizations: tuple[str, ...] = (), spiffe_id: SpiffeId | None = None
    ) -> "Caller":
        """The holder of a certificate that need not exist, to explain decisions; anonymous where nothing is given."""
        if common_name is None and not organizations and spiffe_id is None:
            return cls.anonymous()
        return cls(
            kind=CallerKind.CERTIFICATE,
            subject=SubjectName(common_name=common_name, organizations=organizations),
            names=SubjectAlternativeNames.parse(uris=() if spiffe_id is None else (str(spiffe_id),)),
            spiffe_id=spiffe_id,
        )

    @classmethod
    def for_token(cls, token_id: str) -> "Caller":
        """Whoever showed the secret of the one-time token with this public id."""
        return cls(kind=CallerKind.TOKEN, token_id=token_id)

    @classmethod
    def for_service_account(cls, spiffe_id: SpiffeId, dns_names: tuple[str, ...] = ()) -> "Caller":
        """A pod whose token the cluster has vouched for. Its name is that of whoever holds a certificate of this identity.

        `dns_names` count as its own only for as long as nothing is issued that they are not registered for. Raises MalformedName,
        TooManyNames.
        """
        names = SubjectAlternativeNames.parse(uris=(str(spiffe_id),), dns=dns_names)
        return cls(kind=CallerKind.SERVICE_ACCOUNT, names=names, spiffe_id=spiffe_id)

    @classmethod
    def anonymous(cls) -> "Caller":
        return cls(kind=CallerKind.ANONYMOUS)

    @classmethod
    def local(cls) -> "Caller":
        """The process itself, at bootstrap: its serving certificate, the first administrator's. No edge makes one."""
        return cls(kind=CallerKind.LOCAL)

    @property
    def common_name(self) -> str | None:
        return self.subject.common_name

    @property
    def organizations(self) -> tuple[str, ...]:
        return self.subject.organizations

    @property
    def trust_domain(self) -> str | None:
        return None if self.spiffe_id is None else str(self.spiffe_id.trust_domain)

    @property
    def namespace(self) -> str | None:
        """The Kubernetes namespace, from `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`."""
        workload = self._workload()
        return None if workload is None else workload[0]

    @property
    def service_account(self) -> str | None:
        workload = self._workload()
        return None if workload is None else workload[1]

    def _name(self) -> str:
        if self.kind is CallerKind.TOKEN:
            return f"token:{self.token_id}"
        if self.kind not in {CallerKind.CERTIFICATE, CallerKind.SERVICE_ACCOUNT}:
            return self.kind.value
        if self.spiffe_id is not None:
            return str(self.spiffe_id)
        if not self.subject.is_empty:
            return self.subject.rfc4514
        for kind, text in self.names.all_names():
            return f"{kind}:{text}"
        return f"serial:{self.serial_number}"

    def _workload(self) -> tuple[str, str] | None:
        if self.spiffe_id is None:
            return None
        segments = self.spiffe_id.path.lstrip("/").split("/")
        if len(segments) != _SERVICE_ACCOUNT_SEGMENTS or segments[0] != "ns" or segments[2] != "sa":
            return None
        return segments[1], segments[3]


def _names_of(certificate: x509.Certificate) -> SubjectAlternativeNames:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return SubjectAlternativeNames()
    return SubjectAlternativeNames.from_x509(extension.value)


def _spiffe_id_among(names: SubjectAlternativeNames) -> SpiffeId | None:
    """An X.509-SVID has exactly one URI (X509-SVID §2); with two, or another one, there is no identity to read."""
    if len(names.uris) != 1 or not names.uris[0].startswith("spiffe://"):
        return None
    try:
        return SpiffeId.parse(names.uris[0])
    except MalformedName:
        return None
