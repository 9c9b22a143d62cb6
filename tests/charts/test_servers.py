"""The servers take what is rendered for them: variables, flags and policy."""

from datetime import timedelta

import pytest
import yaml

from apiserver.settings import ApiServerSettings
from ca.callers import Caller
from ca.policy import Operation, Policy, PolicyRequest
from ca.settings import ServeSettings
from certs.alternative_names import SubjectAlternativeNames
from certs.keys import KeyType
from certs.names import SpiffeId
from certs.subject import SubjectName
from cli.main import make_program
from kube.admission.settings import InjectorSettings
from kube.settings import ControllerSettings
from serving.settings import describe
from tests.charts.test_rendering import each_scenario
from tests.servers.helm.commands import documents

SERVERS = {
    "ca": ("CHANCERY_", ServeSettings),
    "apiserver": ("CHANCERY_APISERVER_", ApiServerSettings),
    "controller": ("CHANCERY_CONTROLLER_", ControllerSettings),
    "injector": ("CHANCERY_INJECTOR_", InjectorSettings),
}
OUTSIDE = {"OTEL_EXPORTER_OTLP_ENDPOINT", "HTTPS_PROXY", "NO_PROXY"}
"""Read by libraries."""
FLAGS_ALONE = ("EXTRA_CA_CERTIFICATES", "DEFAULT_CA_CERTIFICATES")
ALL_SETTINGS = {
    "boolean": True,
    "integer": 1000000,
    "duration": "1h30m",
    "list": ["one.example", "two.example"],
}


def containers(rendered):
    for each in documents(rendered):
        if each["kind"] in {"StatefulSet", "Deployment"}:
            spec = each["spec"]["template"]["spec"]
            yield from spec["containers"] + spec.get("initContainers", [])


def variables(rendered, name):
    (container,) = [each for each in containers(rendered) if each["name"] == name]
    return {each["name"]: each.get("value", "postgresql://db.example.com/chancery") for each in container["env"]}


def settings(rendered, name):
    prefix, kind = SERVERS[name]
    known = {f"{prefix}{one.name.upper()}": one.name for one in describe(kind)}
    given = variables(rendered, name)
    return kind.from_mapping({known[variable]: text for variable, text in given.items() if variable in known})


@each_scenario
def test_variables_are_settings(helm, chart, scenario):
    rendered = helm.render(chart, files=[scenario])
    others = {"CHANCERY_HOME", "CHANCERY_SERVER", "CHANCERY_IDENTITY", "PGPASSFILE"} | OUTSIDE

    for name in SERVERS.keys() & {each["name"] for each in containers(rendered)}:
        prefix, kind = SERVERS[name]
        known = {f"{prefix}{one.name.upper()}" for one in describe(kind)}
        known |= {f"{prefix}{one}" for one in FLAGS_ALONE}
        assert variables(rendered, name).keys() - known - others == set()
        settings(rendered, name)


@each_scenario
def test_flags_and_variables_are_those_of_the_command_line(helm, chart, scenario):
    for container in containers(helm.render(chart, files=[scenario])):
        command, *flags = container["args"]
        probes = [
            each["exec"]["command"] for key, each in container.items() if key.endswith("Probe") and "exec" in each
        ]
        with make_program().make_context("ca-cli", [command, "--help"], resilient_parsing=True) as context:
            found = make_program().get_command(context, command)
            options = {option for parameter in found.params for option in parameter.opts}
            variables = {parameter.envvar for parameter in found.params} | {"CHANCERY_HOME", "PGPASSFILE"} | OUTSIDE
            assert {flag.partition("=")[0] for flag in flags if flag.startswith("--")} <= options
            assert {each["name"] for each in container.get("env", [])} - variables == set()
            assert all(probe[:2] == ["ca-cli", command] and probe[2] in found.commands for probe in probes)


@pytest.mark.parametrize("name", SERVERS)
def test_every_setting_of_a_type_arrives_as_it_was_said(helm, chart, name):
    from scripts.document_chart import CHART, read_values, schema

    allowed = schema(read_values((CHART / "values.yaml").read_text()))["properties"][name]["properties"]["settings"]
    types = {one.name: one.type_name for one in describe(SERVERS[name][1])}
    said = {each: ALL_SETTINGS[types[each]] for each in allowed["properties"] if types[each] in ALL_SETTINGS}
    prefix = SERVERS[name][0]

    given = variables(helm.render(chart, values={name: {"settings": said}}), name)

    written = {bool: "true", int: "1000000", str: "1h30m", list: "one.example,two.example"}
    assert {each: given[f"{prefix}{each.upper()}"] for each in said} == {
        each: written[type(value)] for each, value in said.items()
    }


def test_a_setting_of_the_user_wins_over_that_of_the_chart(helm, chart):
    values = {"ca": {"revocation": {"enabled": True}, "settings": {"ocsp_url": "http://ocsp.example.com"}}}
    given = settings(helm.render(chart, values=values), "ca")

    assert given.issuance.ocsp_url == "http://ocsp.example.com"
    assert given.issuance.crl_base_url == "http://chancery-ca.chancery.svc:8110"
    assert given.listeners.revocation_port == 8110


@pytest.mark.parametrize(
    ("limits", "default", "by_kind"),
    [
        ({}, 3 << 20, {}),
        ({"defaultMaxObjectSize": 400000}, 400000, {}),
        (
            {"maxObjectSizes": {"policyreports.wgpolicyk8s.io": "20Mi", "flunders.wardle.example.com": 12345678}},
            3 << 20,
            {"policyreports.wgpolicyk8s.io": 20 << 20, "flunders.wardle.example.com": 12345678},
        ),
    ],
)
def test_limits_of_objects_are_those_of_the_api_server(helm, chart, limits, default, by_kind):
    found = settings(helm.render(chart, values={"apiserver": {"limits": limits}}), "apiserver").body_limits

    assert (found.default, found.by_resource) == (default, by_kind)


def test_bounds_of_kinds_are_those_of_the_api_server(helm, chart):
    limits = {"maxRequestsInFlight": {"policyreports.wgpolicyk8s.io": 20, "flunders.wardle.example.com": 1}}
    found = settings(helm.render(chart, values={"apiserver": {"limits": limits}}), "apiserver")

    assert found.request_limits == limits["maxRequestsInFlight"]


def test_authority_keeps_passphrase_and_roots_in_secrets(helm, chart):
    kept = settings(helm.render(chart), "ca").kubernetes
    mounted = settings(helm.render(chart, values={"ca": {"passphrase": {"existingSecret": "mine"}}}), "ca")

    assert (kept.kubernetes_passphrase_secret, kept.kubernetes_roots_secret) == (
        "chancery-ca-passphrase",
        "chancery-ca-roots",
    )
    assert mounted.kubernetes.kubernetes_passphrase_secret == ""
    assert str(mounted.storage.passphrase_file) == "/var/run/secrets/chancery.dev/passphrase/passphrase"


# Policy


def policy(rendered):
    (document,) = [
        each for each in documents(rendered) if each["kind"] == "ConfigMap" and "policy.yaml" in each["data"]
    ]
    return Policy.parse(document["data"]["policy.yaml"])


def asks(service_account, **request):
    caller = Caller.hypothetical(spiffe_id=SpiffeId.parse(f"spiffe://cluster.local/ns/{service_account}"))
    return PolicyRequest(caller=caller, operation=Operation.ISSUE, **request)


def serving(*names, common_name="chancery-apiserver"):
    return {
        "profile": "server",
        "subject": SubjectName(common_name=common_name),
        "names": SubjectAlternativeNames.parse(dns=names, ips=("127.0.0.1", "::1")),
    }


@each_scenario
def test_policy_has_no_fault(helm, chart, scenario):
    policy(helm.render(chart, files=[scenario]))


def test_api_server_gets_a_certificate_for_the_names_of_its_service(helm, chart):
    rendered = helm.render(chart)
    names = settings(rendered, "apiserver").serving.serving_names

    decision = policy(rendered).decide(asks("chancery/sa/chancery-apiserver", **serving("localhost", *names)))

    assert decision.allowed, decision.explanation


@pytest.mark.parametrize(("asked", "is_allowed"), [(timedelta(days=7), True), (timedelta(days=8), False)])
def test_certificate_of_the_api_server_may_be_as_long_as_it_is_asked_for(helm, chart, asked, is_allowed):
    rendered = helm.render(chart, values={"apiserver": {"certificateLifetime": "7d"}})
    request = {**serving("chancery-apiserver.chancery.svc"), "lifetime": asked}

    assert settings(rendered, "apiserver").serving.serving_lifetime == timedelta(days=7)
    assert policy(rendered).decide(asks("chancery/sa/chancery-apiserver", **request)).allowed is is_allowed


@pytest.mark.parametrize(
    ("service_account", "request_"),
    [
        ("chancery/sa/chancery-apiserver", serving("chancery-ca.chancery.svc")),
        ("chancery/sa/chancery-apiserver", serving("chancery-apiserver.chancery.svc", common_name="other")),
        ("chancery/sa/default", serving("chancery-apiserver.chancery.svc")),
        ("shop/sa/chancery-apiserver", serving("chancery-apiserver.chancery.svc")),
        (
            "chancery/sa/chancery-apiserver",
            serving("chancery-apiserver.chancery.svc") | {"lifetime": timedelta(days=30)},
        ),
    ],
    ids=["other names", "other subject", "other account", "other namespace", "longer"],
)
def test_nobody_gets_more_than_that(helm, chart, service_account, request_):
    assert not policy(helm.render(chart)).decide(asks(service_account, **request_)).allowed


@pytest.mark.parametrize(
    ("service_account", "dns", "is_allowed"),
    [
        ("chancery/sa/chancery-controller", "cart.shop.svc", True),
        ("chancery/sa/chancery-controller", "cart.shop.svc.cluster.local", True),
        ("chancery/sa/chancery-controller", "cart.shop", True),
        ("chancery/sa/chancery-controller", "www.example.com", False),
        ("chancery/sa/chancery-injector", "cart.shop.svc", False),
        ("shop/sa/chancery-controller", "cart.shop.svc", False),
    ],
)
def test_registrar_alone_registers_names_of_the_cluster(helm, chart, service_account, dns, is_allowed):
    caller = Caller.hypothetical(spiffe_id=SpiffeId.parse(f"spiffe://cluster.local/ns/{service_account}"))
    request = PolicyRequest(
        caller=caller,
        operation=Operation.REGISTER,
        profile="server",
        names=SubjectAlternativeNames.parse(dns=(dns,)),
        key_type=KeyType.EC_P256,
    )

    assert policy(helm.render(chart)).decide(request).allowed is is_allowed


def test_policy_knows_no_short_names_where_none_are_registered(helm, chart):
    caller = Caller.hypothetical(spiffe_id=SpiffeId.parse("spiffe://cluster.local/ns/chancery/sa/chancery-controller"))
    names = SubjectAlternativeNames.parse(dns=("cart.shop",))
    request = PolicyRequest(caller=caller, operation=Operation.REGISTER, profile="server", names=names)
    values = {"controller": {"settings": {"short_names": False}}}

    assert not policy(helm.render(chart, values=values)).decide(request).allowed


@pytest.mark.parametrize("short_names", [True, False])
def test_injector_lets_pods_ask_for_the_names_that_the_registrar_registers(helm, chart, short_names):
    values = {"clusterDomain": "cluster.example", "controller": {"settings": {"short_names": short_names}}}

    rendered = helm.render(chart, values=values)

    forms = settings(rendered, "injector").injection.name_forms
    assert forms == settings(rendered, "controller").cluster.name_forms
    assert forms.short_names is short_names


def test_pods_get_their_own_identity_alone(helm, chart):
    decides = policy(helm.render(chart)).decide
    own, other = (SpiffeId.parse(f"spiffe://cluster.local/ns/shop/sa/{name}") for name in ("cart", "till"))

    def asks_for(identity):
        names = SubjectAlternativeNames.parse(uris=(str(identity),))
        caller = Caller.for_service_account(own)
        return PolicyRequest(caller=caller, operation=Operation.ISSUE, profile="workload", names=names)

    assert decides(asks_for(own)).allowed
    assert not decides(asks_for(other)).allowed


def test_rules_of_the_user_come_first(helm, chart):
    rule = {
        "name": "no-shop",
        "effect": "deny",
        "callers": [{"any": True}],
        "profiles": ["workload"],
        "names": {"uris": ["spiffe://cluster.local/ns/shop/**"]},
    }
    rendered = helm.render(chart, values={"ca": {"policy": {"rules": [rule]}}})
    identity = SpiffeId.parse("spiffe://cluster.local/ns/shop/sa/cart")
    names = SubjectAlternativeNames.parse(uris=(str(identity),))
    caller = Caller.for_service_account(identity)

    decision = policy(rendered).decide(
        PolicyRequest(caller=caller, operation=Operation.ISSUE, profile="workload", names=names)
    )

    assert not decision.allowed
    assert "no-shop" in decision.explanation


def test_policy_of_a_config_map_takes_the_place_of_the_chart_s(helm, chart):
    rendered = documents(helm.render(chart, values={"ca": {"policy": {"existingConfigMap": "mine"}}}))

    assert [each for each in rendered if each["kind"] == "ConfigMap"] == []
    assert "name: mine" in yaml.safe_dump_all(rendered)
