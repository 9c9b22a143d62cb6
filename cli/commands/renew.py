"""`ca-cli renew`."""

import shlex
import signal
import threading
from datetime import timedelta
from pathlib import Path

import click

from agent.identity import load_credentials, publish_credentials
from agent.needs_renewal import Threshold, needs_renewal
from agent.reload import CommandHook, ReloadHook, SignalHook
from cli import ambient
from cli.documents import certificate_document, certificate_fields
from cli.endpoint import Endpoint
from cli.errors import CliError, IdentityMissing
from cli.options import DIRECTORY, DURATION, FILE, connection_options, key_types
from cli.output import OutputFormat, notice, output_choice, show_fields
from cli.renewal import Renewal
from cli.renewal_events import report_renewal
from cli.text import instant, relative

_SIGNALS = ("HUP", "INT", "TERM", "USR1", "USR2", "WINCH")


@click.command(
    "renew",
    short_help="Renew an identity, once or for as long as it runs.",
    epilog="""\b
Examples:
  ca-cli renew
  ca-cli renew --identity ./web --expires-in 66%
  ca-cli renew --identity ./web --daemon --signal HUP --pid-file /run/nginx.pid
  ca-cli renew --identity ./web --daemon --exec 'systemctl reload nginx'""",
)
@click.option("--ttl", type=DURATION, help="Lifetime of the new certificate; the profile's default otherwise.")
@click.option("--reuse-key", is_flag=True, help="Keep the key. A fresh one is made otherwise.")
@click.option(
    "--key-type", type=click.Choice(key_types()), help="Type of the fresh key; that of the key before otherwise."
)
@click.option(
    "--as",
    "asking",
    type=DIRECTORY,
    help="Identity that asks for a certificate which cannot show itself; $CHANCERY_HOME/identity by default.",
)
@click.option("--expires-in", metavar="PERCENT|DURATION", help="Do nothing unless it is due: 66%, 8h.")
@click.option("--daemon", is_flag=True, help="Go on renewing, at two thirds of each certificate's life, until stopped.")
@click.option("--renew-period", type=DURATION, help="With --daemon: renew so long after the beginning of each life.")
@click.option("--exec", "reload_command", metavar="COMMAND", help="Run this after each renewal; no shell is involved.")
@click.option(
    "--signal",
    "signal_name",
    type=click.Choice(_SIGNALS),
    help="Send this to --pid or --pid-file after each renewal.  [default: HUP]",
)
@click.option("--pid", type=click.IntRange(2), help="Process to signal.")
@click.option("--pid-file", type=FILE, help="File that holds the process to signal.")
@output_choice("table", "plain", "json", "yaml", "name")
@connection_options
def command(
    endpoint: Endpoint,
    ttl: timedelta | None,
    reuse_key: bool,
    key_type: str | None,
    asking: Path | None,
    expires_in: str | None,
    daemon: bool,
    renew_period: timedelta | None,
    reload_command: str | None,
    signal_name: str | None,
    pid: int | None,
    pid_file: Path | None,
    output: OutputFormat,
) -> None:
    """Renew the identity in --identity: same names, same profile, a fresh key.

    A certificate proves by itself who renews it. One of the server profile cannot, as it is for servers only: another
    identity, that of --as, asks for its like.

    Key, chain and roots are replaced together: readers see the old set or the new one. A hook that fails is reported, and
    never costs the certificate.
    """
    directory = endpoint.identity_directory
    if endpoint.client_cert or endpoint.client_key:
        raise click.UsageError("renew works on a directory: give --identity")
    if not directory.is_dir():
        raise IdentityMissing(f"there is no identity in {directory}")
    hooks = _hooks(reload_command, signal_name, pid, pid_file)
    renewal = Renewal(endpoint, asking=asking, lifetime=ttl, reuse_key=reuse_key, key_type=key_type)
    if daemon:
        _run_daemon(directory, renewal, hooks, renew_period)
        return
    held = load_credentials(directory)
    if expires_in is not None and not needs_renewal(held.leaf, ambient.clock(), Threshold.from_text(expires_in)):
        notice(f"not due: it ends {instant(held.not_after)}, {relative(held.not_after, ambient.clock())}")
        return
    publish_credentials(directory, renewal(held))
    for hook in hooks:
        hook.run()
    if renewal.latest is not None:
        certificate = renewal.latest
        fields = certificate_fields(certificate, ambient.clock())
        show_fields([*fields, ("written", str(directory))], certificate_document(certificate), certificate.id, output)


def _hooks(
    reload_command: str | None, signal_name: str | None, pid: int | None, pid_file: Path | None
) -> tuple[ReloadHook, ...]:
    hooks: list[ReloadHook] = []
    if pid is not None and pid_file is not None:
        raise click.UsageError("--pid and --pid-file name the same thing; give one of them")
    if pid is not None or pid_file is not None:
        number = signal.Signals[f"SIG{signal_name or 'HUP'}"]
        hooks.append(SignalHook(signal_number=number, pid=pid, pid_file=pid_file))
    elif signal_name:
        raise click.UsageError("--signal needs a process: --pid or --pid-file")
    if reload_command:
        hooks.append(CommandHook(arguments=_words(reload_command)))
    return tuple(hooks)


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as err:
        raise click.UsageError(f"--exec cannot be taken apart: {err}") from err
    if not words:
        raise click.UsageError("--exec is empty; name a program")
    return words


def _run_daemon(directory: Path, renewal: Renewal, hooks: tuple[ReloadHook, ...], period: timedelta | None) -> None:
    from agent.renewer import Renewer
    from ca.client.errors import ClientError
    from certs.errors import CertsError

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    Renewer(
        load=lambda: load_credentials(directory),
        renew=renewal,
        publish=lambda fresh: publish_credentials(directory, fresh),
        hooks=hooks,
        clock=ambient.clock,
        entropy=ambient.entropy,
        pause=stopping.wait,
        report=report_renewal,
        failures=(ClientError, CertsError, CliError),
        period=period,
        hurried=renewal.is_hurried,
    ).run()
