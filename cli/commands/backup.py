"""`ca-cli backup`."""

from pathlib import Path

import click

from apiserver.settings import ApiServerSettings
from cli import ambient
from cli.default_command import DefaultGroup
from cli.errors import OutputExists
from cli.identity import STANDARD_OUTPUT
from cli.options import ANY_PATH, DIRECTORY, FILE
from cli.output import notice
from cli.passphrases import read_secret
from cli.server_settings import gather, read_settings, settings_options


@click.group(
    "backup",
    cls=DefaultGroup,
    short_help="Back up an authority, or a store, while it is used.",
    epilog="""\b
Examples:
  ca-cli backup /backups/ca-2026-01-31   (the authority, encrypted)
  ca-cli backup apiserver /backups/2026-01-31""",
)
def command() -> None:
    """Back up what a server keeps, while it runs; the authority's, where nothing else is named."""


@command.command(
    "authority",
    epilog="""\b
Examples:
  ca-cli backup /backups/ca-2026-01-31
  ca-cli backup authority /backups/ca-2026-01-31 --backup-passphrase-file /run/secrets/backup
  ca-cli backup /backups/ca-2026-01-31 --config /etc/chancery.yaml   (as the server was started)""",
)
@settings_options(
    groups=("listeners", "hierarchy", "issuance", "rotation", "observability"),
    names=("data_directory", "database", "passphrase_file"),
    shown=("data_directory", "database", "passphrase_file", "policy_file"),
)
@click.option(
    "--backup-passphrase-file",
    type=ANY_PATH,
    help="Passphrase of the backup; or set CHANCERY_BACKUP_PASSPHRASE, or answer.",
)
@click.argument("destination", type=FILE)
def backup_authority(destination: Path, backup_passphrase_file: Path | None, **given: object) -> None:
    """Write all that the authority is into DESTINATION, one encrypted file of mode 0600, as of one instant.

    Database, keys, policy, settings other than defaults, and the passphrase of the keys if it lies beside them. It is encrypted
    under a passphrase of its own; keep that, and the passphrase of the keys if it lies elsewhere, where the backup is not.
    PostgreSQL is read in the same way; `pg_dump` covers the rest of its database, and the encrypted keys in it. Keys in a PKCS#11
    token are not in the backup: use the token's own means.
    """
    from ca.backup import BackupMaker
    from cli.logs import configure_logs

    configure_logs(log_format="console", log_level="error")
    maker = BackupMaker(
        settings=read_settings(given), secrets=ambient.secrets(), clock=ambient.clock, entropy=ambient.entropy
    )
    if destination == STANDARD_OUTPUT:
        raise click.UsageError("a backup is not written to standard output; name a file")
    if destination.exists():
        raise OutputExists(f"{destination} exists; name another file")
    passphrase = read_secret(
        "passphrase of the backup",
        file=backup_passphrase_file,
        variable="CHANCERY_BACKUP_PASSPHRASE",
        option="--backup-passphrase-file",
        confirm=True,
    )
    end = maker.make(destination, passphrase)
    click.echo(f"certificates: {end.rows.get('certificates', 0)}")
    click.echo(f"keys:         {end.keys}")
    click.echo(f"written:      {destination}")


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
