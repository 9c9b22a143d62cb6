"""Proxies, CAs of others and collectors of traces: what pods are given of them, whom they may reach, and what is refused."""

import pytest

from tests.charts.test_pods import workload
from tests.charts.test_rights import policies
from tests.charts.test_servers import SERVERS, containers

CONNECTING = ("ca", "apiserver", "controller")
PROXY = "http://proxy.example.com:3128"
DIRECTORY = "/etc/chancery/certificates"


def entries(rendered, name):
    """Variables of a container by name: the value, or where it is from."""
    (container,) = [each for each in containers(rendered) if each["name"] == name]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def mounts(rendered, name):
    """Paths below the directory of certificates, to what is mounted there."""
    pod = workload(rendered, f"chancery-{name}")["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    (container,) = pod["containers"]
    return {
        mount["mountPath"].removeprefix(f"{DIRECTORY}/"): volumes[mount["name"]]["secret"]
        for mount in container["volumeMounts"]
        if mount["mountPath"].startswith(DIRECTORY)
    }


def test_nothing_of_it_is_rendered_unasked(helm, chart):
    rendered = helm.render(chart)

    for words in ("PROXY", "CA_CERTIFICATES", "OTEL", DIRECTORY):
        assert words not in rendered


@pytest.mark.parametrize("name", CONNECTING)
def test_servers_know_the_proxy_and_whom_to_reach_without_it(helm, chart, name):
    values = {"clusterDomain": "c.example", "global": {"httpsProxy": PROXY, "noProxy": "intern.example, 10.0.0.0/8,"}}
    found = entries(helm.render(chart, values=values), name)

    assert found["HTTPS_PROXY"] == PROXY
    assert found["NO_PROXY"].split(",") == [
        *("localhost", "127.0.0.1", "::1", ".svc", ".c.example", "$(KUBERNETES_SERVICE_HOST)"),
        *("intern.example", "10.0.0.0/8"),
    ]


def test_webhook_and_agent_connect_to_nobody_outside(helm, chart):
    rendered = helm.render(chart, values={"global": {"httpsProxy": PROXY, "proxySecretName": "proxy"}})

    for name in ("injector", "agent"):
        (container,) = [each for each in containers(rendered) if each["name"] == name]
        assert not {each["name"] for each in container.get("env", [])} & {"HTTPS_PROXY", "NO_PROXY"}
        assert DIRECTORY not in str(container)


@pytest.mark.parametrize("name", CONNECTING)
def test_url_of_a_proxy_may_be_in_its_secret(helm, chart, name):
    """Where its certificates need not be."""
    rendered = helm.render(chart, values={"global": {"proxySecretName": "proxy"}})
    found = entries(rendered, name)

    assert found["HTTPS_PROXY"] == {"secretKeyRef": {"name": "proxy", "key": "httpsProxy"}}
    assert ".svc" in found["NO_PROXY"]
    assert mounts(rendered, name)["proxy"]["optional"] is True


@pytest.mark.parametrize("name", CONNECTING)
def test_proxy_is_believed_by_the_certificates_in_its_secret(helm, chart, name):
    rendered = helm.render(chart, values={"global": {"httpsProxy": PROXY, "proxySecretName": "proxy"}})
    prefix, _ = SERVERS[name]

    assert entries(rendered, name)[f"{prefix}EXTRA_CA_CERTIFICATES"] == f"{DIRECTORY}/proxy"
    assert mounts(rendered, name) == {
        "proxy": {"secretName": "proxy", "items": [{"key": "proxy.crt", "path": "proxy.crt"}], "optional": False}
    }


@pytest.mark.parametrize("name", CONNECTING)
def test_further_and_other_authorities_go_together(helm, chart, name):
    values = {
        "extraCaCertificates": {"enabled": True, "secretName": "extra"},
        "overrideDefaultCaCertificates": {"enabled": True, "secretName": "base"},
        "proxySecretName": "proxy",
    }
    rendered = helm.render(chart, values={"global": values})
    prefix, _ = SERVERS[name]
    found = entries(rendered, name)

    assert found[f"{prefix}EXTRA_CA_CERTIFICATES"] == f"{DIRECTORY}/extra,{DIRECTORY}/proxy"
    assert found[f"{prefix}DEFAULT_CA_CERTIFICATES"] == f"{DIRECTORY}/default"
    assert {path: secret["secretName"] for path, secret in mounts(rendered, name).items()} == {
        "default": "base",
        "extra": "extra",
        "proxy": "proxy",
    }


def test_a_parent_s_global_values_are_let_be(helm, chart):
    assert "NO_PROXY" in helm.render(chart, values={"global": {"of": {"the": "parent"}, "httpsProxy": PROXY}})


# Out of the pods


def outside_rules(rendered, name):
    """What goes out beside name servers, API servers and the authority: port, and to whom."""
    rules = policies(rendered)[f"chancery-{name}"]["egress"]
    return [
        (rule["ports"][0]["port"], rule.get("to")) for rule in rules if rule["ports"][0]["port"] not in {53, 443, 8111}
    ]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://collector.observability.svc:4318", 4318),
        ("http://collector.observability.svc/v1", 80),
        ("https://[fd00::7]:8443/v1", 8443),
        ("http://[fd00::7]", 80),
    ],
)
def test_traces_are_let_out(helm, chart, endpoint, port):
    values = {"tracing": {"endpoint": endpoint}, "networkPolicy": {"createEgressRules": True}}
    rendered = helm.render(chart, values=values)

    for name in CONNECTING:
        assert outside_rules(rendered, name) == [(port, None)]
    assert outside_rules(rendered, "injector") == []


def test_traces_are_let_out_to_the_collector_alone_where_it_is_known(helm, chart):
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}]
    values = {
        "tracing": {"endpoint": "https://collector.observability.svc"},
        "networkPolicy": {"createEgressRules": True, "collectorPeers": peers, "collectorPort": 4318},
    }

    assert outside_rules(helm.render(chart, values=values), "ca") == [(4318, peers)]


@pytest.mark.parametrize(
    ("proxy", "policy", "expected"),
    [
        ({"httpsProxy": PROXY}, {}, (3128, None)),
        ({"httpsProxy": "https://proxy.example.com:8443/"}, {}, (8443, None)),
        (
            {"proxySecretName": "proxy"},
            {"proxyPort": 3128, "proxyCIDRs": ["10.9.0.0/16"]},
            (3128, [{"ipBlock": {"cidr": "10.9.0.0/16"}}]),
        ),
    ],
)
def test_the_proxy_is_reached(helm, chart, proxy, policy, expected):
    values = {"global": proxy, "networkPolicy": {"createEgressRules": True, **policy}}

    for name in CONNECTING:
        assert outside_rules(helm.render(chart, values=values), name) == [expected]


# Refusals

EGRESS = {"createEgressRules": True}
REFUSED = {
    "credentials in the URL": (
        {"global": {"httpsProxy": "http://me:secret@proxy.example.com:3128"}},
        "global.httpsProxy: a URL with credentials does not belong into values; put it into the Secret",
    ),
    "credentials without a scheme": ({"global": {"httpsProxy": "me:secret@proxy.example.com"}}, "a URL with credentials"),
    "proxy without a scheme": (
        {"global": {"httpsProxy": "proxy.example.com:3128"}},
        'global.httpsProxy: "proxy.example.com:3128" is no URL of a proxy; write http:// or https://',
    ),
    "proxy of another protocol": ({"global": {"httpsProxy": "socks5://proxy.example.com"}}, "is no URL of a proxy"),
    "proxy with a path": ({"global": {"httpsProxy": f"{PROXY}/somewhere"}}, "is no URL of a proxy"),
    "proxy with a line break": ({"global": {"httpsProxy": f"{PROXY}\nevil: true"}}, "is no URL of a proxy"),
    "host without the proxy that is a URL": (
        {"global": {"httpsProxy": PROXY, "noProxy": "https://intern example"}},
        'global.noProxy: "https://intern example" is neither a host nor a network',
    ),
    "hosts without any proxy": (
        {"global": {"noProxy": "intern.example.com"}},
        "global.noProxy: there is no proxy to go without",
    ),
    "further authorities of no Secret": (
        {"global": {"extraCaCertificates": {"enabled": True}}},
        "global.extraCaCertificates: it is enabled, and no Secret is named",
    ),
    "further authorities that are off": (
        {"global": {"extraCaCertificates": {"secretName": "extra"}}},
        "global.extraCaCertificates: secretName is given, and enabled is false",
    ),
    "other authorities of no Secret": (
        {"global": {"overrideDefaultCaCertificates": {"enabled": True}}},
        "global.overrideDefaultCaCertificates: it is enabled, and no Secret is named",
    ),
    "one Secret for both": (
        {
            "global": {
                "extraCaCertificates": {"enabled": True, "secretName": "one"},
                "overrideDefaultCaCertificates": {"enabled": True, "secretName": "one"},
            }
        },
        "global.extraCaCertificates: its Secret is that of overrideDefaultCaCertificates",
    ),
    "key of a group of global": ({"global": {"extraCaCertificates": {"name": "extra"}}}, "name"),
    "proxy of an unknown port": (
        {"global": {"proxySecretName": "proxy"}, "networkPolicy": EGRESS},
        "networkPolicy.proxyPort: createEgressRules is set, and no port is known",
    ),
    "port of no proxy": (
        {"networkPolicy": {**EGRESS, "proxyPort": 3128}},
        "networkPolicy.proxyPort, proxyCIDRs: they hold nothing",
    ),
    "networks of no proxy": (
        {"networkPolicy": {**EGRESS, "proxyCIDRs": ["10.0.0.0/8"]}},
        "networkPolicy.proxyPort, proxyCIDRs: they hold nothing",
    ),
    "network of a proxy": (
        {"global": {"httpsProxy": PROXY}, "networkPolicy": {**EGRESS, "proxyCIDRs": ["proxy.example.com"]}},
        "networkPolicy.proxyCIDRs: \"proxy.example.com\" is no network",
    ),
    "port of no collector": (
        {"networkPolicy": {**EGRESS, "collectorPort": 4318}},
        "networkPolicy.collectorPort, collectorPeers: they hold nothing",
    ),
    "collector without egress": (
        {"tracing": {"endpoint": "http://c:4318"}, "networkPolicy": {"collectorPeers": [{"podSelector": {}}]}},
        "networkPolicy.collectorPort, collectorPeers: they hold nothing",
    ),
    "proxy that a component has, too": (
        {"global": {"httpsProxy": PROXY}, "ca": {"env": [{"name": "HTTPS_PROXY", "value": "http://two"}]}},
        "ca.env: HTTPS_PROXY is set twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_values_are_refused(helm, chart, values, said):
    refusal = helm.refusal(chart, values)

    assert said in refusal
    assert "secret@" not in refusal
