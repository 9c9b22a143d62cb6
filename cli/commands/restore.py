"""`ca-cli restore`."""

from pathlib import Path

import click

from apiserver.settings import ApiServerSettings
from cli import ambient
from cli.default_command import DefaultGroup
from cli.errors import InputMissing
from cli.options import ANY_PATH, DIRECTORY, FILE
from cli.output import notice
from cli.passphrases import read_secret
from cli.server_settings import gather, read_settings, settings_options
from cli.text import instant


@click.group(
    "restore",
    cls=DefaultGroup,
    short_help="Restore an authority, or a store, from a backup.",
    epilog="""\b
Examples:
  ca-cli restore /backups/ca-2026-01-31   (an authority)
  ca-cli restore apiserver /backups/2026-01-31""",
)
def command() -> None:
    """Restore what a server kept; the server must not run. An authority, where nothing else is named."""


@command.command(
    "authority",
    epilog="""\b
Examples:
  ca-cli restore /backups/ca-2026-01-31
  ca-cli restore /backups/ca-2026-01-31 --data-directory /var/lib/chancery/ca --backup-passphrase-file /run/secrets/backup
  ca-cli restore authority /backups/ca-2026-01-31 --passphrase-file /run/secrets/chancery/passphrase""",
)
@settings_options(groups=(), names=("data_directory", "database", "passphrase_file"))
@click.option(
    "--backup-passphrase-file",
    type=ANY_PATH,
    help="Passphrase of the backup; or set CHANCERY_BACKUP_PASSPHRASE, or answer.",
)
@click.argument("source", type=FILE)
def restore_authority(source: Path, backup_passphrase_file: Path | None, **given: object) -> None:
    """Make an authority of the backup in SOURCE, where there is none: an existing one is never touched.

    All of the backup is read and verified before anything is put in place. CRL numbers jump ahead, so that none is given out
    twice, and tokens that were not spent are withdrawn. What was issued or revoked after the backup is not in it: see SECURITY.md.
    """
    from ca.restoring import Restorer
    from cli.logs import configure_logs

    configure_logs(log_format="console", log_level="error")
    settings = read_settings(given)
    if not source.exists():
        raise InputMissing(f"{source} does not exist")
    passphrase = read_secret(
        "passphrase of the backup",
        file=backup_passphrase_file,
        variable="CHANCERY_BACKUP_PASSPHRASE",
        option="--backup-passphrase-file",
    )
    restorer = Restorer(settings=settings, secrets=ambient.secrets(), clock=ambient.clock, entropy=ambient.entropy)
    restored = restorer.restore(source, passphrase)
    click.echo(f"as of:        {instant(restored.created_at)}")
    click.echo(f"certificates: {restored.certificates}")
    click.echo(f"written:      {settings.data_directory}")
    if restored.tokens_withdrawn:
        notice(f"tokens withdrawn: {restored.tokens_withdrawn}; make new ones")
    if restored.keys_opened is None:
        notice("the passphrase of the keys is not in the backup, so they were not tried; start the server with it")
    if restored.has_settings:
        notice(f"settings: ca-cli serve --config {settings.data_directory / 'settings.yaml'}")


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
