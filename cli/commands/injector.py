"""`ca-cli injector`."""

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.server_settings import gather, settings_options
from kube.admission.settings import InjectorSettings

if TYPE_CHECKING:
    from kube.admission.process import Announcement

GROUPS = ("serving", "authority", "injection", "delegation", "observability")
VARIABLE_PREFIX = "CHANCERY_INJECTOR"
_LAST_TURN_SECONDS = 2.0


@click.group(
    "injector",
    invoke_without_command=True,
    short_help="Run the webhook that gives labelled pods an identity.",
    epilog="""\b
Examples:
  ca-cli injector --image registry.example/chancery:0.1.0 --bind-address 0.0.0.0 --health-address 0.0.0.0
  ca-cli injector --image registry.example/chancery:0.1.0 --mode sidecar --identity ./identity --kubeconfig admin.conf
  ca-cli injector webhooks --namespace chancery""",
)
@settings_options(groups=GROUPS, of=InjectorSettings, prefix=VARIABLE_PREFIX, outside=False)
@click.pass_context
def command(context: click.Context, /, **given: object) -> None:
    """Run the webhook that gives labelled pods an identity, until it is told to stop.

    The API server asks it about each new pod that is labelled chancery.dev/inject: "true", or that is in a namespace so labelled.
    It answers with what to add: a certificate that the kubelet keeps, or an agent beside the containers.
    """
    if context.invoked_subcommand is not None:
        return
    from cli.logs import configure_logs

    settings = InjectorSettings.from_mapping(gather(given))
    _ = settings.server_name  # says what is missing before anything starts
    configure_logs(log_format=settings.observability.log_format, log_level=settings.observability.log_level)
    with _kept_identity(settings) as alive:
        _run(settings, alive)


@command.command(
    "webhooks",
    short_help="Write the webhook configurations that call an injector.",
    epilog="""\b
Examples:
  ca-cli injector webhooks --namespace chancery | kubectl apply -f -""",
)
@click.option("--namespace", required=True, help="Namespace of the injector's Service.")
@click.option("--service", default="chancery-injector", show_default=True, help="Name of that Service.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="Port of that Service.")
@click.option("--host-network", is_flag=True, help="Ask about pods of the host's network in labelled namespaces, too.")
def webhooks(namespace: str, service: str, port: int, host_network: bool) -> None:
    """Write the webhook configurations that call an injector, as YAML, without a caBundle: the controller puts that in."""
    import yaml

    from kube.admission.webhooks import Webhooks

    documents = Webhooks(namespace=namespace, service=service, port=port, host_network=host_network).documents()
    click.echo(yaml.safe_dump_all(documents, sort_keys=False), nl=False)


@contextlib.contextmanager
def _kept_identity(settings: InjectorSettings) -> "Iterator[Callable[[], bool]]":
    """Keeps the identity in a thread of its own, where that is asked for; yields whether that still goes on."""
    authority = settings.authority
    if authority.token_file is None:
        yield lambda: True
        return
    from agent.formats import Format
    from cli.commands.agent import make_workload

    stopping = threading.Event()
    workload = make_workload(
        server=f"https://{settings.injection.http_server}",
        token_file=authority.token_file,
        bootstrap=authority.bootstrap,
        directory=authority.identity,
        key_mode=0o400,
        formats=frozenset({Format.PEM}),
        key_type="ec-p256",
        dns_names=(settings.server_name,),
        lifetime=None,
        hooks=(),
        stopping=stopping,
    )
    thread = threading.Thread(target=workload.run, name="identity", daemon=True)
    thread.start()
    try:
        yield thread.is_alive
    finally:
        stopping.set()
        thread.join(_LAST_TURN_SECONDS)


def _run(settings: InjectorSettings, alive: "Callable[[], bool]") -> None:
    import uvloop

    from kube.admission.process import serve
    from kube.cluster import Cluster
    from kube.errors import KubeSettingsInvalid
    from serving.kubeconfig import KubeconfigInvalid

    try:
        cluster = Cluster.open(settings.delegation.kubeconfig)
    except KubeconfigInvalid as err:
        raise KubeSettingsInvalid([f"kubeconfig: {err}; give --kubeconfig"]) from err

    def announce(listening: "Announcement") -> None:
        """Two lines on standard output, once it answers."""
        click.echo(f"injector    {listening.webhook}\nhealth      {listening.health}")
        sys.stdout.flush()

    async def until_told() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        with contextlib.closing(cluster):
            await serve(
                settings,
                cluster=cluster,
                monotonic=ambient.monotonic,
                alive=alive,
                stopping=stopping,
                announce=announce,
            )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_told())
