"""Values that concern all servers, and what a component may say instead."""

import pytest

from tests.charts.test_pods import containers, pods, workload
from tests.charts.test_rendering import MONITORING, by_kind
from tests.charts.test_servers import SERVERS, settings, variables
from tests.servers.helm.commands import documents

TRACED = ("ca", "apiserver", "controller")


def component(name, **values):
    return {name: values}


def templates(rendered):
    return {
        each["metadata"]["name"].removeprefix("chancery-"): each["spec"]["template"]
        for each in documents(rendered)
        if each["kind"] in {"StatefulSet", "Deployment"}
    }


@pytest.mark.parametrize("level", ["debug", "error"])
def test_level_of_logs_is_that_of_all_servers(helm, chart, level):
    rendered = helm.render(chart, values={"logger": {"level": level}})

    assert {settings(rendered, name).observability.log_level for name in SERVERS} == {level}


def test_level_of_a_component_counts_more(helm, chart):
    values = {"logger": {"level": "error"}, "ca": {"settings": {"log_level": "debug"}}}
    rendered = helm.render(chart, values=values)

    assert settings(rendered, "ca").observability.log_level == "debug"
    assert settings(rendered, "injector").observability.log_level == "error"


def test_traces_go_where_they_were_told_to(helm, chart):
    rendered = helm.render(chart, values={"tracing": {"endpoint": "https://collector.observability.svc:4318"}})
    endpoints = {name: variables(rendered, name).get("OTEL_EXPORTER_OTLP_ENDPOINT") for name in SERVERS}

    assert endpoints == dict.fromkeys(TRACED, "https://collector.observability.svc:4318") | {"injector": None}
    assert "OTEL" not in helm.render(chart)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost",
        "https://[fd00::1]:4318",
        "http://otel.example.com:4318/prefix",
        "https://10.0.0.1:443",
    ],
)
def test_endpoints_are_taken(helm, chart, endpoint):
    assert endpoint in helm.render(chart, values={"tracing": {"endpoint": endpoint}})


def test_a_component_s_image_is_the_common_one_but_for_what_it_says(helm, chart):
    digest = f"sha256:{'1' * 64}"
    values = {
        "image": {"registry": "r.example.com", "tag": "2", "digest": digest, "pullPolicy": "Always"},
        "ca": {"image": {"tag": "3"}},
        "apiserver": {"image": {"repository": "other", "pullPolicy": "Never"}},
        "controller": {"image": {"registry": ""}},
    }
    rendered = helm.render(chart, values=values)
    images = {(each["name"], each["image"], each["imagePullPolicy"]) for each in containers(rendered)}

    assert images == {
        ("ca", "r.example.com/chancery:3", "Always"),
        ("apiserver", f"r.example.com/other@{digest}", "Never"),
        ("agent", f"r.example.com/other@{digest}", "Never"),
        ("controller", f"chancery@{digest}", "Always"),
        ("injector", f"r.example.com/chancery@{digest}", "Always"),
    }


def test_pods_get_agents_of_the_injector_s_image(helm, chart):
    rendered = helm.render(chart, values=component("injector", image={"tag": "4", "pullPolicy": "Always"}))
    given = variables(rendered, "injector")

    assert (given["CHANCERY_INJECTOR_IMAGE"], given["CHANCERY_INJECTOR_IMAGE_PULL_POLICY"]) == ("chancery:4", "Always")


def test_one_pull_secret_may_be_said_without_a_list(helm, chart):
    rendered = helm.render(chart, values={"imagePullSecrets": "registry"})

    assert [pod["imagePullSecrets"] for pod in pods(rendered)] == [[{"name": "registry"}]] * 4
    assert "imagePullSecrets" not in helm.render(chart, values={"imagePullSecrets": ""})


def test_volumes_of_all_are_in_every_pod_before_its_own(helm, chart):
    values = {
        "volumes": [{"name": "all", "configMap": {"name": "all"}}],
        "volumeMounts": [{"name": "all", "mountPath": "/all", "readOnly": True}],
        "ca": {"volumes": [{"name": "own", "emptyDir": {}}], "volumeMounts": [{"name": "own", "mountPath": "/own"}]},
    }
    rendered = helm.render(chart, values=values)

    for pod in pods(rendered):
        (server,) = pod["containers"]
        assert {"name": "all", "configMap": {"name": "all"}} in pod["volumes"]
        assert values["volumeMounts"][0] in server["volumeMounts"]
    (authority,) = workload(rendered, "chancery-ca")["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in authority["volumeMounts"][-2:]] == ["all", "own"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [({}, ("fast", "ReadWriteOncePod")), ({"storageClass": "slow", "accessMode": "ReadWriteMany"}, ("slow", "ReadWriteMany"))],
    ids=["of all", "own"],
)  # fmt: skip
def test_volumes_are_of_the_common_class_unless_a_component_says_another(helm, chart, own, expected):
    common = {"storageClass": "fast", "accessMode": "ReadWriteOncePod"}
    rendered = helm.render(chart, values={"persistence": common, "apiserver": {"persistence": own}})
    claims = {
        name: workload(rendered, f"chancery-{name}")["spec"]["volumeClaimTemplates"][0]["spec"]
        for name in ("ca", "apiserver")
    }

    assert (claims["apiserver"]["storageClassName"], claims["apiserver"]["accessModes"]) == (expected[0], [expected[1]])
    assert (claims["ca"]["storageClassName"], claims["ca"]["accessModes"]) == ("fast", ["ReadWriteOncePod"])


def test_volumes_may_be_of_no_class_as_those_that_somebody_makes_by_hand(helm, chart):
    values = {"persistence": {"storageClass": "fast"}, "ca": {"persistence": {"storageClass": "-"}}}
    (claim,) = workload(helm.render(chart, values=values), "chancery-ca")["spec"]["volumeClaimTemplates"]

    assert claim["spec"]["storageClassName"] == ""


def test_services_have_annotations(helm, chart):
    said = {"service": {"annotations": {"a": "b"}}}
    values = {"serviceMonitor": {"enabled": True}, **dict.fromkeys(SERVERS, said)}
    services = by_kind(documents(helm.render(chart, values=values)), "Service")

    assert {each["metadata"]["name"]: each["metadata"].get("annotations") for each in services} == {
        f"chancery-{name}": {"a": "b"} for name in SERVERS
    }


# Being scraped


def test_pods_say_how_they_are_scraped(helm, chart):
    values = {
        "prometheusAnnotations": {"enabled": True},
        "apiserver": {"securePort": 10443},
        "injector": {"podAnnotations": {"prometheus.io/scrape": "false"}},
    }
    rendered = helm.render(chart, values=values)

    found = {
        name: tuple(template["metadata"]["annotations"][f"prometheus.io/{key}"] for key in ("scrape", "scheme", "port"))
        for name, template in templates(rendered).items()
    }
    assert found == {
        "ca": ("true", "https", "8111"),
        "apiserver": ("true", "https", "10443"),
        "controller": ("true", "http", "8114"),
        "injector": ("false", "http", "8116"),
    }
    for name, template in templates(rendered).items():
        (server,) = template["spec"]["containers"]
        assert int(found[name][2]) in [port["containerPort"] for port in server["ports"]]
    assert "prometheus.io" not in helm.render(chart)


def monitors(helm, chart, values):
    rendered = documents(helm.render(chart, values=values, api_versions=[MONITORING]))
    return {each["metadata"]["name"].removeprefix("chancery-"): each for each in by_kind(rendered, "ServiceMonitor")}


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        (False, {"ca": True}, {"ca"}),
        (False, {"controller": True}, {"controller"}),
        (True, {"ca": False, "injector": False}, {"apiserver", "controller"}),
    ],
)
def test_a_component_is_scraped_or_not_as_it_says(helm, chart, common, own, expected):
    values = {name: {"serviceMonitor": {"enabled": is_on}} for name, is_on in own.items()}
    values["serviceMonitor"] = {"enabled": common}
    rendered = documents(helm.render(chart, values=values))
    health = {
        each["metadata"]["name"].removeprefix("chancery-")
        for each in by_kind(rendered, "Service")
        if any(port["name"] == "health" for port in each["spec"]["ports"])
    }

    assert monitors(helm, chart, values).keys() == expected
    assert health == expected & {"controller", "injector"}


def test_a_component_is_scraped_how_it_says(helm, chart):
    values = {
        "serviceMonitor": {"enabled": True, "additionalLabels": {"a": "1"}},
        "injector": {"serviceMonitor": {"interval": "5s", "scrapeTimeout": "4s", "additionalLabels": {"b": "2"}}},
    }
    found = monitors(helm, chart, values)
    (endpoint,), (other,) = (found[name]["spec"]["endpoints"] for name in ("injector", "ca"))

    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("5s", "4s")
    assert (other["interval"], other["scrapeTimeout"]) == ("30s", "10s")
    assert found["injector"]["metadata"]["labels"]["b"] == "2"
    assert found["ca"]["metadata"]["labels"]["a"] == "1"


def test_monitors_of_another_namespace_find_services_and_roots(helm, chart):
    """A Secret is read where the ServiceMonitor is: there the roots are in the controller's ConfigMap."""
    found = monitors(helm, chart, {"serviceMonitor": {"enabled": True, "namespace": "monitoring"}})

    for each in found.values():
        assert each["metadata"]["namespace"] == "monitoring"
        assert each["spec"]["namespaceSelector"] == {"matchNames": ["chancery"]}
    for name in ("ca", "apiserver"):
        (endpoint,) = found[name]["spec"]["endpoints"]
        assert endpoint["tlsConfig"]["ca"] == {"configMap": {"name": "chancery-roots", "key": "ca.crt"}}


# Refusals

MONITORED_ELSEWHERE = {"serviceMonitor": {"enabled": True, "namespace": "monitoring"}}
REFUSED = {
    "level": ({"logger": {"level": "loud"}}, "/logger/level"),
    "endpoint without a scheme": (
        {"tracing": {"endpoint": "collector:4317"}},
        'tracing.endpoint: "collector:4317" is no URL of a collector; write http:// or https://',
    ),
    "endpoint with a line break": (
        {"tracing": {"endpoint": "http://collector\n:4318"}},
        "is no URL of a collector",
    ),
    "endpoint with credentials": (
        {"tracing": {"endpoint": "https://me:secret@collector.example.com"}},
        "tracing.endpoint: credentials do not belong into a URL that everybody may read",
    ),
    "endpoint that a component has, too": (
        {
            "tracing": {"endpoint": "http://one"},
            "ca": {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://two"}]},
        },
        "ca.env: OTEL_EXPORTER_OTLP_ENDPOINT is set twice",
    ),
    "key of an image": (component("ca", image={"name": "chancery"}), "name"),
    "digest of a component's image": (
        component("injector", image={"digest": "sha256:1"}),
        'injector.image.digest: "sha256:1" is no digest',
    ),
    "pull secret of another kind": ({"imagePullSecrets": {"name": "registry"}}, "imagePullSecrets"),
    "access mode": ({"persistence": {"accessMode": "ReadOnlyMany"}}, "/persistence/accessMode"),
    "key of a monitor": (component("ca", serviceMonitor={"every": "5s"}), "every"),
    "monitor in a namespace without roots": (
        {**MONITORED_ELSEWHERE, "controller": {"settings": {"trust": False}}},
        "serviceMonitor.namespace: nobody publishes the roots in namespace monitoring",
    ),
    "namespace in both lists": (
        component("injector", includeNamespaces=["shop", "kube-system"]),
        "injector.includeNamespaces: kube-system is among excludeNamespaces, too",
    ),
    "the chart's own namespace": (
        component("injector", includeNamespaces=["chancery"]),
        "injector.includeNamespaces: nothing is ever injected in chancery",
    ),
}


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_values_are_refused(helm, chart, values, said):
    refusal = helm.refusal(chart, values)

    assert said in refusal
    assert "secret@" not in refusal
