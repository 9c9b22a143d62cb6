"""The kinds that are shipped, against what their projects' own CustomResourceDefinitions declare."""

from pathlib import Path

import pytest

import apiserver.kinds
from apiserver.kinds.manifests import load_kinds

SHIPPED = {f"{kind.names.plural}.{kind.group}": kind for kind in load_kinds([Path(apiserver.kinds.__file__).parent])}
REPORTS = [name for name in SHIPPED if "reports" in name]
OUTCOMES = ("pass", "fail", "warn", "error", "skip")
REFERENCE = {"apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"}
RESULT = {
    *("source", "policy", "rule", "category", "severity", "timestamp", "result", "scored"),
    *("resources", "resourceSelector", "message", "properties"),
}
COMMON = {"apiVersion", "kind", "metadata", "scope", "scopeSelector", "summary", "results"}


@pytest.mark.parametrize("name", REPORTS)
def test_reports_have_the_fields_of_their_projects(name):
    schema = SHIPPED[name].schema
    result = schema.properties["results"].items

    assert schema.properties.keys() == COMMON | ({"source", "configuration"} if "openreports" in name else set())
    assert schema.properties["scope"].properties.keys() == REFERENCE
    assert schema.properties["scopeSelector"].properties.keys() == {"matchExpressions", "matchLabels"}
    assert schema.properties["summary"].properties.keys() == set(OUTCOMES)
    assert result.properties.keys() == RESULT
    assert result.required == ("policy",)
    assert result.properties["result"].enum == OUTCOMES
    assert set(result.properties["severity"].enum) == {"critical", "high", "medium", "low", "info"}
    assert set(result.properties["timestamp"].required) == {"nanos", "seconds"}
    assert result.properties["resources"].items.properties.keys() == REFERENCE


@pytest.mark.parametrize("name", ["reports.openreports.io", "clusterreports.openreports.io"])
def test_a_configuration_has_limits(name):
    configuration = SHIPPED[name].schema.properties["configuration"]

    assert configuration.required == ("limits",)
    assert configuration.properties["limits"].properties.keys() == {"maxResults", "statusFilter"}
    assert configuration.properties["limits"].properties["statusFilter"].items.enum == OUTCOMES


@pytest.mark.parametrize("name", REPORTS)
def test_reports_have_the_columns_of_their_projects(name):
    columns = [(column.name, column.priority) for column in SHIPPED[name].columns]

    assert columns == [("Kind", 1), ("Name", 1), *((outcome.title(), 0) for outcome in OUTCOMES), ("Age", 0)]


@pytest.mark.parametrize(
    ("name", "short", "namespaced"),
    [
        ("policyreports.wgpolicyk8s.io", "polr", True),
        ("clusterpolicyreports.wgpolicyk8s.io", "cpolr", False),
        ("reports.openreports.io", "reps", True),
        ("clusterreports.openreports.io", "creps", False),
    ],
)
def test_reports_have_the_names_of_their_projects(name, short, namespaced):
    kind = SHIPPED[name]

    assert kind.names.short_names == (short,)
    assert kind.namespaced is namespaced
    assert not kind.status
