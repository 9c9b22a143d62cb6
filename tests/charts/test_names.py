"""Names that people give: of releases, and of variables; what the API server would refuse half-way is not rendered."""

import re

import pytest

from tests.servers.helm.commands import documents

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035 §2.3.1


@pytest.mark.parametrize(
    ("release", "values"),
    [
        ("shop.eu.west", {}),
        ("a" * 39 + ".chancery", {}),
        ("a" * 53, {}),
        ("shop", {"fullnameOverride": "pki.eu"}),
        ("shop", {"nameOverride": "pki.eu"}),
        ("a--b", {}),
    ],
)
def test_services_have_names_that_they_may_have_whatever_the_releases(helm, chart, release, values):
    rendered = documents(helm.render(chart, release=release, values=values))
    services = [each["metadata"]["name"] for each in rendered if each["kind"] == "Service"]

    assert len(set(services)) == 3
    assert [name for name in services if not SERVICE_NAME.fullmatch(name)] == []
    for each in rendered:
        assert all(len(value) <= 63 for value in each["metadata"].get("labels", {}).values())


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
