"""`ca-cli serve`."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ca.settings import ServeSettings
from cli import ambient
from cli.identity import write_administrator
from cli.options import DIRECTORY
from cli.server_settings import read_settings, settings_options

if TYPE_CHECKING:
    from ca.edges import Endpoints
    from ca.office import Office

GROUPS = ("storage", "listeners", "hierarchy", "issuance", "rotation", "kubernetes", "observability")


@click.command(
    "serve",
    short_help="Run the authority.",
    epilog="""\b
Examples:
  ca-cli serve
  ca-cli serve --listen-address 0.0.0.0 --advertised-names ca.example.com
  ca-cli serve --config /etc/chancery.yaml
  ca-cli serve --passphrase-file /run/secrets/chancery/passphrase   (or with CHANCERY_PASSPHRASE set)""",
)
@settings_options(groups=GROUPS)
@click.option(
    "--administrator-identity",
    type=DIRECTORY,
    help="Where a first start puts the administrator's identity; $CHANCERY_HOME/identity by default. Where it keeps a Secret in "
    "the cluster, nowhere: `init --new-administrator` makes one.",
)
def command(administrator_identity: Path | None, **given: object) -> None:
    """Run the authority: gRPC, HTTP and enrollment, until it is told to stop.

    A first start makes what `init` would make. SIGTERM and SIGINT stop it gracefully: calls under way are finished, for as
    long as --drain-timeout says.
    """
    settings = read_settings(given)
    ambient.require_tls_1_3()
    ambient.silence_grpc()
    from ca.office import open_office
    from cli.logs import configure_logs

    configure_logs(log_format=settings.observability.log_format, log_level=settings.observability.log_level)
    with open_office(
        settings,
        clock=ambient.clock,
        entropy=ambient.entropy,
        key_factory=ambient.make_key,
        secrets=ambient.secrets(),
        host_name=ambient.host_name(),
    ) as office:
        if office.founded and (administrator_identity is not None or office.namespace is None):
            write_administrator(office, administrator_identity or ambient.home() / "identity", replace=False)
        _run(office, settings)


def _run(office: "Office", settings: ServeSettings) -> None:
    import uvloop

    from ca.process import serve
    from cli.tracing import traces

    async def until_told() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await serve(
            office,
            host_name=ambient.host_name(),
            stopping=stopping,
            announce=lambda endpoints: _announce(endpoints, mtls=settings.listeners.mtls),
            tracing=tracing,
        )

    with traces("chancery-ca") as tracing, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_told())


def _announce(endpoints: "Endpoints", *, mtls: bool) -> None:
    """One line for each listener, on standard output, once all of them answer."""
    click.echo(f"http        {endpoints.http}")
    if endpoints.grpc and endpoints.enrollment:
        click.echo(f"grpc        {endpoints.grpc}{'  client certificate required' if mtls else '  plain text'}")
        click.echo(f"enrollment  {endpoints.enrollment}{'  TLS' if mtls else '  plain text'}")
    if endpoints.revocation:
        click.echo(f"revocation  {endpoints.revocation}  plain HTTP")
    sys.stdout.flush()
