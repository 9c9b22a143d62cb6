"""`ca-cli passphrase`."""

from pathlib import Path

import click

from ca.settings import ServeSettings
from cli import ambient
from cli.options import ANY_PATH
from cli.output import notice
from cli.passphrases import find_secret, read_secret
from cli.server_settings import read_settings, settings_options


@click.group(
    "passphrase",
    short_help="The passphrase of the CA keys: change it.",
    epilog="""\b
Examples:
  ca-cli passphrase change""",
)
def command() -> None:
    """The passphrase under which the keys of root and issuing CA are encrypted."""


@command.command(
    "change",
    epilog="""\b
Examples:
  ca-cli passphrase change   (makes a new one, where it is kept beside the keys; asks for it elsewhere)
  ca-cli passphrase change --passphrase-file /run/secrets/old --new-passphrase-file /run/secrets/new
  CHANCERY_PASSPHRASE=… CHANCERY_NEW_PASSPHRASE=… ca-cli passphrase change""",
)
@settings_options(groups=(), names=("data_directory", "database", "passphrase_file"))
@click.option(
    "--new-passphrase-file",
    type=ANY_PATH,
    help="File that holds the new passphrase; or set CHANCERY_NEW_PASSPHRASE, or answer.",
)
def change(new_passphrase_file: Path | None, **given: object) -> None:
    """Encrypt every CA key, and the key that seals others', under another passphrase.

    Stop the server first; with PostgreSQL, every replica. A change that is cut off, however that happens, leaves everything
    as it was or is finished by the next start; keep both passphrases until then. A passphrase that lies beside the keys is
    replaced there. Copies made earlier still open with the old one.
    """
    from ca.passphrase_change import PassphraseChanger
    from cli.logs import configure_logs

    configure_logs(log_format="console", log_level="error")
    settings = read_settings(given)
    secrets = ambient.secrets()
    changer = PassphraseChanger(settings=settings, secrets=secrets, clock=ambient.clock, entropy=ambient.entropy)
    done = changer.change(_new_passphrase(new_passphrase_file, may_be_made=_lies_beside(settings, secrets.passphrase)))
    notice(f"encrypted again: {done.keys} keys")
    if done.written_to is not None:
        notice(f"written: {done.written_to}")
    else:
        notice("start the server with the new passphrase: --passphrase-file, or CHANCERY_PASSPHRASE")


def _lies_beside(settings: ServeSettings, given: bytes | None) -> bool:
    return settings.storage.passphrase_file is None and given is None


def _new_passphrase(file: Path | None, *, may_be_made: bool) -> bytes | None:
    what, variable = "new passphrase of the CA keys", "CHANCERY_NEW_PASSPHRASE"
    if may_be_made:
        return find_secret(what, file=file, variable=variable)
    return read_secret(what, file=file, variable=variable, option="--new-passphrase-file", confirm=True)
