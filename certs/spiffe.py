"""SPIFFE identities (SPIFFE-ID §2), read strictly.

- An instance has the one form that the standard allows: lower-case trust domain, no %, no empty or dot segment.
- Nothing is normalised: what differs from the standard form by a single character is refused.
"""

import re
from dataclasses import dataclass
from typing import Self

from certs.errors import MalformedName

MAX_TRUST_DOMAIN_OCTETS = 255
MAX_SPIFFE_ID_OCTETS = 2048
SCHEME = "spiffe://"

_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]+")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TrustDomain:
    """The name of a trust domain, such as ``cluster.local``."""

    name: str

    def __post_init__(self) -> None:
        if len(self.name) > MAX_TRUST_DOMAIN_OCTETS or not _TRUST_DOMAIN.fullmatch(self.name):
            raise MalformedName(
                "a trust domain has 1 to 255 of the characters a-z 0-9 . _ -, write it in lower case",
                field="trust domain",
                value=self.name,
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``cluster.local``. Raises MalformedName (SPIFFE-ID §2.1)."""
        return cls(name=text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SpiffeId:
    """An identity: a trust domain and a path, which is empty for the trust domain itself."""

    trust_domain: TrustDomain
    path: str

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise MalformedName(
                "each segment of a SPIFFE path has one or more of a-z A-Z 0-9 . _ - and is neither '.' nor '..'",
                field="spiffe path",
                value=self.path,
            )
        if len(SCHEME) + len(self.trust_domain.name) + len(self.path) > MAX_SPIFFE_ID_OCTETS:
            raise MalformedName(
                f"a SPIFFE ID has at most {MAX_SPIFFE_ID_OCTETS} octets, shorten it",
                field="spiffe path",
                value=self.path,
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``spiffe://cluster.local/ns/default/sa/web``. Raises MalformedName (SPIFFE-ID §2)."""
        if not text.startswith(SCHEME):
            raise MalformedName("a SPIFFE ID begins with spiffe://", field="spiffe id", value=text)
        authority, slash, rest = text[len(SCHEME) :].partition("/")
        return cls(trust_domain=TrustDomain.parse(authority), path=slash + rest)

    @classmethod
    def for_service_account(cls, trust_domain: TrustDomain, namespace: str, service_account: str) -> Self:
        """``spiffe://<trust domain>/ns/<namespace>/sa/<service account>``."""
        for field, value in (("namespace", namespace), ("service account", service_account)):
            if not value or "/" in value:
                raise MalformedName("is empty or has a slash, give one Kubernetes name", field=field, value=value)
        return cls(trust_domain=trust_domain, path=f"/ns/{namespace}/sa/{service_account}")

    def __str__(self) -> str:
        return f"{SCHEME}{self.trust_domain.name}{self.path}"
