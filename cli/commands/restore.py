"""`ca-cli restore`."""

from pathlib import Path

import click

from apiserver.settings import ApiServerSettings
from cli import ambient
from cli.options import DIRECTORY
from cli.server_settings import gather, settings_options


@click.group(
    "restore",
    short_help="Restore a store from a backup.",
    epilog="""\b
Examples:
  ca-cli restore apiserver /backups/2026-01-31""",
)
def command() -> None:
    """Restore what a server kept; the server must not run."""


@command.command(
    "apiserver",
    epilog="""\b
Examples:
  ca-cli restore apiserver /backups/2026-01-31
  ca-cli restore apiserver --data-directory /var/lib/chancery /backups/2026-01-31""",
)
@settings_options(groups=(), names=("data_directory",), of=ApiServerSettings, prefix="CHANCERY_APISERVER")
@click.argument("source", type=DIRECTORY)
def restore_apiserver(source: Path, **given: object) -> None:
    """Make a data directory of the backup in SOURCE. A database that is there already is not touched.

    The server goes on at a far higher revision, so that no client takes what it will see for what it has seen: watches start over.
    """
    from apiserver.storage.restore import restore

    settings = ApiServerSettings.from_mapping({"data_directory": ambient.home() / "apiserver"} | gather(given))
    revision = restore(source, settings.data_directory)
    click.echo(f"revision: {revision}")
    click.echo(f"written:  {settings.data_directory}")
