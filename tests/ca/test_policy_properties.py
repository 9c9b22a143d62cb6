"""What holds for every policy and every request."""

from datetime import timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from ca.callers import Caller
from ca.policy import Operation, Policy, PolicyRequest, default_policy
from certs.keys import KeyType
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName
from certs.profiles import PROFILES

_HEAD = "apiVersion: chancery.dev/v1alpha1\nkind: Policy\nrules:\n"
_DNS = ["a.example", "b.example", "x.a.example", "*.a.example", "localhost"]
_ORGANIZATIONS = ["team-a", "team-b", "system:masters", "chancery:administrators"]

_callers = st.one_of(
    st.just(Caller.anonymous()),
    st.just(Caller.for_token("t")),
    st.builds(
        Caller.hypothetical,
        common_name=st.sampled_from(["web", "a.example", "*", "system:admin"]),
        organizations=st.lists(st.sampled_from(_ORGANIZATIONS), max_size=2, unique=True).map(tuple),
        spiffe_id=st.sampled_from([None, SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart")]),
    ),
)
_names = st.builds(
    SubjectAlternativeNames.parse,
    dns=st.lists(st.sampled_from(_DNS), max_size=3),
    ips=st.lists(st.sampled_from(["10.0.0.1", "fd00::1"]), max_size=2),
    uris=st.lists(st.sampled_from(["spiffe://cluster.local/ns/shop/sa/cart", "https://a.example/x"]), max_size=2),
    emails=st.lists(st.sampled_from(["ops@a.example"]), max_size=1),
)
_subjects = st.builds(
    SubjectName,
    common_name=st.sampled_from([None, "web", "system:admin"]),
    organizations=st.lists(st.sampled_from(_ORGANIZATIONS), max_size=2, unique=True).map(tuple),
    countries=st.sampled_from([(), ("DE",)]),
)
_requests = st.builds(
    PolicyRequest,
    caller=_callers,
    operation=st.sampled_from(Operation),
    profile=st.sampled_from([None, *PROFILES]),
    subject=_subjects,
    names=_names,
    key_type=st.sampled_from([None, KeyType.EC_P256, KeyType.RSA_2048]),
    lifetime=st.sampled_from([None, timedelta(hours=1), timedelta(days=9)]),
)


@st.composite
def _rules(draw, *effects: str) -> str:
    chosen = draw(st.sampled_from(effects or ("allow", "deny")))
    callers = draw(
        st.sampled_from(
            ["any: true", "token: true", "anonymous: true", "certificate: {}", "certificate: {organizations: [team-a]}"]
        )
    )
    parts = [f"effect: {chosen}, callers: [{{{callers}}}], profiles: ['*']"]
    parts += draw(
        st.lists(
            st.sampled_from(
                [
                    "operations: ['*']",
                    "names: any",
                    "subject: any",
                    "key_types: [ec-p256]",
                    *([] if chosen == "deny" else ["max_lifetime: 24h"]),
                ]
            ),
            unique=True,
        )
    )
    return ", ".join(parts)


def _policy(rules: list[str]) -> Policy:
    return Policy.parse(_HEAD + "".join(f"  - {{name: r{number}, {rule}}}\n" for number, rule in enumerate(rules)))


@given(_requests)
def test_without_a_rule_that_allows_nothing_is_allowed(request_):
    policy = _policy(["effect: deny, callers: [{token: true}], profiles: [ocsp], names: {dns: [z.example]}"])

    assert not policy.decide(request_).allowed


@given(_requests)
def test_a_rule_that_lists_no_names_allows_no_names(request_):
    decision = _policy(["callers: [{any: true}], operations: ['*'], profiles: ['*']"]).decide(request_)

    if decision.allowed:
        assert request_.names.is_empty
        assert request_.subject.is_empty


@given(st.lists(_rules(), min_size=1, max_size=4), _rules("deny"), st.data(), _requests)
def test_one_more_rule_that_denies_never_allows_more(rules, denial, data, request_):
    place = data.draw(st.integers(0, len(rules)))
    stricter = _policy([*rules[:place], denial, *rules[place:]])

    if stricter.decide(request_).allowed:
        assert _policy(rules).decide(request_).allowed


@given(st.lists(_rules("allow"), min_size=2, max_size=3), _requests)
def test_the_order_of_rules_that_allow_does_not_matter_to_whether(rules, request_):
    outcomes = {_policy(list(order)).decide(request_).allowed for order in permutations(rules)}

    assert len(outcomes) == 1


@given(st.lists(_rules(), min_size=1, max_size=4), _requests)
def test_a_reserved_name_is_conferred_only_where_it_is_written_out(rules, request_):
    reserved = any(name.startswith(("system:", "chancery:")) for name in request_.subject.organizations)

    if reserved and request_.operation.confers_identity:
        assert not _policy(rules).decide(request_).allowed


@given(st.lists(_rules(), min_size=1, max_size=4), _requests)
def test_every_decision_explains_itself(rules, request_):
    decision = _policy(rules).decide(request_)

    assert request_.caller.name in decision.explanation
    assert "\n" not in decision.explanation
    assert (decision.rule is not None) or not decision.allowed
    assert [e.matched for e in decision.evaluations[:-1]].count(True) == 0
    assert decision.evaluations[-1].matched is (decision.rule is not None)
    assert all(bool(e.mismatches) is not e.matched for e in decision.evaluations)


@given(_requests)
def test_fewer_names_are_never_denied_where_more_are_allowed(request_):
    policy = Policy.parse(default_policy("cluster.local"))

    if policy.decide(request_).allowed:
        fewer = PolicyRequest(
            caller=request_.caller,
            operation=request_.operation,
            profile=request_.profile,
            subject=request_.subject,
            names=SubjectAlternativeNames(dns=request_.names.dns[:1]),
            key_type=request_.key_type,
        )
        assert policy.decide(fewer).allowed


@given(st.lists(_rules(), min_size=1, max_size=4), _requests)
def test_what_is_issued_is_among_the_profiles_for_its_caller(rules, request_):
    policy = _policy(rules)

    if request_.operation is Operation.ISSUE and policy.decide(request_).allowed:
        assert request_.profile in policy.profiles_for(request_.caller)
