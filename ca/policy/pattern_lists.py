"""From the text of a document to lists of patterns, with a fault for each that could never match.

- A pattern without wildcards is read by the parser of the names themselves: a misspelt name is a fault, not a dead
  entry.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

from ca.policy.patterns import DnsPattern, EmailPattern, Pattern, TextPattern, UriPattern, is_literal
from ca.policy.placeholders import Placeholder, placeholders_in
from ca.policy.sections import Entry, suggestion
from ca.policy.terms import OWN, AddressList, PatternList
from certs.errors import MalformedName
from certs.names import parse_dns_name, parse_email, parse_uri

MAX_PATTERN_CHARACTERS = 2048

_DNS_LABEL = re.compile(r"(?:[a-z0-9*-]|\{[a-z_]+\})+")
_PLACEHOLDERS = tuple(str(placeholder) for placeholder in Placeholder)


class PatternProblem(Exception):
    """Why one entry is no pattern; becomes a fault here and never leaves this module."""


Check = Callable[[str], str]
"""The normal form of a pattern. Raises PatternProblem."""


class Parse(Protocol):
    """How a kind of pattern is read."""

    def __call__(self, pattern: str, *, denying: bool) -> Pattern: ...


def compile_texts(
    entries: Iterable[Entry], faults: list[str], *, denying: bool, placeholders: bool = True
) -> PatternList:
    """Common names, organizations, namespaces, service accounts."""
    return _compile(entries, faults, _check_text, TextPattern.parse, denying=denying, placeholders=placeholders)


def compile_dns(entries: Iterable[Entry], faults: list[str], *, denying: bool) -> PatternList:
    return _compile(entries, faults, _check_dns, DnsPattern.parse, denying=denying)


def compile_uris(entries: Iterable[Entry], faults: list[str], *, denying: bool) -> PatternList:
    return _compile(entries, faults, _check_uri, UriPattern.parse, denying=denying)


def compile_spiffe_ids(entries: Iterable[Entry], faults: list[str], *, denying: bool) -> PatternList:
    """Those of callers: placeholders, which speak of the caller, would say nothing."""
    return _compile(entries, faults, _check_spiffe_id, UriPattern.parse, denying=denying, placeholders=False)


def compile_emails(entries: Iterable[Entry], faults: list[str], *, denying: bool) -> PatternList:
    return _compile(entries, faults, _check_email, EmailPattern.parse, denying=denying)


def compile_addresses(entries: Iterable[Entry], faults: list[str]) -> AddressList:
    networks: list[IPv4Network | IPv6Network] = []
    own = False
    for entry in entries:
        if entry.text == OWN:
            own = True
            continue
        try:
            networks.append(ip_network(entry.text))
        except ValueError as err:
            faults.append(
                f"{entry.place}: {entry.text[:100]!r} is no address or network, as in 10.0.0.0/8 ({err})"[:400]
            )
    return AddressList(networks=tuple(networks), own=own)


def _compile(
    entries: Iterable[Entry],
    faults: list[str],
    check: Check,
    parse: Parse,
    *,
    denying: bool,
    placeholders: bool = True,
) -> PatternList:
    literals: set[str] = set()
    patterns: list[Pattern] = []
    own = False
    for entry in entries:
        try:
            _verify_placeholders(entry.text, allowed=placeholders)
            own = own or entry.text == OWN
            text = entry.text if entry.text == OWN else check(entry.text)
        except PatternProblem as err:
            faults.append(f"{entry.place}: {entry.text[:100]!r} {err}")
            continue
        if is_literal(text) and not denying:
            literals.add(text)
        elif text != OWN:
            patterns.append(parse(text, denying=denying))
    return PatternList(literals=frozenset(literals), patterns=tuple(patterns), own=own)


def _verify_placeholders(text: str, *, allowed: bool) -> None:
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise PatternProblem(f"has {len(text)} characters; keep to {MAX_PATTERN_CHARACTERS}")
    if not text.isprintable() or text != text.strip():
        raise PatternProblem("has control characters or spaces around it; remove them")
    if text == OWN and allowed:
        return
    names = placeholders_in(text)
    if names and not allowed:
        raise PatternProblem(
            "has a placeholder, which stands for the caller and says nothing about who it is; leave it out"
        )
    for name in names:
        if name == "own":
            raise PatternProblem("joins {own} with something else; {own} stands alone")
        if name not in _PLACEHOLDERS:
            raise PatternProblem(f"has an unknown placeholder; {suggestion(name, _PLACEHOLDERS)}")
    if text.count("{") != len(names) or text.count("}") != len(names):
        raise PatternProblem("has a brace that belongs to no placeholder; remove it")


def _check_text(text: str) -> str:
    return text


def _check_dns(text: str) -> str:
    text = text.lower()
    if is_literal(text):
        return _parsed(parse_dns_name, text)
    for position, label in enumerate(text.split(".")):
        if label == "**" and position == 0:
            continue
        if "**" in label:
            raise PatternProblem("has ** elsewhere than as its first label; write **.example.com, or ** for any name")
        if not _DNS_LABEL.fullmatch(label):
            raise PatternProblem("is no pattern for DNS names, such as *.example.com")
    return text


def _check_uri(text: str) -> str:
    if is_literal(text):
        return _parsed(parse_uri, text)
    segments = text.split("/")
    if any("**" in segment for segment in segments[:-1]) or ("**" in segments[-1] and segments[-1] != "**"):
        raise PatternProblem(
            "has ** elsewhere than at its end; write spiffe://cluster.local/ns/prod/**, or ** for any URI"
        )
    if text != "**" and ":" not in segments[0]:
        raise PatternProblem("has no scheme; write spiffe://… or https://…")
    return text


def _check_spiffe_id(text: str) -> str:
    if not text.startswith("spiffe://"):
        raise PatternProblem("is no pattern for SPIFFE IDs, such as spiffe://cluster.local/ns/prod/sa/*")
    return _check_uri(text)


def _check_email(text: str) -> str:
    if text == "**":
        return text
    if is_literal(text):
        return _parsed(parse_email, text)
    local_part, at, domain = text.rpartition("@")
    if not at or not local_part:
        raise PatternProblem("is no pattern for email addresses, such as *@example.com")
    return f"{local_part}@{_check_dns(domain)}"


def _parsed(parse: Callable[[str], str], text: str) -> str:
    try:
        return parse(text)
    except MalformedName as err:
        raise PatternProblem(f"could never match: {err}") from err
