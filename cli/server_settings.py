"""Settings of a server from flags, environment and a YAML file, under one name.

- Flag and variable win over the file, the file over the default.
- Options are made from the settings themselves (`ca.settings`, `apiserver.settings`), so that none can lack its flag.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ca.errors import SettingsInvalid
from ca.settings import ServeSettings
from cli import ambient
from cli.inputs import read_input
from cli.options import FILE
from serving.settings import Setting, describe

CONFIG = "config"
_LARGEST_FILE = 1 << 20
_PASSWORD = re.compile(r"//[^/@]*:[^/@]+@|[?&](ssl)?password=")


def settings_options(
    *,
    groups: Collection[str],
    names: Collection[str] = (),
    of: type[Any] = ServeSettings,
    prefix: str = "CHANCERY",
    shown: Collection[str] | None = None,
) -> Callable[..., Any]:
    """Adds `--config` and an option for each setting of `groups` and for those called in `names`.

    Options that are not `shown`, where that is said, work without being in the help.
    """
    chosen = [setting for setting in describe(of) if setting.group in groups or setting.name in names]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(chosen):
            command = _option(setting, prefix, hidden=shown is not None and setting.name not in shown)(command)
        return click.option("--config", type=FILE, envvar=f"{prefix}_CONFIG", help="YAML file of settings.")(command)

    return decorate


def read_settings(given: Mapping[str, object]) -> ServeSettings:
    """The authority's. `given` holds what click found, `config` included. Raises SettingsInvalid with every fault."""
    return ServeSettings.from_mapping({"data_directory": ambient.home() / "ca"} | gather(given))


def gather(given: Mapping[str, object]) -> dict[str, object]:
    """What was said, by file, variable and flag. Raises SettingsInvalid."""
    config = given.get(CONFIG)
    values = _read_file(config) if isinstance(config, Path) else {}
    _verify_no_password(given.get("database"))
    return values | {name: value for name, value in given.items() if name != CONFIG and value is not None}


def _verify_no_password(database: object) -> None:
    """An argument vector is open to every process of the machine. Raises SettingsInvalid."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source("database") if context is not None else None
    if source is ParameterSource.COMMANDLINE and _PASSWORD.search(str(database)):
        raise SettingsInvalid(
            ["database: put a URL with a password into CHANCERY_DATABASE or the file, not into a flag"]
        )


def _option(setting: Setting, prefix: str, *, hidden: bool) -> Callable[..., Any]:
    flag = setting.name.replace("_", "-")
    boolean = setting.type_name == "boolean"
    default = f"  [default: {setting.default_text}]" if setting.default_text else ""
    return click.option(
        f"--{flag}/--no-{flag}" if boolean else f"--{flag}",
        setting.name,
        envvar=f"{prefix}_{setting.name.upper()}",
        default=None,
        metavar=None if boolean else setting.type_name.upper().replace(" ", "-"),
        help=f"{setting.help}{default}",
        hidden=hidden,
    )


def _read_file(path: Path) -> dict[str, object]:
    import yaml

    try:
        document = yaml.safe_load(read_input(path, limit=_LARGEST_FILE))
    except yaml.YAMLError as err:
        raise SettingsInvalid([f"{path} is not YAML: {' '.join(str(err).split())}"]) from err
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise SettingsInvalid([f"{path} must hold settings by name, such as grpc_port: 8112"])
    return document
