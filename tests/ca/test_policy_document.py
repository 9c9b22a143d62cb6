"""Reading a policy document: what is accepted, and what each fault says."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import PolicyInvalid
from ca.policy import Operation, Policy
from ca.policy.lifetimes import format_lifetime, parse_lifetime
from ca.policy.reading import MAX_DOCUMENT_OCTETS
from ca.policy.rules import AllowRule, DenyRule

_HEAD = "apiVersion: chancery.dev/v1alpha1\nkind: Policy\n"
_RULE = "{name: web, callers: [{any: true}], profiles: [server], names: {dns: [web.example]}}"


def _document(*rules: str) -> str:
    return _HEAD + "rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


def _rule(extra: str) -> str:
    return "{name: web, callers: [{any: true}], profiles: [server], " + extra + "}"


def _faults(document: str) -> tuple[str, ...]:
    with pytest.raises(PolicyInvalid) as caught:
        Policy.parse(document)
    return caught.value.faults


def test_a_policy_keeps_its_document_and_the_order_of_its_rules():
    document = _document(
        _RULE,
        "{name: no-prod, effect: deny, callers: [{any: true}], operations: ['*'], names: {dns: ['**.prod.example']}}",
    )

    policy = Policy.parse(document)

    assert policy.document == document
    allow, deny = policy.rules
    assert isinstance(allow, AllowRule)
    assert isinstance(deny, DenyRule)
    assert (allow.name, deny.name) == ("web", "no-prod")
    assert allow.operations == {Operation.ISSUE}
    assert deny.operations == set(Operation)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("{callers: [{any: true}], profiles: [server]}", "rule '#1': needs a name"),
        ("{name: 'two words', callers: [{any: true}], profiles: [server]}", "needs a name"),
        ("{name: web, profiles: [server]}", "says nothing about callers"),
        ("{name: web, callers: [], profiles: [server]}", "callers is empty"),
        ("{name: web, callers: {any: true}, profiles: [server]}", "callers must be a list"),
        ("{name: web, callers: [{}], profiles: [server]}", "each caller has exactly one of"),
        ("{name: web, callers: [{any: true, token: true}], profiles: [server]}", "each caller has exactly one of"),
        ("{name: web, callers: [{any: false}], profiles: [server]}", "any is true or not there"),
        ("{name: web, callers: [{any: 'true'}], profiles: [server]}", "any must be true or false"),
        ("{name: web, callers: [{any: yes}], profiles: [server]}", "any must be true or false"),
        (
            "{name: web, callers: [{certificte: {}}], profiles: [server]}",
            "has no key 'certificte'; did you mean 'certificate'?",
        ),
        ("{name: web, callers: [{certificate: true}], profiles: [server]}", "must be a mapping"),
        (
            "{name: web, callers: [{certificate: {organisations: [a]}}], profiles: [server]}",
            "did you mean 'organizations'?",
        ),
        (
            "{name: web, callers: [{certificate: {namespaces: ['{namespace}']}}], profiles: [server]}",
            "has a placeholder",
        ),
        ("{name: web, callers: [{certificate: {organizations: ['{own}']}}], profiles: [server]}", "has a placeholder"),
        (
            "{name: web, callers: [{certificate: {spiffe_ids: ['https://a/*']}}], profiles: [server]}",
            "no pattern for SPIFFE IDs",
        ),
        ("{name: web, callers: [{any: true}]}", "lists no profiles"),
        (_rule("operation: [issue]"), "has no key 'operation'; did you mean 'operations'?"),
        (_rule("operations: [isue]"), "there is no 'isue'; did you mean 'issue'?"),
        (_rule("operations: []"), "operations is empty"),
        (_rule("effect: forbid"), "effect must be allow or deny"),
        (_rule("key_types: [rsa]"), "there is no 'rsa'"),
        (_rule("max_lifetime: 24"), "write a number and one of s, m, h, d"),
        (_rule("max_lifetime: [24h]"), "max_lifetime must be text"),
        (_rule("names: none"), "names: must be a mapping"),
        (_rule("names: {}"), "names and subject list nothing"),
        (_rule("names:"), "names: must be a mapping"),
        (_rule("names: {dns: web.example}"), "dns must be a list"),
        (_rule("names: {dns: [[web.example]]}"), "dns must list text only"),
        (_rule("names: {dns: []}"), "dns is empty"),
        (_rule("names: {dns: ['web..example']}"), "could never match"),
        (_rule("names: {dns: ['web.example.']}"), "could never match"),
        (_rule("names: {dns: ['web_1.*.example']}"), "is no pattern for DNS names"),
        (_rule("names: {dns: ['*..example']}"), "is no pattern for DNS names"),
        (_rule("names: {dns: ['web.**.example']}"), "has ** elsewhere than as its first label"),
        (_rule("names: {dns: ['{pod}.example']}"), "has an unknown placeholder"),
        (_rule("names: {dns: ['{namespce}.example']}"), "did you mean 'namespace'?"),
        (_rule("names: {dns: ['{own}.example']}"), "{own} stands alone"),
        (_rule("names: {dns: ['{namespace.example']}"), "belongs to no placeholder"),
        (_rule("names: {dns: [' web.example']}"), "spaces around it"),
        (_rule("names: {dns: ['" + "a" * 3000 + "']}"), "has 3000 characters"),
        (_rule("names: {ips: [10.0.0.1/8]}"), "is no address or network"),
        (_rule("names: {ips: ['*']}"), "is no address or network"),
        (_rule("names: {uris: [example.com/*]}"), "has no scheme"),
        (_rule("names: {uris: ['spiffe://a/**/b']}"), "has ** elsewhere than at its end"),
        (_rule("names: {uris: ['spiffe://A/b']}"), "could never match"),
        (_rule("names: {emails: ['*.example.com']}"), "no pattern for email addresses"),
        (_rule("names: {emails: ['ops']}"), "could never match"),
        (_rule("names: {hosts: [a]}"), "has no key 'hosts'"),
        (_rule("subject: {others: maybe}"), "others must be true or false"),
        (_rule("effect: deny, max_lifetime: 1h"), "max_lifetime has no meaning in a rule that denies"),
        (_rule("effect: deny, names: {dns: [a.example], wildcards: true}"), "wildcards has no meaning"),
        (_rule("effect: deny, subject: {others: false}"), "names and subject list nothing"),
        (
            "{name: web, callers: [{any: true}], profiles: [sever]}",
            "there is no profile 'sever'; did you mean 'server'?",
        ),
        ("web", "must be a mapping"),
    ],
)
def test_a_fault_names_its_rule_and_what_to_write(rule, fault):
    faults = _faults(_document(rule))

    assert any(fault in found for found in faults), faults
    assert all(found.startswith("line ") for found in faults)


def test_all_faults_are_found_at_once_each_with_its_line():
    document = """\
apiVersion: chancery.dev/v1
kind: Policies
rules:
  - name: web
    callers: [{any: true}]
    profiles: [sever]
    names:
      dns: ["web..example"]
      ips: [10.0.0.1/8]
  - name: web
    callers: [{any: true}]
    profiles: [server]
    max_lifetime: soon
"""
    faults = _faults(document)

    assert tuple(fault.partition(": dns 'web..example'")[0] for fault in faults) == (
        "line 1: policy: apiVersion must be chancery.dev/v1alpha1",
        "line 1: policy: kind must be Policy",
        "line 6: rule 'web': profiles: there is no profile 'sever'; did you mean 'server'?",
        "line 8: rule 'web': names: dns: 'web..example' could never match",
        "line 9: rule 'web': names: ips: '10.0.0.1/8' is no address or network, as in 10.0.0.0/8 (10.0.0.1/8 has host bits set)",
        "line 10: rule 'web': max_lifetime 'soon': write a number and one of s, m, h, d, as in 24h",
        "line 1: policy: two rules are named 'web'; names tell them apart",
    )


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("", "the document is empty"),
        ("# nothing\n", "the document is empty"),
        ("rules", "policy: must be a mapping"),
        (_HEAD, "has no rules"),
        (_HEAD + "rules: {}", "rules must be a list"),
        (_HEAD + "rules: []", "rules is empty"),
        (_HEAD + "rules: &r [*r]", "anchors and aliases are not read"),
        (_HEAD + "rules: [*r]", "line 3: anchors and aliases are not read"),
        (_HEAD + "rules: !!python/object/apply:os.system [id]", "tags are not read"),
        (_HEAD + "rules: !!int '1'", "tags are not read"),
        (_HEAD + "kind: Policy", "line 3: 'kind' occurs twice"),
        (_HEAD + "rules: [{? [a] : b}]", "a key must be text"),
        (_HEAD + "<<: {rules: []}", "has no key '<<'"),
        (_document(_RULE) + "---\n" + _document(_RULE), "a second document begins"),
        (_HEAD + "rules: [", "not YAML"),
        (_HEAD + "rules: ]", "line 3: not YAML"),
        (_HEAD + "rules: \x00", "not YAML"),
        (_HEAD + 'rules: "\\UFFFFFFFF"', "not YAML"),
        ("%YAML 9.9" + "9" * 5000 + "\n---\n" + _HEAD, "not YAML"),
        (_HEAD + "rules: " + "[" * 5000, "nested more than 16 deep"),
        (_HEAD + "rules: " + "{a: " * 5000, "nested more than 16 deep"),
        (_HEAD + "#" * MAX_DOCUMENT_OCTETS, "shorten it to at most 1048576"),
        (_HEAD + "rules: [" + ", ".join(["x"] * 1001) + "]", "rules has 1001 entries; keep to 1000"),
    ],
)
def test_what_is_no_policy_is_refused_with_a_reason(document, fault):
    faults = _faults(document)

    assert any(fault in found for found in faults), faults


def test_numbers_dates_and_norway_are_text():
    policy = Policy.parse(_document(_rule("subject: {common_names: [17, 2026-11-20, NO, 1e3, null]}")))

    assert isinstance(policy.rules[0], AllowRule)
    assert policy.rules[0].terms.subject.common_names.literals == {"17", "2026-11-20", "NO", "1e3", "null"}


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [
        ("45s", timedelta(seconds=45)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(days=1)),
        ("90d", timedelta(days=90)),
    ],
)
def test_lifetimes_are_a_number_and_a_unit(text, lifetime):
    assert parse_lifetime(text) == lifetime
    assert parse_lifetime(format_lifetime(lifetime)) == lifetime


@pytest.mark.parametrize("text", ["", "0h", "24", "h", "-1h", "1.5h", "1h30m", "24H", "٣h", "99999999h", "1h\n"])
def test_anything_else_is_no_lifetime(text):
    with pytest.raises(ValueError, match="as in 24h"):
        parse_lifetime(text)


@given(st.integers(min_value=1, max_value=10**9))
def test_a_lifetime_is_written_as_it_is_read(seconds):
    lifetime = timedelta(seconds=seconds)
    text = format_lifetime(lifetime)

    if len(text) <= 8:
        assert parse_lifetime(text) == lifetime


_YAML_PIECES = st.sampled_from(
    [
        *"[]{}:,-?*&!|>'\"%@`#\n \t\\~=<",
        "- ", ": ", "\n  ", "---\n", "...\n", "!!", "<<", "&a ", "*a", "true", "null", "1", "2026-11-20", "\x85", "\ufeff",
        "\ud800", "\\x", "\\U", "rules", "name", "callers", "any", "profiles", "server", "names", "dns", "'**'", "{own}", "own",
        _HEAD, "rules:\n", f"  - {_RULE}\n",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(_YAML_PIECES, max_size=40).map("".join)))
def test_no_text_raises_anything_but_policy_invalid(document):
    with suppress(PolicyInvalid):
        Policy.parse(document)


_SCALARS = st.sampled_from(
    ["a", "any", "own", "'*'", "'**'", "true", "24h", "server", "deny", "{own}", "'{namespace}'", "''", "-1"]
)
_KEYS = st.sampled_from(
    [
        *(
            "name",
            "effect",
            "callers",
            "operations",
            "profiles",
            "names",
            "subject",
            "key_types",
            "max_lifetime",
            "rules",
        ),
        *("dns", "ips", "uris", "emails", "wildcards", "common_names", "organizations", "others", "certificate", "any"),
        *("token", "anonymous", "spiffe_ids", "namespaces", "service_accounts", "x"),
    ]
)
_FLOW = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(_KEYS, inner, max_size=5).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        ),
    ),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(_KEYS, _FLOW, max_size=9), max_size=3))
def test_no_shape_of_document_raises_anything_but_policy_invalid(rules):
    text = _document(*("{" + ", ".join(f"{key}: {value}" for key, value in rule.items()) + "}" for rule in rules))

    with suppress(PolicyInvalid):
        Policy.parse(text)
