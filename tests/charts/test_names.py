"""Names that people give: of releases, and of variables; what the API server would refuse half-way is not rendered."""

import re
import shutil

import pytest
import yaml

from tests.charts.test_pods import containers
from tests.charts.test_rendering import MONITORING
from tests.servers.helm.commands import documents

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035 §2.3.1
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")  # RFC 1123 §2.1
LABEL = re.compile(r"(?=.{0,63}$)(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


@pytest.mark.parametrize(
    ("release", "values"),
    [
        ("shop.eu.west", {}),
        ("a" * 39 + ".chancery", {}),
        ("a" * 53, {}),
        ("shop", {"fullnameOverride": "pki.eu"}),
        ("shop", {"nameOverride": "pki.eu"}),
        ("a--b", {}),
        ("a" * 38 + "--chancery-b", {}),
        ("shop", {"nameOverride": "a" * 39 + ".b"}),
        ("shop", {"fullnameOverride": "a" * 38 + "---b"}),
    ],
)
def test_services_have_names_that_they_may_have_whatever_the_releases(helm, chart, release, values):
    monitored = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    rendered = documents(helm.render(chart, release=release, values=values | monitored, api_versions=[MONITORING]))
    services = [each["metadata"]["name"] for each in rendered if each["kind"] == "Service"]

    assert len(set(services)) == 4
    assert [name for name in services if not SERVICE_NAME.fullmatch(name)] == []
    for each in rendered:
        assert [value for value in each["metadata"].get("labels", {}).values() if not LABEL.fullmatch(value)] == []
        assert each["kind"] not in {"PrometheusRule", "ServiceMonitor"} or SUBDOMAIN.fullmatch(each["metadata"]["name"])


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ({"name": "WORKERS", "value": 4}, "ca.env: the value of WORKERS is no text; put it in quotes"),
        ({"name": "DEBUG", "value": True}, "ca.env: the value of DEBUG is no text; put it in quotes"),
        ({"name": "NOTHING", "value": None}, "ca.env: the value of NOTHING is no text; put it in quotes"),
        ({"value": "4"}, "ca.env: an entry has no name"),
        ({"name": 4, "value": "4"}, "ca.env: an entry has no name"),
    ],
)
def test_variable_that_is_none_is_refused(helm, chart, variable, said):
    assert said in helm.refusal(chart, {"ca": {"env": [variable]}})


@pytest.mark.parametrize(
    ("version", "label"),
    [
        ("0.2.0+git.5f3a", "0.2.0_git.5f3a"),
        ("0.2.0-rc.1", "0.2.0-rc.1"),
        (f"0.2.0-{'a' * 56}.b", f"0.2.0-{'a' * 56}"),  # 63 characters, of which the last is a dot
    ],
)
def test_version_of_any_build_is_a_label_and_a_tag(helm, chart, tmp_path, version, label):
    later = tmp_path / "chancery"
    shutil.copytree(chart, later)
    about = yaml.safe_load((chart / "Chart.yaml").read_text()) | {"version": version, "appVersion": version}
    (later / "Chart.yaml").write_text(yaml.safe_dump(about))
    rendered = helm.render(later)

    for each in documents(rendered):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/version"] == label
        assert LABEL.fullmatch(labels["helm.sh/chart"])
    assert {each["image"] for each in containers(rendered)} == {f"chancery:{label}"}
