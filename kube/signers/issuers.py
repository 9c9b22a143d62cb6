"""Our issuers for cert-manager: Issuer and ClusterIssuer of `chancery.dev/v1alpha1`, what they allow, and their Ready condition.

- An Issuer belongs to whoever writes in its namespace, so it allows what the namespace has, DNS names of its own Services, and can
  only make that less.
- A ClusterIssuer belongs to administrators: it may name further DNS names, and the namespaces that it is for.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from certs.errors import CertsError
from certs.lifetimes import parse_lifetime
from certs.names import parse_dns_name
from kube.collections import Resource
from kube.documents import JsonObject, JsonValue, mapping, metadata, sequence, text
from kube.signers.conditions import condition, condition_of, with_condition, with_status
from kube.signers.errors import IssuerInvalid

GROUP = "chancery.dev"
VERSION = "v1alpha1"
ISSUERS = Resource(group=GROUP, version=VERSION, plural="issuers")
CLUSTER_ISSUERS = Resource(group=GROUP, version=VERSION, plural="clusterissuers", namespaced=False)
KINDS = {"Issuer": ISSUERS, "ClusterIssuer": CLUSTER_ISSUERS}

_PATTERN = re.compile(r"(?:\*\.)?[^*]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerTerms:
    """`dns_names` are names, or `*.` and a domain, for which one label may stand; `namespaces`: None for any."""

    dns_names: tuple[str, ...] = ()
    namespaces: frozenset[str] | None = None
    maximum_lifetime: timedelta | None = None

    @classmethod
    def from_document(cls, document: JsonObject) -> "IssuerTerms":
        """Raises IssuerInvalid. Of an Issuer only `maximumLifetime` is read."""
        spec = mapping(document, "spec")
        try:
            text_ = spec.get("maximumLifetime")
            lifetime = None if text_ is None else parse_lifetime(str(text_))
            if text(document, "kind") != "ClusterIssuer":
                return cls(maximum_lifetime=lifetime)
            dns_names = tuple(map(_pattern, sequence(spec, "dnsNames")))
        except CertsError as err:
            raise IssuerInvalid(str(err)) from err
        namespaces = [str(name) for name in sequence(spec, "namespaces")] if "namespaces" in spec else None
        return cls(
            dns_names=dns_names,
            namespaces=None if namespaces is None else frozenset(namespaces),
            maximum_lifetime=lifetime,
        )

    def serves(self, namespace: str) -> bool:
        return self.namespaces is None or namespace in self.namespaces

    def allows(self, name: str) -> bool:
        """Whether a further DNS name is allowed; a wildcard only where it is written out."""
        parent = name.partition(".")[2]
        return name in self.dns_names or (not name.startswith("*") and f"*.{parent}" in self.dns_names)


def is_ready(document: JsonObject) -> bool:
    return (condition_of(document, "Ready") or {}).get("status") == "True"


def readiness(document: JsonObject, *, fault_of_authority: str) -> tuple[str, str, str]:
    """Status, reason and message of the Ready condition."""
    try:
        IssuerTerms.from_document(document)
    except IssuerInvalid as err:
        return "False", "InvalidSpec", str(err)
    if fault_of_authority:
        return "False", "AuthorityUnreachable", fault_of_authority
    return "True", "Ready", "the authority answers"


def with_readiness(document: JsonObject, *, status: str, reason: str, message: str, now: datetime) -> JsonObject | None:
    """For `/status`; None where it says so already."""
    generation = metadata(document).get("generation")
    new = condition(type="Ready", status=status, reason=reason, message=message, now=now)
    new["observedGeneration"] = generation
    before = condition_of(document, "Ready") or {}
    if all(before.get(key) == new[key] for key in ("status", "reason", "message", "observedGeneration")):
        return None
    return with_status(document, conditions=with_condition(document, new))


def _pattern(value: JsonValue) -> str:
    if not isinstance(value, str) or not _PATTERN.fullmatch(value):
        raise IssuerInvalid(f"dnsNames: {str(value)[:100]!r} is neither a DNS name nor *. and a domain")
    return parse_dns_name(value)
