"""Settings of a server from flags, environment and a YAML file, under one name.

- Flag and variable win over the file, the file over the default.
- Options are made from the settings themselves (`ca.settings`, `apiserver.settings`), so that none can lack its flag.
"""

import functools
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
from cli.outside_roots import outside_roots
from serving.settings import Setting, describe

CONFIG = "config"
_OUTSIDE: Mapping[str, str] = {
    "extra_ca_certificates": "Files and directories of CA certificates, PEM, separated by commas: believed beside the system's by "
    "what connects to a database (sslrootcert=system), a collector of traces or a proxy. Read at the start.",
    "default_ca_certificates": "The same, in place of the system's.",
}
"""Of flags and variables alone: they hold for whatever a process does, and not for a server."""
_LARGEST_FILE = 1 << 20
_PASSWORD = re.compile(r"//[^/@]*:[^/@]+@|[?&](ssl)?password=")


def settings_options(
    *,
    groups: Collection[str],
    names: Collection[str] = (),
    of: type[Any] = ServeSettings,
    prefix: str = "CHANCERY",
    shown: Collection[str] | None = None,
    outside: bool = True,
) -> Callable[..., Any]:
    """Adds `--config` and an option for each setting of `groups` and for those called in `names`.

    Options that are not `shown`, where that is said, work without being in the help. `outside` adds those that say whom to believe
    beyond the cluster, and has the command's libraries believe them.
    """
    chosen = [setting for setting in describe(of) if setting.group in groups or setting.name in names]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        if outside:
            command = _outside_options(prefix, hidden=shown is not None)(_believing(command))
        for setting in reversed(chosen):
            command = _option(setting, prefix, hidden=shown is not None and setting.name not in shown)(command)
        return click.option("--config", type=FILE, envvar=f"{prefix}_CONFIG", help="YAML file of settings.")(command)

    return decorate


def _outside_options(prefix: str, *, hidden: bool) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, help_text in reversed(list(_OUTSIDE.items())):
            flag, variable = f"--{name.replace('_', '-')}", f"{prefix}_{name.upper()}"
            command = click.option(
                flag, name, envvar=variable, default="", metavar="LIST", help=help_text, hidden=hidden
            )(command)
        return command

    return decorate


def _believing(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def believing(*arguments: object, **given: object) -> object:
        extra, default = (str(given.pop(name) or "") for name in _OUTSIDE)
        with outside_roots(extra, default):
            return command(*arguments, **given)

    return believing


def read_settings(given: Mapping[str, object]) -> ServeSettings:
    """The authority's. `given` holds what click found, `config` included. Raises SettingsInvalid with every fault."""
    return ServeSettings.from_mapping({"data_directory": ambient.home() / "ca"} | gather(given))


def gather(given: Mapping[str, object]) -> dict[str, object]:
    """What was said, by file, variable and flag. Raises SettingsInvalid."""
    config = given.get(CONFIG)
    values = _read_file(config) if isinstance(config, Path) else {}
    _verify_no_password(given.get("database"))
    return values | {
        name: value for name, value in given.items() if name not in {CONFIG, *_OUTSIDE} and value is not None
    }


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
