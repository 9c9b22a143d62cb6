"""values.yaml is the reference: README and schema are made from it, and nothing in it goes without saying."""

import json
import re

import pytest
import yaml

from scripts.document_chart import CHART, read_values, schema, with_values

VALUES = (CHART / "values.yaml").read_text()


def closed(part, path="values"):
    """Every object of a schema that says its properties, and whether others are let in."""
    if isinstance(part, dict):
        if "properties" in part:
            yield path, part.get("additionalProperties")
        for name, each in part.items():
            if name != "default":
                yield from closed(each, f"{path}.{name}")


def test_readme_matches_the_values():
    page = (CHART / "README.md").read_text()

    assert with_values(page, read_values(VALUES)) == page, "run: make docs"


def test_schema_matches_the_values():
    assert json.loads((CHART / "values.schema.json").read_text()) == schema(read_values(VALUES)), "run: make docs"


def test_schema_is_closed_at_every_level_but_that_of_a_parent_chart():
    levels = dict(closed(schema(read_values(VALUES))))

    assert len(levels) > 20
    assert {path for path, others in levels.items() if others is not False} == {"values.properties.global"}


def test_settings_of_the_servers_are_those_of_the_configuration_page():
    properties = schema(read_values(VALUES))["properties"]
    settings = {name: properties[name]["properties"]["settings"]["properties"] for name in ("ca", "apiserver")}
    page = (CHART.parents[1] / "docs" / "configuration.md").read_text()

    assert settings["ca"]["rotation_overlap"]["allOf"] == [{"$ref": "#/definitions/duration"}]
    assert settings["apiserver"]["max_requests_inflight"]["type"] == "integer"
    assert [name for each in settings.values() for name in each if f"| `{name}` |" not in page] == []


def test_settings_that_are_one_of_a_few_are_refused_at_render_when_they_are_none_of_them():
    properties = schema(read_values(VALUES))["properties"]
    chosen = {
        f"{server}.{name}": said["enum"]
        for server in ("ca", "apiserver", "controller", "injector")
        for name, said in properties[server]["properties"]["settings"]["properties"].items()
        if "enum" in said
    }

    assert chosen["injector.mode"] == ["auto", "podCertificate", "sidecar", "init"]
    assert chosen["ca.log_level"] == ["debug", "info", "warning", "error"]
    assert {"ec-p256", ""} <= set(chosen["ca.key_type"])
    assert "apiserver.audit_log_mode" in chosen


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("key: 1", "key: say with `# --` above it what it does"),
        ("group:\n  # -- Said.\n  one: 1\n  other: 2", "group.other: say"),
        ("# -- Said.\n# @schema wrong\nkey: 1", "must hold a mapping"),
        ("# -- Said.\n# @schema {ref: nothing}\nkey: 1", "refers to 'nothing'"),
        ("# -- Said.\nkey: null", "says no type"),
        ("- a list", "must hold a mapping"),
    ],
)
def test_values_that_do_not_say_what_they_are_for_are_a_fault(text, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        schema(read_values(text))


def test_page_without_markers_is_a_fault():
    with pytest.raises(ValueError, match="the page needs the lines"):
        with_values("# A page", read_values(VALUES))


def test_no_default_holds_a_secret_or_a_bundle():
    assert not re.search(r"caBundle:|BEGIN|password:", VALUES)
    assert yaml.safe_load(VALUES)["ca"]["passphrase"]["existingSecret"] == ""
