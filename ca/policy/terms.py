"""Which names and which subject a rule lists.

- What is not listed is not there: a kind of name, or an attribute of the subject, without patterns admits nothing.
- Reserved names (Kubernetes' `system:`, our own `chancery:`) are admitted literally only, where identity is conferred.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from unicodedata import normalize

from ca.callers import Caller
from ca.policy.patterns import Pattern
from ca.policy.requests import PolicyRequest
from certs.names import IpAddress, SubjectName

RESERVED_PREFIXES = ("system:", "chancery:")
OWN = "{own}"

_OTHER_ATTRIBUTES = tuple(
    (attribute.name, attribute.name.replace("_", " "))
    for attribute in fields(SubjectName)
    if attribute.name not in {"common_name", "organizations"}
)

Judgement = tuple[str, str, bool]
"""What a name is called, the name, and whether it is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternList:
    """Any of the literals, of the patterns and, if `own`, of the values that the caller's certificate holds."""

    literals: frozenset[str] = frozenset()
    patterns: tuple[Pattern, ...] = ()
    own: bool = False

    def admits(self, text: str, caller: Caller, *, held: Collection[str] = (), guarded: bool) -> bool:
        if text in self.literals:
            return True
        if guarded and is_reserved(text):
            return False
        return (self.own and text in held) or any(pattern.matches(text, caller) for pattern in self.patterns)


def is_reserved(text: str) -> bool:
    """Whether a comparison without regard to case, width and spaces (RFC 5280 §7.1) takes it for a reserved name."""
    if ":" not in text and text.isascii():
        return False
    return "".join(normalize("NFKC", text).casefold().split()).startswith(RESERVED_PREFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressList:
    """Any address of the networks and, if `own`, of the caller's certificate."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    own: bool = False

    def admits(self, address: IpAddress, caller: Caller) -> bool:
        return (self.own and address in caller.names.ips) or any(address in network for network in self.networks)


class OtherAttributes(StrEnum):
    """What may stand in a subject beside common name and organizations."""

    NONE = "none"
    OWN = "own"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTerms:
    """`wildcards` says whether wildcard certificates may be had for names whose pattern admits a `*`."""

    dns: PatternList = field(default_factory=PatternList)
    ips: AddressList = field(default_factory=AddressList)
    uris: PatternList = field(default_factory=PatternList)
    emails: PatternList = field(default_factory=PatternList)
    wildcards: bool = False

    def judge(self, request: PolicyRequest, *, guarded: bool) -> Iterator[Judgement]:
        caller, names = request.caller, request.names
        for name in names.dns:
            listed = self.dns.admits(name, caller, held=caller.names.dns, guarded=guarded)
            yield "dns", name, listed and not (guarded and self.refuses_wildcard(name))
        for address in names.ips:
            yield "ip", str(address), self.ips.admits(address, caller)
        for uri in names.uris:
            yield "uri", uri, self.uris.admits(uri, caller, held=caller.names.uris, guarded=guarded)
        for email in names.emails:
            yield "email", email, self.emails.admits(email, caller, held=caller.names.emails, guarded=guarded)

    def refuses_wildcard(self, name: str) -> bool:
        return name.startswith("*.") and not self.wildcards


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTerms:
    common_names: PatternList = field(default_factory=PatternList)
    organizations: PatternList = field(default_factory=PatternList)
    others: OtherAttributes = OtherAttributes.NONE

    def judge(self, request: PolicyRequest, *, guarded: bool) -> Iterator[Judgement]:
        caller, subject = request.caller, request.subject
        if subject.common_name is not None:
            held = () if caller.common_name is None else (caller.common_name,)
            listed = self.common_names.admits(subject.common_name, caller, held=held, guarded=guarded)
            yield "common name", subject.common_name, listed
        for organization in subject.organizations:
            listed = self.organizations.admits(organization, caller, held=caller.organizations, guarded=guarded)
            yield "organization", organization, listed
        for attribute, called in _OTHER_ATTRIBUTES:
            value: str | tuple[str, ...] | None = getattr(subject, attribute)
            if value:
                text = value if isinstance(value, str) else ", ".join(value)
                yield called, text, self._admits_other(value, getattr(caller.subject, attribute))

    def _admits_other(self, value: str | tuple[str, ...], held: str | tuple[str, ...] | None) -> bool:
        return self.others is OtherAttributes.ANY or (self.others is OtherAttributes.OWN and value == held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A common name that reads as a wildcard needs `wildcards` too: some clients match it as one."""

    names: NameTerms = field(default_factory=NameTerms)
    subject: SubjectTerms = field(default_factory=SubjectTerms)

    @property
    def is_empty(self) -> bool:
        return self == _NOTHING

    def judge(self, request: PolicyRequest, *, guarded: bool) -> Iterator[Judgement]:
        """Every name and attribute asked for, with whether it is listed."""
        yield from self.names.judge(request, guarded=guarded)
        for called, text, listed in self.subject.judge(request, guarded=guarded):
            wild = guarded and called == "common name" and self.names.refuses_wildcard(text)
            yield called, text, listed and not wild


_NOTHING = Terms()
