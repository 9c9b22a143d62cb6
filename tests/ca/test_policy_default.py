"""The document that `init` writes."""

from datetime import timedelta

import pytest

from ca.callers import Caller
from ca.policy import Operation, Policy, PolicyRequest, default_policy
from certs.errors import MalformedName
from certs.keys import KeyType
from certs.names import SpiffeId, SubjectAlternativeNames, SubjectName

_POLICY = Policy.parse(default_policy("cluster.local"))
_ADMINISTRATOR = Caller.hypothetical(common_name="admin", organizations=("chancery:administrators",))
_CART = Caller.hypothetical(spiffe_id=SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart"))
_FOREIGNER = Caller.hypothetical(spiffe_id=SpiffeId.parse("spiffe://other.local/ns/shop/sa/cart"))
_WEB = Caller.hypothetical(common_name="web", organizations=("team-a",))
_MASTER = Caller.hypothetical(common_name="root", organizations=("system:masters",))
_TOKEN = Caller.for_token("t-1")
_POD = Caller.for_service_account(SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart"))
_REGISTRAR = Caller.hypothetical(common_name="registrar", organizations=("chancery:registrars",))
_EVERYBODY = (_ADMINISTRATOR, _CART, _FOREIGNER, _WEB, _MASTER, _TOKEN, _POD, _REGISTRAR, Caller.anonymous())


def _ask(
    caller: Caller,
    operation: Operation,
    profile: str | None = None,
    subject: SubjectName | None = None,
    **names: list[str],
) -> PolicyRequest:
    return PolicyRequest(
        caller=caller,
        operation=operation,
        profile=profile,
        subject=subject or SubjectName(),
        names=SubjectAlternativeNames.parse(**names),
        key_type=KeyType.EC_P256,
    )


def _rule(request: PolicyRequest) -> str | None:
    decision = _POLICY.decide(request)
    assert decision.allowed is (decision.rule is not None)
    return decision.rule


@pytest.mark.parametrize("profile", ["server", "client", "peer", "workload", "ocsp"])
def test_administrators_may_issue_every_leaf(profile):
    subject = SubjectName(common_name="x", organizations=("team-b",), countries=("DE",))

    request = _ask(_ADMINISTRATOR, Operation.ISSUE, profile, subject, dns=["*.example.com"], ips=["10.0.0.1"])

    assert _rule(request) == "administrators"


@pytest.mark.parametrize("profile", ["root", "intermediate"])
def test_nobody_is_issued_a_ca(profile):
    assert not any(_POLICY.decide(_ask(caller, Operation.ISSUE, profile)).allowed for caller in _EVERYBODY)


def test_administrators_may_read_and_revoke_everything():
    for operation in (Operation.READ, Operation.REVOKE):
        for profile in (None, "intermediate", "server"):
            assert _rule(_ask(_ADMINISTRATOR, operation, profile, _MASTER.subject)) == "administrators"


def test_only_administrators_administer_read_revoke_and_fetch_keys():
    for operation in (Operation.ADMINISTER, Operation.READ, Operation.REVOKE, Operation.FETCH_KEY):
        assert [c for c in _EVERYBODY if _POLICY.decide(_ask(c, operation, "server")).allowed] == [_ADMINISTRATOR]


def test_administrators_make_other_administrators():
    assert _rule(_ask(_ADMINISTRATOR, Operation.ISSUE, "client", _ADMINISTRATOR.subject)) == "administrators"
    assert not any(
        _POLICY.decide(_ask(caller, Operation.ISSUE, "client", _ADMINISTRATOR.subject)).allowed
        for caller in _EVERYBODY
        if caller is not _ADMINISTRATOR
    )


def test_cluster_administrators_have_a_rule_of_their_own():
    rule = "administrators-make-cluster-administrators"

    decision = _POLICY.decide(_ask(_ADMINISTRATOR, Operation.ISSUE, "client", _MASTER.subject))

    assert decision.rule == rule
    assert decision.maximum_lifetime == timedelta(hours=24)
    assert _rule(_ask(_ADMINISTRATOR, Operation.ISSUE, "peer", _MASTER.subject)) is None
    assert _rule(_ask(_ADMINISTRATOR, Operation.ISSUE, "client", SubjectName(organizations=("system:nodes",)))) is None
    assert _rule(_ask(_ADMINISTRATOR, Operation.ISSUE, "client", SubjectName(common_name="system:admin"))) is None


def test_without_that_rule_nobody_gets_system_masters():
    head, _, rest = default_policy("cluster.local").partition("  - name: administrators-make-cluster-administrators")
    policy = Policy.parse(head + "  - name: tokens" + rest.partition("  - name: tokens")[2])

    for caller in _EVERYBODY:
        for operation in (Operation.ISSUE, Operation.RENEW, Operation.FETCH_KEY):
            assert not policy.decide(_ask(caller, operation, "client", _MASTER.subject)).allowed


def test_holders_renew_what_they_hold_and_nothing_else():
    assert _rule(_ask(_WEB, Operation.RENEW, "client", _WEB.subject)) == "holders-renew"
    assert (
        _rule(_ask(_WEB, Operation.RENEW, "client", SubjectName(common_name="db", organizations=("team-a",)))) is None
    )
    assert _rule(_ask(_WEB, Operation.RENEW, "server", _WEB.subject, dns=["web.example"])) is None
    assert _rule(_ask(_MASTER, Operation.RENEW, "client", _MASTER.subject)) is None
    assert _rule(_ask(Caller.anonymous(), Operation.RENEW, "client")) is None


def test_only_registrars_register():
    own, names = (
        ["spiffe://cluster.local/ns/shop/sa/cart"],
        ["cart.shop.svc", "cart.shop.svc.cluster.local", "cart.shop"],
    )

    for profile in ("workload", "server"):
        request = [_ask(caller, Operation.REGISTER, profile, uris=own, dns=names) for caller in _EVERYBODY]
        assert [one.caller for one in request if _POLICY.decide(one).allowed] == [_REGISTRAR]
    assert [c for c in _EVERYBODY if _POLICY.decide(_ask(c, Operation.REGISTER)).allowed] == [_REGISTRAR]
    assert _rule(_ask(_REGISTRAR, Operation.REGISTER, "server", SubjectName(common_name="a.shop.svc"))) == "registrars"


def test_pod_of_a_registrars_name_is_none_unless_somebody_writes_it_down():
    registrar = Caller.hypothetical(
        spiffe_id=SpiffeId.parse("spiffe://cluster.local/ns/chancery/sa/chancery-registrar")
    )

    assert _rule(_ask(registrar, Operation.REGISTER)) is None


@pytest.mark.parametrize(
    ("profile", "subject", "names"),
    [
        ("client", SubjectName(common_name="alice"), {}),
        ("workload", SubjectName(organizations=("team-a",)), {}),
        ("server", SubjectName(common_name="system:admin"), {}),
        ("workload", SubjectName(organizations=("chancery:administrators",)), {}),
        ("workload", None, {"uris": ["spiffe://other.local/ns/shop/sa/cart"]}),
        ("workload", None, {"uris": ["spiffe://cluster.local/node/a"]}),
        ("server", None, {"dns": ["www.example.com"]}),
        ("server", None, {"dns": ["*.shop.svc"]}),
        ("server", None, {"ips": ["10.0.0.1"]}),
        ("ocsp", None, {}),
        ("intermediate", None, {}),
    ],
    ids=str,
)
def test_registrars_speak_for_the_cluster_alone(profile, subject, names):
    assert _rule(_ask(_REGISTRAR, Operation.REGISTER, profile, subject, **names)) is None


def test_registrars_do_nothing_else_but_renew_their_certificate():
    for operation in set(Operation) - {Operation.REGISTER, Operation.RENEW}:
        assert _rule(_ask(_REGISTRAR, operation, "client", _REGISTRAR.subject)) is None
    assert _rule(_ask(_REGISTRAR, Operation.RENEW, "client", _REGISTRAR.subject)) == "registrars-renew"
    other = SubjectName(common_name="another", organizations=("chancery:registrars",))
    assert _rule(_ask(_REGISTRAR, Operation.RENEW, "client", other)) is None
    assert _rule(_ask(_WEB, Operation.RENEW, "client", _REGISTRAR.subject)) is None
    assert _rule(_ask(_ADMINISTRATOR, Operation.ISSUE, "client", _REGISTRAR.subject)) == "administrators"


def test_pods_have_the_names_that_are_registered_for_them():
    spiffe_id, names = SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart"), ("cart.shop.svc",)
    named = Caller.for_service_account(spiffe_id, names)

    request = _ask(named, Operation.ISSUE, "workload", uris=[str(spiffe_id)], dns=list(names))

    assert _rule(request) == "service-accounts"
    assert named.name == _POD.name
    assert _rule(_ask(named, Operation.ISSUE, "workload", uris=[str(spiffe_id)], dns=["db.shop.svc"])) is None


def test_workloads_ask_again_for_their_own_identity_alone():
    own, other = "spiffe://cluster.local/ns/shop/sa/cart", "spiffe://cluster.local/ns/shop/sa/web"

    assert _rule(_ask(_CART, Operation.ISSUE, "workload", uris=[own])) == "workloads"
    assert _rule(_ask(_CART, Operation.ISSUE, "workload", uris=[other])) is None
    assert _rule(_ask(_CART, Operation.ISSUE, "workload", uris=[own], dns=["cart.shop.svc"])) is None
    assert _rule(_ask(_CART, Operation.ISSUE, "server", dns=["cart.shop.svc"])) is None
    foreign = "spiffe://other.local/ns/shop/sa/cart"
    assert _rule(_ask(_FOREIGNER, Operation.ISSUE, "workload", uris=[foreign])) is None


def test_service_accounts_have_their_own_identity_and_nothing_else():
    own, other = "spiffe://cluster.local/ns/shop/sa/cart", "spiffe://cluster.local/ns/shop/sa/web"
    foreigner = Caller.for_service_account(SpiffeId.parse("spiffe://other.local/ns/shop/sa/cart"))

    assert _rule(_ask(_POD, Operation.ISSUE, "workload", uris=[own])) == "service-accounts"
    for refused in (
        _ask(_POD, Operation.ISSUE, "workload", uris=[other]),
        _ask(_POD, Operation.ISSUE, "workload", uris=[own], dns=["cart.shop.svc"]),
        _ask(_POD, Operation.ISSUE, "workload", SubjectName(common_name="cart"), uris=[own]),
        _ask(_POD, Operation.ISSUE, "client", uris=[own]),
        _ask(_POD, Operation.ISSUE, "server", dns=["cart.shop.svc"]),
        _ask(_POD, Operation.RENEW, "workload", uris=[own]),
        _ask(foreigner, Operation.ISSUE, "workload", uris=["spiffe://other.local/ns/shop/sa/cart"]),
    ):
        assert _rule(refused) is None


def test_tokens_issue_ordinary_leaves_without_reserved_names():
    assert _rule(_ask(_TOKEN, Operation.ISSUE, "server", dns=["web.example"])) == "tokens"
    assert _rule(_ask(_TOKEN, Operation.ISSUE, "ocsp")) is None
    assert _rule(_ask(_TOKEN, Operation.RENEW, "server", dns=["web.example"])) is None


def test_the_anonymous_get_nothing():
    for operation in Operation:
        assert _rule(_ask(Caller.anonymous(), operation, "server")) is None


@pytest.mark.parametrize("trust_domain", ["", "Cluster.Local", "a/b", "x'\n  - name: evil", "*", "{namespace}"])
def test_a_text_that_is_no_trust_domain_is_refused(trust_domain):
    with pytest.raises(MalformedName):
        default_policy(trust_domain)


def test_registrar_that_is_named_may_register_and_do_nothing_else_that_others_may_not():
    registrar = SpiffeId.parse("spiffe://cluster.local/ns/chancery/sa/chancery-controller")
    policy = Policy.parse(default_policy("cluster.local", registrar))
    named, name = Caller.hypothetical(spiffe_id=registrar), "spiffe://cluster.local/ns/shop/sa/cart"

    for caller, may in ((named, True), (_CART, False), (_POD, False), (_TOKEN, False)):
        assert policy.decide(_ask(caller, Operation.REGISTER, "workload", uris=[name])).allowed is may
    assert not policy.decide(_ask(named, Operation.ISSUE, "workload", uris=[name])).allowed
    assert not policy.decide(_ask(named, Operation.ADMINISTER)).allowed
    assert not policy.decide(_ask(named, Operation.REGISTER, "client", uris=[name])).allowed
