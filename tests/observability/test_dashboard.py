"""The dashboard: its panels ask for metrics that there are, and a real Prometheus that scrapes real processes answers them."""

import contextlib
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.observability.monitored import Monitored, Target
from tests.observability.queries import DASHBOARD, Query, known, metrics_in, panels, queries, rules
from tests.servers.prometheus import Prometheus, find, prometheus

pytestmark = [pytest.mark.xdist_group("observability"), pytest.mark.timeout(300)]

SERVICES = {
    "ca-cli serve": "ca",
    "ca-cli apiserver": "apiserver",
    "ca-cli controller": "controller",
    "ca-cli injector": "injector",
}
QUIET = {
    "Writes of the roots that failed": "nothing fails",
    "Objects that lag": "all follow",
    "Requests signed": "nobody asks the cluster for a certificate",
    "Under way": "nobody is sent away",
}
"""Panels of which some queries have nothing to show, and why."""

each_query = pytest.mark.parametrize("query", tuple(queries()), ids=lambda query: query.panel.replace(" ", "-"))


def test_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]

    assert len(set(ids)) == len(ids) > 30
    assert {one["name"] for one in board["templating"]["list"]} == {"datasource", "namespace"}
    for panel in panels():
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@each_query
def test_every_metric_of_a_panel_is_documented(query: Query) -> None:
    assert metrics_in(query.expression)
    assert metrics_in(query.expression) - known().keys() == set()


@each_query
def test_panel_shows_one_namespace(query: Query) -> None:
    assert query.expression.count("{") == query.expression.count('namespace="pki"')


@pytest.fixture(scope="module")
def scraping(processes: Monitored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    find("prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    (directory / "rules.json").write_text(json.dumps(rules()))
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(directory / "rules.json")],
        "scrape_configs": [scrape_of(target) for target in processes.targets.values()],
    }
    cause_something_of_everything(processes)
    with prometheus(directory, configuration) as running:
        running.await_series('count(up{namespace="pki"} == 1) == 4')
        running.await_series('chancery_kube_injected_expiry_timestamp_seconds{exported_namespace="shop"}')
        running.await_series("chancery_ca_rotation_entered_timestamp_seconds")
        running.await_series('rate(chancery_ca_certificates_issued_total{profile="server"}[1m])')
        yield running


def scrape_of(target: Target) -> Mapping[str, Any]:
    """As the chart's ServiceMonitor has it done, with the labels that Kubernetes would give."""
    scheme, _, address = target.url.partition("://")
    service = SERVICES[target.process]
    tls = {}
    if target.identity is not None:
        files = {"ca_file": "ca.crt", "cert_file": "tls.crt", "key_file": "tls.key"}
        tls = {"tls_config": {name: str(target.identity / file) for name, file in files.items()}}
    labels = {"namespace": "pki", "service": f"chancery-{service}", "pod": f"chancery-{service}-0"}
    return {"job_name": service, "scheme": scheme, "static_configs": [{"targets": [address], "labels": labels}], **tls}


def cause_something_of_everything(processes: Monitored) -> None:
    program = processes.program
    program.succeed("sign", "--cn", "panel.example", "--dns", "panel.example", "--out", "panel")
    program.succeed("revoke", "--yes", serial_of(program.directory / "panel" / "tls.crt"))
    program.succeed("rotate", "issuer", "--no-wait")
    authority, apiserver = processes.targets["ca-cli serve"], processes.targets["ca-cli apiserver"]
    assert apiserver.identity is not None
    context = context_of(apiserver.identity)
    ask(f"{authority.url}/v1/enroll", context, b'{"token": "made-up"}')
    for path in ("/apis/wardle.example.com/v1alpha1/flunders", "/apis/wardle.example.com/v1alpha1/fischers"):
        ask(f"{apiserver.url}{path}", context)
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    for spec in ({"containers": [{"name": "web", "image": "web"}]}, {"hostNetwork": True}):
        ask(f"{processes.webhook}/mutate", anybody, review(spec))


def serial_of(certificate: Path) -> str:
    """As OpenSSL writes it."""
    return f"{x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number:x}"


def context_of(identity: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(identity / "ca.crt"))
    context.load_cert_chain(identity / "tls.crt", identity / "tls.key")
    return context


def ask(url: str, context: ssl.SSLContext, body: bytes | None = None) -> None:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, context=context, timeout=30):
        pass


def review(spec: Mapping[str, Any]) -> bytes:
    pod = {"metadata": {"generateName": "web-", "labels": {"chancery.dev/inject": "true"}}, "spec": spec}
    request = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": pod,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


@each_query
def test_panel_has_something_to_show(scraping: Prometheus, query: Query) -> None:
    if query.panel in QUIET:
        scraping.query(query.expression)
    else:
        scraping.await_series(query.expression)


def test_namespaces_to_choose_from_are_found(scraping: Prometheus) -> None:
    (variable,) = [one for one in json.loads(DASHBOARD.read_text())["templating"]["list"] if one["name"] == "namespace"]
    metric = variable["query"]["query"].removeprefix("label_values(").partition(",")[0]

    assert {series["metric"]["namespace"] for series in scraping.query(metric)} == {"pki"}


def test_rules_are_evaluated_without_fault_and_nobody_is_paged(scraping: Prometheus) -> None:
    scraping.await_series("count(ALERTS) or vector(1)")
    found = scraping.alerts()

    assert {(rule["name"], rule["lastError"]) for rule in found if rule.get("lastError")} == set()
    assert {rule["health"] for rule in found} <= {"ok", "unknown"}
    assert {rule["name"] for rule in found if rule["state"] == "firing"} == set()
