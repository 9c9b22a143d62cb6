"""From a policy document to its rules.

- Every fault is found in one reading, each with its line.
- What could never match, or would silently match more than it seems to, is a fault.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from ca.callers import CallerKind
from ca.errors import PolicyInvalid
from ca.policy import pattern_lists as compile_patterns
from ca.policy.lifetimes import parse_lifetime
from ca.policy.reading import Mapping, Scalar, Value, read_document
from ca.policy.requests import Operation
from ca.policy.rules import AllowRule, CallerMatcher, DenyRule, ProfileList, Rule
from ca.policy.sections import Entry, Section, suggestion
from ca.policy.term_lists import parse_terms
from ca.policy.terms import PatternList
from certs.keys import KeyType
from certs.profiles import LEAF_PROFILES, PROFILES

API_VERSION = "chancery.dev/v1alpha1"
KIND = "Policy"

_RULE_KEYS = (
    "name", "effect", "callers", "operations", "profiles", "names", "subject", "key_types", "max_lifetime",
)  # fmt: skip
_SERVICE_ACCOUNT_KEYS = ("spiffe_ids", "namespaces", "service_accounts")
_CERTIFICATE_KEYS = ("common_names", "organizations", *_SERVICE_ACCOUNT_KEYS)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_KINDS = {
    "any": frozenset({CallerKind.CERTIFICATE, CallerKind.TOKEN, CallerKind.SERVICE_ACCOUNT, CallerKind.ANONYMOUS}),
    "anonymous": frozenset({CallerKind.ANONYMOUS}),
    "token": frozenset({CallerKind.TOKEN}),
    "service_account": frozenset({CallerKind.SERVICE_ACCOUNT}),
    "certificate": frozenset({CallerKind.CERTIFICATE}),
}
_CONDITIONS = {"certificate": _CERTIFICATE_KEYS, "service_account": _SERVICE_ACCOUNT_KEYS}

ORDINARY_PROFILES = frozenset(name for name, profile in LEAF_PROFILES.items() if not profile.ocsp_no_check)
"""What `*` reaches: not the CAs, and not the OCSP responder, whose holder can call a revoked certificate good."""

Word = TypeVar("Word", bound=StrEnum)


def parse_document(document: str) -> tuple[Rule, ...]:
    """Raises PolicyInvalid with every fault."""
    faults: list[str] = []
    top = Section(read_document(document), place="policy", keys=("apiVersion", "kind", "rules"), faults=faults)
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if top.text(key) != expected:
            top.fault(f"{key} must be {expected}")
    if not top.has("rules"):
        top.fault("has no rules; list at least one")
    rules = [_parse_rule(value, number, faults) for number, value in enumerate(top.values("rules") or (), start=1)]
    _verify_unique(rules, top)
    if faults:
        raise PolicyInvalid(faults)
    return tuple(rules)


def _verify_unique(rules: Iterable[Rule], top: Section) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            top.fault(f"two rules are named {rule.name!r}; names tell them apart")
        seen.add(rule.name)


def _parse_rule(value: Value, number: int, faults: list[str]) -> Rule:
    name = _name_of(value) or f"#{number}"
    section = Section(value, place=f"rule {name!r}", keys=_RULE_KEYS, faults=faults)
    if not _NAME.fullmatch(section.text("name") or ""):
        section.fault("needs a name of letters, digits, '.', '_' and '-', at most 63 of them")
    effect = section.text("effect") or "allow"
    if effect not in {"allow", "deny"}:
        section.fault(f"effect must be allow or deny, not {effect[:100]!r}")
    denying = effect == "deny"
    callers = _parse_callers(section, denying=denying)
    operations = _parse_operations(section, denying=denying)
    profiles = _parse_profiles(section, denying=denying)
    terms = parse_terms(section, denying=denying)
    key_types = _parse_words(section, "key_types", KeyType)
    if denying:
        if section.has("max_lifetime"):
            section.fault("max_lifetime has no meaning in a rule that denies; put it in the rule that allows")
        return DenyRule(
            name=name, callers=callers, operations=operations, profiles=profiles, terms=terms, key_types=key_types
        )
    if profiles is None and any(one.makes_a_certificate or one is Operation.REGISTER for one in operations):
        section.fault("lists no profiles, so that it could never issue, renew or register; list some, or '*'")
    return AllowRule(
        name=name,
        callers=callers,
        operations=operations,
        profiles=profiles or ProfileList(),
        terms=terms,
        key_types=key_types,
        maximum_lifetime=_parse_maximum_lifetime(section),
    )


def _name_of(value: Value) -> str | None:
    name = value.entries.get("name") if isinstance(value, Mapping) else None
    return name.text[:63] if isinstance(name, Scalar) else None


def _parse_callers(rule: Section, *, denying: bool) -> tuple[CallerMatcher, ...]:
    if not rule.has("callers"):
        rule.fault("says nothing about callers; list some, or [{any: true}]")
    return tuple(_parse_caller(value, rule, denying=denying) for value in rule.values("callers") or ())


def _parse_caller(value: Value, rule: Section, *, denying: bool) -> CallerMatcher:
    section = Section(value, place=f"{rule.place}: callers", keys=_KINDS, faults=rule.faults)
    found = [kind for kind in _KINDS if section.has(kind)]
    if len(found) != 1:
        section.fault(f"each caller has exactly one of {', '.join(_KINDS)}")
        return CallerMatcher(kinds=frozenset())
    (kind,) = found
    if kind not in _CONDITIONS:
        if not section.truth(kind):
            section.fault(f"{kind} is true or not there")
        return CallerMatcher(kinds=_KINDS[kind])
    return _parse_conditions(section.section(kind, _CONDITIONS[kind]), kind, denying=denying)


def _parse_conditions(section: Section, kind: str, *, denying: bool) -> CallerMatcher:
    def texts(key: str) -> PatternList | None:
        entries = section.texts(key)
        if entries is None:
            return None
        return compile_patterns.compile_texts(entries, section.faults, denying=denying, placeholders=False)

    spiffe_ids = section.texts("spiffe_ids")
    return CallerMatcher(
        kinds=_KINDS[kind],
        common_names=texts("common_names"),
        organizations=texts("organizations"),
        spiffe_ids=None
        if spiffe_ids is None
        else compile_patterns.compile_spiffe_ids(spiffe_ids, section.faults, denying=denying),
        namespaces=texts("namespaces"),
        service_accounts=texts("service_accounts"),
    )


def _parse_operations(rule: Section, *, denying: bool) -> frozenset[Operation]:
    """`*` grants what people and workloads do; `administer`, which looks at callers alone, and `register` are written out."""
    entries = rule.texts("operations")
    if entries is None:
        return frozenset({Operation.ISSUE})
    written = [entry for entry in entries if entry.text != "*"]
    operations = _words(written, Operation, rule.faults)
    if len(written) == len(entries):
        return operations
    return operations | frozenset(operation for operation in Operation if denying or not operation.is_for_few)


def _parse_profiles(rule: Section, *, denying: bool) -> ProfileList | None:
    entries = rule.texts("profiles")
    if entries is None:
        return None
    names = {entry.text for entry in entries}
    for entry in entries:
        if entry.text not in {"*", *PROFILES}:
            rule.faults.append(
                f"{entry.place}: there is no profile {entry.text[:100]!r}; {suggestion(entry.text, PROFILES)}"
            )
    every = "*" in names
    reached = (frozenset(PROFILES) if denying else ORDINARY_PROFILES) if every else frozenset[str]()
    return ProfileList(names=frozenset(names) | reached, every=every)


def _parse_words(rule: Section, key: str, words: type[Word]) -> frozenset[Word] | None:
    entries = rule.texts(key)
    return None if entries is None else _words(entries, words, rule.faults)


def _words(entries: Iterable[Entry], words: type[Word], faults: list[str]) -> frozenset[Word]:
    known = {word.value: word for word in words}
    entries = tuple(entries)
    faults.extend(
        f"{entry.place}: there is no {entry.text[:100]!r}; {suggestion(entry.text, known)}"
        for entry in entries
        if entry.text not in known
    )
    return frozenset(known[entry.text] for entry in entries if entry.text in known)


def _parse_maximum_lifetime(rule: Section) -> timedelta | None:
    text = rule.text("max_lifetime")
    if text is None:
        return None
    try:
        return parse_lifetime(text)
    except ValueError as err:
        rule.fault(f"max_lifetime {text[:100]!r}: {err}")
        return None
