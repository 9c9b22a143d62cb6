"""`ca-cli backup`."""

from pathlib import Path

import click

from apiserver.settings import ApiServerSettings
from cli import ambient
from cli.options import DIRECTORY
from cli.output import notice
from cli.server_settings import gather, settings_options


@click.group(
    "backup",
    short_help="Back up a store while it is used.",
    epilog="""\b
Examples:
  ca-cli backup apiserver /backups/2026-01-31""",
)
def command() -> None:
    """Back up what a server keeps, while it runs."""


@command.command(
    "apiserver",
    epilog="""\b
Examples:
  ca-cli backup apiserver /backups/2026-01-31
  ca-cli backup apiserver --data-directory /var/lib/chancery /backups/2026-01-31""",
)
@settings_options(groups=(), names=("data_directory", "database"), of=ApiServerSettings, prefix="CHANCERY_APISERVER")
@click.argument("destination", type=DIRECTORY)
def backup_apiserver(destination: Path, **given: object) -> None:
    """Copy the objects of the storage API server into DESTINATION, a directory that is empty or missing.

    The copy is of one instant; nobody waits for it. Large bodies are linked where DESTINATION is on the same file system.
    PostgreSQL is backed up by its own means.
    """
    from apiserver.storage.backup import back_up

    settings = ApiServerSettings.from_mapping({"data_directory": ambient.home() / "apiserver"} | gather(given))
    if not settings.objects.database and not (settings.data_directory / "apiserver.db").exists():
        raise FileNotFoundError(2, "no such database", str(settings.data_directory / "apiserver.db"))
    manifest = back_up(settings.database_url, settings.data_directory, destination, now=ambient.clock())
    click.echo(f"revision:     {manifest.revision}")
    click.echo(f"large bodies: {manifest.bodies}")
    click.echo(f"written:      {destination}")
    for digest in manifest.missing:
        notice(f"warning: the body {digest} was missing or damaged already and is not in the backup")
