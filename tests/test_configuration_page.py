"""docs/configuration.md says what the settings say, and its example is one."""

import re

import pytest
import yaml

from ca.settings import ServeSettings
from kube.settings import ControllerSettings
from scripts.document_settings import PAGE, SERVERS, with_settings
from serving.settings import describe


def test_tables_match_the_settings():
    page = PAGE.read_text()

    assert with_settings(page) == page, "run: make docs"


@pytest.mark.parametrize("settings", SERVERS.values(), ids=SERVERS)
def test_every_setting_says_what_follows_from_it(settings):
    silent = [setting.name for setting in describe(settings) if len(setting.help.split()) < 3]

    assert silent == []


def test_example_is_a_valid_configuration():
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    settings = ServeSettings.from_mapping(yaml.safe_load(example))

    assert settings.hierarchy.trust_domain == "example.com"
    assert settings.database_url.startswith("postgresql://")


def test_what_a_group_shares_with_other_servers_comes_behind_its_own():
    names = [setting.name for setting in describe(ControllerSettings) if setting.group == "observability"]

    assert names == ["health_address", "health_port", "log_format", "log_level"]
