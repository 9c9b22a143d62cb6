"""Who gets what: the order of rules, what each part of a rule holds, and the sentence that explains it."""

from datetime import timedelta

import pytest

from ca.callers import Caller
from ca.errors import PolicyDenied, PolicyInvalid
from ca.policy import Operation, Policy, PolicyRequest
from certs.keys import KeyType
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName

_WEB = Caller.hypothetical(common_name="web", organizations=("team-a",))
_CART = Caller.hypothetical(spiffe_id=SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart"))
_POD = Caller.for_service_account(SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart"))
_MASTER = Caller.hypothetical(common_name="root", organizations=("system:masters",))


def _policy(*rules: str) -> Policy:
    return Policy.parse(
        "apiVersion: chancery.dev/v1alpha1\nkind: Policy\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules)
    )


def _allow(extra: str = "", *, callers: str = "[{any: true}]", name: str = "r", profiles: str = "['*']") -> Policy:
    extra = f", {extra}" if extra else ""
    return _policy(f"{{name: {name}, callers: {callers}, profiles: {profiles}{extra}}}")


def _deny(extra: str = "", *, callers: str = "[{any: true}]") -> Policy:
    everything = (
        "{name: rest, callers: [{any: true}], operations: ['*', register, administer], profiles: ['*', intermediate], "
        "names: any, subject: any}"
    )
    extra = f", {extra}" if extra else ""
    return _policy(f"{{name: no, effect: deny, callers: {callers}{extra}}}", everything)


def _ask(
    caller: Caller = _WEB,
    operation: Operation = Operation.ISSUE,
    *,
    profile: str | None = "server",
    subject: SubjectName = SubjectName(),  # noqa: B008 - immutable
    key_type: KeyType | None = KeyType.EC_P256,
    lifetime: timedelta | None = None,
    **names: list[str],
) -> PolicyRequest:
    return PolicyRequest(
        caller=caller,
        operation=operation,
        profile=profile,
        subject=subject,
        names=SubjectAlternativeNames.parse(**names),
        key_type=key_type,
        lifetime=lifetime,
    )


def _allows(policy: Policy, request: PolicyRequest) -> bool:
    return policy.decide(request).allowed


def test_the_first_rule_that_matches_entirely_decides():
    policy = _policy(
        "{name: other, callers: [{any: true}], profiles: [server], names: {dns: [b.example]}}",
        "{name: first, callers: [{any: true}], profiles: [server], names: {dns: [a.example]}, max_lifetime: 1h}",
        "{name: second, effect: deny, callers: [{any: true}]}",
    )

    decision = policy.decide(_ask(dns=["a.example"]))

    assert decision.allowed
    assert decision.rule == "first"
    assert decision.maximum_lifetime == timedelta(hours=1)
    assert (
        decision.explanation == "rule 'first' allows CN=web,O=team-a to issue profile server for dns name 'a.example'"
    )
    assert [(e.rule, e.matched, e.mismatches) for e in decision.evaluations] == [
        ("other", False, ("dns name 'a.example'",)),
        ("first", True, ()),
    ]


def test_a_denial_names_the_nearest_rule_and_what_it_does_not_list():
    policy = _policy(
        "{name: far, callers: [{anonymous: true}], profiles: [server], names: any}",
        "{name: renewals, callers: [{any: true}], operations: [renew], profiles: [server], names: any}",
        "{name: team-a, callers: [{certificate: {organizations: [team-a]}}], profiles: [server], names: {dns: ['*.a.example']}}",
        "{name: clients, callers: [{any: true}], profiles: [client], names: any}",
    )

    decision = policy.decide(_ask(dns=["web.a.example", "evil.example"]))

    assert not decision.allowed
    assert decision.rule is None
    assert decision.explanation == (
        "no rule allows CN=web,O=team-a to issue profile server for dns name 'web.a.example', dns name 'evil.example': "
        "rule 'team-a' matches the caller, but not dns name 'evil.example'"
    )
    assert [e.mismatches for e in decision.evaluations] == [
        ("caller CN=web,O=team-a",),
        ("operation issue",),
        ("dns name 'evil.example'",),
        ("profile server",),
    ]


def test_a_denial_where_no_rule_knows_the_caller_says_so():
    decision = _allow(callers="[{token: true}]").decide(_ask(Caller.anonymous()))

    assert decision.explanation == "no rule allows anonymous to issue profile server: no rule matches the caller"


def test_a_rule_that_denies_says_what_it_lists():
    decision = _deny("names: {dns: ['**.prod.example']}").decide(_ask(dns=["a.example", "db.prod.example"]))

    assert not decision.allowed
    assert decision.rule == "no"
    assert decision.explanation == (
        "rule 'no' does not allow CN=web,O=team-a to issue profile server for dns name 'a.example', dns name "
        "'db.prod.example': it lists dns name 'db.prod.example'"
    )


def test_an_explanation_stays_short_however_many_names_are_asked_for():
    decision = _allow("names: {ips: [10.0.0.0/8]}").decide(_ask(dns=[f"host-{n}.example" for n in range(100)]))

    assert "and 97 more" in decision.explanation
    assert "and not 95 more" in decision.explanation
    assert len(decision.explanation) < 600


def test_verify_raises_with_the_explanation_and_the_rule():
    with pytest.raises(PolicyDenied, match="rule 'no' does not allow") as caught:
        _deny().verify(_ask())

    assert caught.value.rule == "no"
    assert _allow().verify(_ask()).rule == "r"


def test_the_authority_itself_is_not_asked():
    decision = _deny().decide(_ask(Caller.local(), dns=["ca.example"]))

    assert decision.allowed
    assert decision.rule is None


@pytest.mark.parametrize(
    ("request_", "terms"),
    [
        (_ask(dns=["a.example"]), "names: {ips: [0.0.0.0/0], uris: ['**'], emails: ['**']}, subject: any"),
        (_ask(ips=["10.0.0.1"]), "names: {dns: ['**'], uris: ['**'], emails: ['**']}, subject: any"),
        (_ask(uris=["urn:a:b"]), "names: {dns: ['**'], ips: [0.0.0.0/0], emails: ['**']}, subject: any"),
        (_ask(emails=["a@b.example"]), "names: {dns: ['**'], ips: [0.0.0.0/0], uris: ['**']}, subject: any"),
        (_ask(subject=SubjectName(common_name="a")), "names: any, subject: {organizations: ['*'], others: true}"),
        (_ask(subject=SubjectName(organizations=("a",))), "names: any, subject: {common_names: ['*'], others: true}"),
        (
            _ask(subject=SubjectName(countries=("DE",))),
            "names: any, subject: {common_names: ['*'], organizations: ['*']}",
        ),
        (
            _ask(subject=SubjectName(serial_number="7")),
            "names: any, subject: {common_names: ['*'], organizations: ['*']}",
        ),
    ],
)
def test_what_a_rule_does_not_list_may_not_appear(request_, terms):
    assert not _allows(_allow(terms), request_)
    assert _allows(_allow("names: any, subject: any"), request_)


def test_every_name_must_be_listed():
    policy = _allow("names: {dns: ['*.example.com'], ips: [10.0.0.0/8, 'fd00::/8']}")

    assert _allows(policy, _ask(dns=["a.example.com", "b.example.com"], ips=["10.1.2.3", "fd00::7"]))
    assert not _allows(policy, _ask(dns=["a.example.com", "b.example.org"]))
    assert not _allows(policy, _ask(dns=["a.example.com"], ips=["11.0.0.1"]))


def test_wildcard_certificates_need_a_rule_that_says_so():
    request = _ask(dns=["*.example.com"])

    assert not _allows(_allow("names: {dns: ['*.example.com']}"), request)
    assert _allows(_allow("names: {dns: ['*.example.com'], wildcards: true}"), request)
    assert _allows(_allow("names: {dns: ['**.example.com'], wildcards: true}"), request)
    assert not _allows(_allow("names: {dns: ['web.example.com', 'w*.example.com'], wildcards: true}"), request)
    assert not _allows(_allow("names: any"), _ask(subject=SubjectName(common_name="*.example.com")))
    assert not _allows(_allow("subject: any"), _ask(subject=SubjectName(common_name="*.example.com")))


@pytest.mark.parametrize("organization", ["system:masters", "system:nodes", "chancery:administrators"])
@pytest.mark.parametrize("operation", [Operation.ISSUE, Operation.RENEW, Operation.FETCH_KEY])
def test_reserved_names_are_never_reached_by_a_wildcard(organization, operation):
    request = _ask(operation=operation, subject=SubjectName(common_name="x", organizations=(organization,)))

    def allows(organizations: str) -> bool:
        subject = f"{{common_names: ['*'], organizations: {organizations}, others: true}}"
        return _allows(_allow(f"operations: ['*'], names: any, subject: {subject}"), request)

    assert not allows("['*']")
    assert not allows("['**']")
    assert not allows("['system:*', 'chancery:*', '*s']")
    assert allows(f"['{organization}']")
    assert not _allows(_allow("operations: ['*'], names: any, subject: any"), request)


def test_a_reserved_common_name_is_never_reached_by_a_wildcard_or_a_placeholder():
    caller = Caller.hypothetical(common_name="system:admin")
    request = _ask(caller, subject=SubjectName(common_name="system:admin"))

    assert not _allows(_allow("subject: any"), request)
    assert not _allows(_allow("subject: {common_names: ['{common_name}']}"), request)
    assert not _allows(_allow("subject: own"), request)
    assert _allows(_allow("subject: {common_names: ['system:admin']}"), request)


def test_holding_a_reserved_name_does_not_renew_it_unless_a_rule_lists_it():
    request = _ask(_MASTER, Operation.RENEW, subject=_MASTER.subject)

    assert not _allows(_allow("operations: [renew], names: own, subject: own"), request)
    own_and_masters = "{common_names: ['{own}'], organizations: ['{own}', 'system:masters']}"
    assert _allows(_allow(f"operations: [renew], names: own, subject: {own_and_masters}"), request)


def test_certificates_with_reserved_names_can_be_read_and_revoked_under_a_wildcard():
    policy = _allow("operations: [read, revoke], names: any, subject: any")

    assert _allows(policy, _ask(operation=Operation.REVOKE, subject=_MASTER.subject))
    assert _allows(policy, _ask(operation=Operation.READ, subject=_MASTER.subject, profile="intermediate"))


def test_callers_with_reserved_names_are_meant_only_where_they_are_written_out():
    anyone = _allow(callers="[{certificate: {organizations: ['*']}}]")
    masters = _allow(callers="[{certificate: {organizations: ['system:masters']}}]")

    assert not _allows(anyone, _ask(_MASTER))
    assert _allows(masters, _ask(_MASTER))
    assert not _allows(_deny(callers="[{certificate: {organizations: ['*']}}]"), _ask(_MASTER))


@pytest.mark.parametrize("profile", ["root", "intermediate", "ocsp"])
def test_a_star_among_profiles_reaches_ordinary_leaves_only(profile):
    assert not _allows(_allow(), _ask(profile=profile))
    assert _allows(_allow(profiles=f"['*', {profile}]"), _ask(profile=profile))
    assert not _allows(_deny("profiles: ['*']"), _ask(profile=profile))


def test_a_request_that_leaves_something_open_is_not_read_in_the_callers_favour():
    assert not _allows(_allow(), _ask(profile=None))
    assert not _allows(_allow("key_types: [ec-p256]"), _ask(key_type=None))
    assert not _allows(_deny("profiles: [server]"), _ask(profile=None))
    assert not _allows(_deny("key_types: [rsa-2048]"), _ask(key_type=None))


def test_an_operation_that_concerns_no_certificate_needs_neither_profile_nor_key():
    policy = _allow("operations: [administer], key_types: [ec-p256]")

    assert _allows(policy, _ask(operation=Operation.ADMINISTER, profile=None, key_type=None))
    assert _allows(_deny("operations: ['*'], profiles: [server], key_types: [rsa-2048]"),
                   _ask(operation=Operation.ADMINISTER, profile=None, key_type=None))  # fmt: skip


def test_key_types_are_held():
    policy = _allow("key_types: [ec-p256, ed25519]")

    assert _allows(policy, _ask(key_type=KeyType.ED25519))
    decision = policy.decide(_ask(key_type=KeyType.RSA_2048))
    assert decision.explanation.endswith("rule 'r' matches the caller, but not key type rsa-2048")


def test_a_lifetime_above_the_cap_is_denied_and_a_default_one_is_capped():
    policy = _allow("max_lifetime: 24h")

    assert _allows(policy, _ask(lifetime=timedelta(hours=24)))
    decision = policy.decide(_ask(lifetime=timedelta(hours=48)))
    assert decision.explanation.endswith("but not lifetime 2d (at most 1d)")
    assert policy.decide(_ask()).maximum_lifetime == timedelta(hours=24)


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("{}", True),
        ("{spiffe_ids: ['spiffe://cluster.local/ns/*/sa/*']}", True),
        ("{spiffe_ids: ['spiffe://other.local/**', 'spiffe://cluster.local/**']}", True),
        ("{spiffe_ids: ['spiffe://other.local/**']}", False),
        ("{namespaces: [shop]}", True),
        ("{namespaces: [shop], service_accounts: ['c*']}", True),
        ("{namespaces: [shop], service_accounts: [web]}", False),
        ("{namespaces: [shop], organizations: ['*']}", False),
        ("{common_names: ['*']}", False),
    ],
)
def test_all_conditions_of_a_caller_hold_together(condition, matches):
    assert _allows(_allow(callers=f"[{{certificate: {condition}}}]"), _ask(_CART)) is matches


@pytest.mark.parametrize(
    ("matcher", "matched"),
    [
        ("any: true", {"certificate", "token", "service account", "anonymous"}),
        ("service_account: {}", {"service account"}),
        ("certificate: {}", {"certificate"}),
        ("token: true", {"token"}),
        ("anonymous: true", {"anonymous"}),
    ],
)
def test_each_matcher_means_its_kind_of_caller(matcher, matched):
    policy = _allow(callers=f"[{{{matcher}}}]")
    callers = {
        "certificate": _WEB,
        "token": Caller.for_token("t"),
        "service account": _POD,
        "anonymous": Caller.anonymous(),
    }

    assert {kind for kind, caller in callers.items() if _allows(policy, _ask(caller))} == matched


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("{namespaces: [shop]}", True),
        ("{namespaces: [shop], service_accounts: ['c*']}", True),
        ("{spiffe_ids: ['spiffe://cluster.local/ns/shop/sa/*']}", True),
        ("{namespaces: [bank]}", False),
        ("{namespaces: [shop], service_accounts: [web]}", False),
        ("{spiffe_ids: ['spiffe://other.local/ns/*/sa/*']}", False),
    ],
)
def test_all_conditions_of_a_service_account_hold_together(condition, matches):
    assert _allows(_allow(callers=f"[{{service_account: {condition}}}]"), _ask(_POD)) is matches


@pytest.mark.parametrize("condition", ["common_names: [cart]", "organizations: [team-a]"])
def test_service_account_has_no_subject_to_ask_for(condition):
    with pytest.raises(PolicyInvalid, match="has no key"):
        _allow(callers=f"[{{service_account: {{{condition}}}}}]")


def test_one_matching_caller_among_several_is_enough():
    policy = _allow(
        callers="[{token: true}, {certificate: {common_names: [db]}}, {certificate: {organizations: [team-a]}}]"
    )

    assert _allows(policy, _ask(_WEB))


def test_own_means_exactly_what_the_callers_certificate_holds():
    caller = Caller.hypothetical(
        common_name="web", organizations=("a", "b"), spiffe_id=SpiffeId.parse("spiffe://x.y/z")
    )
    policy = _allow("names: own, subject: own")

    assert _allows(policy, _ask(caller, subject=caller.subject, uris=["spiffe://x.y/z"]))
    assert _allows(policy, _ask(caller, subject=SubjectName(organizations=("b",))))
    assert not _allows(policy, _ask(caller, subject=SubjectName(common_name="Web")))
    assert not _allows(policy, _ask(caller, subject=SubjectName(common_name="web", countries=("DE",))))
    assert not _allows(policy, _ask(caller, uris=["spiffe://x.y/z", "spiffe://x.y/zz"]))
    assert not _allows(policy, _ask(Caller.anonymous(), subject=SubjectName(common_name="web")))


def test_a_workload_gets_the_names_that_follow_from_its_identity():
    policy = _allow(
        "names: {uris: ['spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}'], dns: ['{service_account}.{namespace}.svc']}"
    )

    assert _allows(policy, _ask(_CART, uris=["spiffe://cluster.local/ns/shop/sa/cart"], dns=["cart.shop.svc"]))
    assert not _allows(policy, _ask(_CART, uris=["spiffe://cluster.local/ns/shop/sa/web"]))
    assert not _allows(policy, _ask(_CART, dns=["cart.other.svc"]))


@pytest.mark.parametrize(
    ("extra", "request_"),
    [
        ("", _ask()),
        ("operations: [revoke]", _ask(operation=Operation.REVOKE)),
        ("profiles: [server]", _ask()),
        ("names: {dns: [admin.example.com]}", _ask(dns=["web.example.com", "admin.example.com"])),
        ("names: {dns: [admin.example.com]}", _ask(dns=["*.example.com"])),
        ("names: {ips: [10.0.0.0/8]}", _ask(ips=["11.0.0.1", "10.0.0.1"])),
        ("names: {uris: ['https://example.com/admin/**']}", _ask(uris=["https://example.com/a/../admin/x"])),
        ("names: {emails: ['Root@example.com']}", _ask(emails=["rOOT@example.com"])),
        ("subject: {organizations: ['*']}", _ask(operation=Operation.REVOKE, subject=_MASTER.subject)),
        ("subject: {common_names: ['Admin*']}", _ask(subject=SubjectName(common_name="admin-1"))),
        ("subject: {others: true}", _ask(subject=SubjectName(countries=("DE",)))),
        ("names: own", _ask(_CART, uris=["spiffe://cluster.local/ns/shop/sa/cart"])),
        ("key_types: [rsa-2048]", _ask(key_type=KeyType.RSA_2048)),
        ("key_types: [rsa-2048], names: {dns: ['**']}", _ask(key_type=KeyType.RSA_2048, dns=["a.example"])),
    ],
)
def test_a_rule_that_denies_matches_as_soon_as_anything_listed_is_asked_for(extra, request_):
    operations = "" if "operations" in extra else "operations: ['*']"

    assert policy_rule(_deny(", ".join(part for part in (operations, extra) if part)), request_) == "no"


@pytest.mark.parametrize(
    ("extra", "request_"),
    [
        ("operations: [revoke]", _ask()),
        ("profiles: [client]", _ask()),
        ("names: {dns: [admin.example.com]}", _ask(dns=["web.example.com"])),
        ("names: {dns: ['**']}", _ask(ips=["10.0.0.1"])),
        ("key_types: [rsa-2048], names: {dns: ['**']}", _ask(dns=["a.example"])),
    ],
)
def test_a_rule_that_denies_leaves_everything_else_to_later_rules(extra, request_):
    assert policy_rule(_deny(extra), request_) == "rest"


def policy_rule(policy: Policy, request: PolicyRequest) -> str | None:
    return policy.decide(request).rule


def test_profiles_for_a_caller_are_those_that_some_rule_may_give():
    policy = _policy(
        "{name: no, effect: deny, callers: [{any: true}], profiles: [peer]}",
        "{name: partly, effect: deny, callers: [{any: true}], profiles: [client], names: {dns: ['**']}}",
        "{name: reads, callers: [{any: true}], operations: [read], profiles: [ocsp]}",
        "{name: others, callers: [{anonymous: true}], profiles: [workload]}",
        "{name: yes, callers: [{certificate: {}}], profiles: [server, client, peer]}",
    )

    assert policy.profiles_for(_WEB) == ("server", "client")
    assert policy.profiles_for(Caller.anonymous()) == ("workload",)
    assert policy.profiles_for(Caller.for_token("t")) == ()


def test_star_grants_no_administration():
    policy = _allow('operations: ["*"], names: own')

    assert not _allows(policy, _ask(operation=Operation.ADMINISTER, profile=None, key_type=None))


@pytest.mark.parametrize("operations", ['["*", administer]', "[issue, renew, revoke, read, fetch_key]"])
def test_registering_is_granted_where_it_is_written_out_and_nowhere_else(operations):
    for profile in ("server", None):
        asked = _ask(operation=Operation.REGISTER, profile=profile, key_type=None)

        assert not _allows(_allow(f"operations: {operations}, names: any, subject: any"), asked)
        assert _allows(_allow("operations: [register], names: any, subject: any"), asked)


def test_registering_is_held_to_names_profiles_key_types_and_lifetimes():
    rule = "operations: [register], names: {dns: ['*.shop.svc']}, key_types: [ec-p256], max_lifetime: 1h"
    policy = _allow(rule, profiles="[workload]")

    def asked(**changes) -> PolicyRequest:
        return _ask(operation=Operation.REGISTER, **{"profile": "workload", "dns": ["a.shop.svc"], **changes})

    assert _allows(policy, asked())
    assert _allows(policy, asked(key_type=None)), "names are registered for whatever key the pod has"
    for changes in (
        {"dns": ["a.bank.svc"]},
        {"dns": ["*.shop.svc"]},
        {"profile": "server"},
        {"key_type": KeyType.ED25519},
        {"lifetime": timedelta(hours=2)},
        {"subject": SubjectName(common_name="a")},
    ):
        assert not _allows(policy, asked(**changes))


def test_reserved_names_are_registered_only_where_they_are_written_out():
    masters = SubjectName(organizations=("system:masters",))
    asked = _ask(operation=Operation.REGISTER, subject=masters)

    assert not _allows(_allow("operations: [register], subject: any"), asked)
    assert _allows(_allow("operations: [register], subject: {organizations: ['system:masters']}"), asked)


def test_star_in_a_rule_that_denies_reaches_registering():
    denying = _deny("operations: ['*'], names: {dns: ['**.prod.svc']}")

    assert not _allows(denying, _ask(operation=Operation.REGISTER, dns=["db.prod.svc"], key_type=None))
    assert _allows(denying, _ask(operation=Operation.REGISTER, dns=["db.test.svc"], key_type=None))


def test_administration_is_granted_where_it_is_written_out():
    policy = _allow('operations: ["*", administer]')

    assert _allows(policy, _ask(operation=Operation.ADMINISTER, profile=None, key_type=None))
