"""`ca-cli agent`. Nothing but click is imported before it is known what to do: memory is counted beside every pod."""

import shlex
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.options import DIRECTORY, DURATION, FILE
from cli.output import notice

if TYPE_CHECKING:
    from agent.formats import Format
    from agent.reload import ReloadHook
    from agent.workload import Workload

_VOLUMES = Path("/var/run/secrets/chancery.dev")
_VARIABLE = "CHANCERY_AGENT_DIRECTORY"
_CONSUMER_CHARACTERS = 64
_CONTAINER = "container="


def _directory_option(command: "click.decorators.FC") -> "click.decorators.FC":
    return click.option(
        "--directory",
        type=DIRECTORY,
        default=_VOLUMES / "tls",
        show_default=True,
        envvar=_VARIABLE,
        help="Where the files are published.",
    )(command)


@click.group(
    "agent",
    invoke_without_command=True,
    short_help="Keep a pod's certificate: get it, renew it, publish its files.",
    epilog="""\b
Examples:
  ca-cli agent --server https://ca.chancery.svc:8111 --reload signal:HUP:/run/nginx.pid
  ca-cli agent --server https://ca.chancery.svc:8111 --directory /tls --once
  ca-cli agent ready --directory /tls""",
)
@click.option("--server", metavar="URL", help="The authority's HTTPS address.")
@click.option(
    "--token-file",
    type=FILE,
    default=_VOLUMES / "bootstrap" / "token",
    show_default=True,
    help="A service account token, or a one-time token; read anew each time it is needed.",
)
@click.option(
    "--bootstrap",
    type=FILE,
    default=_VOLUMES / "bootstrap" / "ca.crt",
    show_default=True,
    help="Roots by which the authority is believed the first time.",
)
@_directory_option
@click.option("--key-mode", metavar="OCTAL", default="0400", show_default=True, help="Mode of files with the key.")
@click.option(
    "--formats",
    metavar="LIST",
    default="pem,bundle",
    show_default=True,
    help="Of pem, bundle (key and chain in one file), pkcs12, jks; pem is always there.",
)
@click.option("--key-type", metavar="TYPE", default="ec-p256", show_default=True, help="Type of the keys it makes.")
@click.option(
    "--dns",
    "dns_names",
    multiple=True,
    metavar="NAME",
    help="DNS name to have beside the SPIFFE ID, of a Service that selects the pod; may be given again.",
)
@click.option("--ttl", type=DURATION, help="Lifetime of the certificates; the authority's default otherwise.")
@click.option(
    "--reload",
    "reloads",
    multiple=True,
    metavar="HOW",
    help="signal:HUP:PID, signal:HUP:PID-FILE or signal:HUP:container=NAME, http://127.0.0.1:PORT/PATH, or exec:COMMAND; may "
    "be given again.",
)
@click.option("--once", is_flag=True, help="End as soon as a valid certificate is in place.")
@click.option(
    "--patience", type=DURATION, default="2m", show_default=True, help="With --once: how long to try for a first one."
)
@click.pass_context
def command(
    context: click.Context,
    server: str | None,
    token_file: Path,
    bootstrap: Path,
    directory: Path,
    key_mode: str,
    formats: str,
    key_type: str,
    dns_names: tuple[str, ...],
    ttl: timedelta | None,
    reloads: tuple[str, ...],
    once: bool,
    patience: timedelta,
) -> None:
    """Keep the certificate of one workload: get it, publish its files at once, renew it, follow the roots, reload its user.

    A certificate that is there and valid is taken over. Without one it tries until it succeeds. An authority that is away costs
    nothing that is held.
    """
    if context.invoked_subcommand is not None:
        return
    if not server:
        raise click.UsageError("name the authority with --server or CHANCERY_AGENT_SERVER")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    workload = make_workload(
        server=server,
        token_file=token_file,
        bootstrap=bootstrap,
        directory=directory,
        key_mode=_parse_mode(key_mode),
        formats=_parse_formats(formats),
        key_type=key_type,
        dns_names=dns_names,
        lifetime=ttl,
        hooks=tuple(map(_parse_reload, reloads)),
        stopping=stopping,
    )
    if once:
        workload.run_once(patience=patience)
    else:
        workload.run()


@command.command(
    "ready",
    short_help="Whether the files are there, belong together and are valid now.",
    epilog="""\b
Examples:
  ca-cli agent ready --directory /tls""",
)
@_directory_option
def ready(directory: Path) -> None:
    """Whether the files are there, belong together and are valid now: for a startup or readiness probe."""
    from agent.readiness import verify_ready

    verify_ready(directory, ambient.clock)


@command.command(
    "live",
    short_help="Whether the agent has moved within five minutes.",
    epilog="""\b
Examples:
  ca-cli agent live --directory /tls""",
)
@_directory_option
def live(directory: Path) -> None:
    """Whether the agent has moved within five minutes: for a liveness probe. An authority that is away does not count."""
    from agent.heartbeat import Heartbeat

    Heartbeat.of(directory, ambient.monotonic).verify_alive()


def make_workload(
    *,
    server: str,
    token_file: Path,
    bootstrap: Path,
    directory: Path,
    key_mode: int,
    formats: "frozenset[Format]",
    key_type: str,
    dns_names: tuple[str, ...] = (),
    lifetime: timedelta | None,
    hooks: "tuple[ReloadHook, ...]",
    stopping: threading.Event,
) -> "Workload":
    """What one agent consists of; it ends once `stopping` is set. Raises UsageError."""
    from agent.authority import Authority
    from agent.enrollment import Enrollment
    from agent.heartbeat import Heartbeat
    from agent.https import HttpsServer
    from agent.publication import Publication
    from agent.token_keys import TokenKeys
    from agent.trust import TrustFollower
    from agent.workload import Workload
    from certs.key_types import KeyType
    from cli.renewal_events import report_renewal

    try:
        authority = Authority(HttpsServer.from_url(server), bootstrap=bootstrap)
        kind = KeyType(key_type)
    except ValueError as err:
        raise click.UsageError(str(err)) from err
    return Workload(
        authority=authority,
        enrollment=Enrollment(
            authority,
            token_file=token_file,
            token_keys=TokenKeys(directory),
            lifetime=lifetime,
            dns_names=_parse_dns_names(dns_names),
            key_type=kind,
            clock=ambient.clock,
            entropy=ambient.entropy,
            key_factory=ambient.make_key,
            note=notice,
        ),
        publication=Publication(
            directory=directory, formats=formats, clock=ambient.clock, entropy=ambient.entropy, key_mode=key_mode
        ),
        follower=TrustFollower(consumer=f"{ambient.host_name()}:{directory.absolute()}"[-_CONSUMER_CHARACTERS:]),
        heartbeat=Heartbeat.of(directory, ambient.monotonic),
        hooks=hooks,
        clock=ambient.clock,
        entropy=ambient.entropy,
        pause=stopping.wait,
        report=report_renewal,
    )


def _parse_mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0o400 <= mode <= 0o777 or not mode & 0o400 or mode & 0o133:
        raise click.BadParameter(f"{text!r} is no mode of a key; write 0400, 0440, 0444, 0600, 0640 or 0644")
    return mode


def _parse_dns_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """In the form in which they stand in a certificate."""
    from certs.alternative_names import SubjectAlternativeNames
    from certs.errors import CertsError

    try:
        return SubjectAlternativeNames.parse(dns=names).dns
    except CertsError as err:
        raise click.BadParameter(f"--dns: {err}") from err


def _parse_formats(text: str) -> "frozenset[Format]":
    from agent.formats import parse_formats

    try:
        return parse_formats(text)
    except ValueError as err:
        raise click.BadParameter(f"{err}; choose from pem, bundle, pkcs12, jks") from err


def _parse_reload(text: str) -> "ReloadHook":
    from agent.reload import CommandHook, RequestHook, SignalHook

    kind, _, rest = text.partition(":")
    try:
        if kind == "http":
            return RequestHook.from_url(text)
        if kind == "exec" and (words := shlex.split(rest)):
            return CommandHook(arguments=words)
        name, _, target = rest.partition(":")
        if kind == "signal" and target:
            number = signal.Signals[f"SIG{name}"]
            if target.startswith(_CONTAINER):
                return SignalHook(signal_number=number, container=_parse_container(target.removeprefix(_CONTAINER)))
            if target.isascii() and target.isdecimal():
                return SignalHook(signal_number=number, pid=int(target))
            return SignalHook(signal_number=number, pid_file=Path(target))
    except (ValueError, KeyError) as err:
        raise click.BadParameter(f"--reload {text!r}: {err}") from err
    raise click.BadParameter(
        f"{text!r} is no way to reload; write signal:HUP:PID, http://127.0.0.1:PORT/PATH or exec:COMMAND"
    )


def _parse_container(text: str) -> str:
    from agent.pod_processes import is_container_name

    if not is_container_name(text):
        raise ValueError(f"{text!r} is no name of a container")
    return text
