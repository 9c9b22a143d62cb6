"""The names and the subject that a rule lists, read from its section.

- `any` and `own` are short for the longer lists; neither reaches reserved names.
"""

from ca.policy.pattern_lists import compile_addresses, compile_dns, compile_emails, compile_texts, compile_uris
from ca.policy.reading import Scalar
from ca.policy.sections import Entry, Section
from ca.policy.terms import OWN, NameTerms, OtherAttributes, PatternList, SubjectTerms, Terms

_NAME_KEYS = ("dns", "ips", "uris", "emails", "wildcards")
_SUBJECT_KEYS = ("common_names", "organizations", "others")
_SHORT_FORMS = ("any", "own")
_EVERY_NETWORK = ("0.0.0.0/0", "::/0")


def parse_terms(rule: Section, *, denying: bool) -> Terms:
    faults_before = len(rule.faults)
    terms = Terms(names=_parse_names(rule, denying=denying), subject=_parse_subject(rule, denying=denying))
    given = rule.has("names") or rule.has("subject")
    if given and terms.is_empty and len(rule.faults) == faults_before:
        rule.fault("names and subject list nothing; list something or leave them out")
    return terms


def _parse_names(rule: Section, *, denying: bool) -> NameTerms:
    if not rule.has("names"):
        return NameTerms()
    short = _short_form(rule, "names")
    if short is not None:
        patterns = _entries("**" if short == "any" else OWN)
        return NameTerms(
            dns=compile_dns(patterns, rule.faults, denying=denying),
            ips=compile_addresses(_entries(*(_EVERY_NETWORK if short == "any" else (OWN,))), rule.faults),
            uris=compile_uris(patterns, rule.faults, denying=denying),
            emails=compile_emails(patterns, rule.faults, denying=denying),
            wildcards=not denying,
        )
    section = rule.section("names", _NAME_KEYS)
    if denying and section.has("wildcards"):
        section.fault("wildcards has no meaning in a rule that denies: it covers wildcard certificates as it is")
    return NameTerms(
        dns=compile_dns(section.texts("dns") or (), rule.faults, denying=denying),
        ips=compile_addresses(section.texts("ips") or (), rule.faults),
        uris=compile_uris(section.texts("uris") or (), rule.faults, denying=denying),
        emails=compile_emails(section.texts("emails") or (), rule.faults, denying=denying),
        wildcards=section.truth("wildcards") and not denying,
    )


def _parse_subject(rule: Section, *, denying: bool) -> SubjectTerms:
    def compiled(*texts: str) -> PatternList:
        return compile_texts(_entries(*texts), rule.faults, denying=denying)

    if not rule.has("subject"):
        return SubjectTerms()
    short = _short_form(rule, "subject")
    if short is not None:
        patterns = compiled("*" if short == "any" else OWN)
        return SubjectTerms(common_names=patterns, organizations=patterns, others=OtherAttributes(short))
    section = rule.section("subject", _SUBJECT_KEYS)
    return SubjectTerms(
        common_names=compile_texts(section.texts("common_names") or (), rule.faults, denying=denying),
        organizations=compile_texts(section.texts("organizations") or (), rule.faults, denying=denying),
        others=_parse_others(section),
    )


def _parse_others(section: Section) -> OtherAttributes:
    value = section.value("others")
    if isinstance(value, Scalar) and value.text == "own":
        return OtherAttributes.OWN
    return OtherAttributes.ANY if section.truth("others") else OtherAttributes.NONE


def _short_form(rule: Section, key: str) -> str | None:
    value = rule.value(key)
    return value.text if isinstance(value, Scalar) and value.text in _SHORT_FORMS else None


def _entries(*texts: str) -> tuple[Entry, ...]:
    return tuple(Entry(text=text, place="") for text in texts)
