"""`ca-cli controller`."""

import asyncio
import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from cli import ambient
from cli.server_settings import gather, settings_options
from kube.settings import ControllerSettings

if TYPE_CHECKING:
    from ca.client.followed import FollowedConnection
    from kube.process import ControllerProcess
    from serving.tracing import Tracing

GROUPS = ("cluster", "authority", "features", "distribution", "signers", "observability")
VARIABLE_PREFIX = "CHANCERY_CONTROLLER"
_KEY_MODE = 0o400
_AGENT_PATIENCE = 5.0


@click.command(
    "controller",
    short_help="Run the controllers of a Kubernetes cluster.",
    epilog="""\b
Examples:
  ca-cli controller --token-file /var/run/secrets/chancery.dev/bootstrap/token
  ca-cli controller --kubeconfig admin.conf --namespace chancery --server ca.example.com:8112 --identity ./registrar
  ca-cli controller --no-signing --no-pods --health-address 0.0.0.0""",
)
@settings_options(groups=GROUPS, of=ControllerSettings, prefix=VARIABLE_PREFIX)
def command(**given: object) -> None:
    """Run the controllers that serve a Kubernetes cluster on behalf of the authority, until they are told to stop.

    Several may run: one leads, by a Lease, and the others stand by. None of them holds a CA key; to the authority they are a
    registrar, by the certificate in --identity. With --token-file this process gets that certificate itself and keeps it fresh.
    """
    from cli.logs import configure_logs
    from cli.tracing import traces

    settings = ControllerSettings.from_mapping(gather(given))
    configure_logs(log_format=settings.observability.log_format, log_level=settings.observability.log_level)
    ambient.silence_grpc()
    ambient.require_tls_1_3()
    with contextlib.ExitStack() as stack:
        _keep_identity(settings, stack)
        tracing = stack.enter_context(traces("chancery-controller"))
        authority = _connect(settings, tracing)
        stack.callback(authority.close)
        _run(settings, _make_process(settings, authority, tracing, stack))


def _connect(settings: ControllerSettings, tracing: "Tracing | None") -> "FollowedConnection":
    """Of whatever identity there is when it is used: there need be none yet. Raises AddressInvalid."""
    from ca.client.connection import GRPC_PORT, Address
    from ca.client.followed import FollowedConnection

    to = settings.authority
    address = Address.from_text(to.server, default_port=GRPC_PORT)
    metadata = None if tracing is None else tracing.outgoing
    return FollowedConnection.of_directory(
        address, to.identity, timeout=to.call_timeout.total_seconds(), metadata=metadata
    )


def _keep_identity(settings: ControllerSettings, stack: contextlib.ExitStack) -> None:
    """An agent in this process, where there is a token to get an identity with. Raises KubeSettingsInvalid."""
    to = settings.authority
    if to.token_file is None:
        return
    from ca.client.connection import HTTP_PORT, Address
    from certs.key_types import KeyType
    from cli.commands.agent import make_workload

    stopping = threading.Event()
    workload = make_workload(
        server=f"https://{Address.from_text(to.http_server, default_port=HTTP_PORT)}",
        token_file=to.token_file,
        bootstrap=to.bootstrap,
        directory=to.identity,
        key_mode=_KEY_MODE,
        formats=frozenset(),
        key_type=KeyType.EC_P256.value,
        lifetime=None,
        hooks=(),
        stopping=stopping,
    )
    thread = threading.Thread(target=workload.run, name="agent", daemon=True)
    stack.callback(thread.join, _AGENT_PATIENCE)
    stack.callback(stopping.set)
    thread.start()


def _make_process(
    settings: ControllerSettings,
    authority: "FollowedConnection",
    tracing: "Tracing | None",
    stack: contextlib.ExitStack,
) -> "ControllerProcess":
    from kube.cluster import Cluster
    from kube.errors import KubeSettingsInvalid
    from kube.features import make_controllers
    from kube.process import Ambient, ControllerProcess
    from serving.kubeconfig import KubeconfigInvalid

    try:
        outgoing = None if tracing is None else tracing.outgoing
        cluster = Cluster.open(settings.cluster.kubeconfig, outgoing=outgoing)
    except KubeconfigInvalid as err:
        raise KubeSettingsInvalid([f"kubeconfig: {err}; give --kubeconfig"]) from err
    stack.callback(cluster.close)
    return ControllerProcess(
        settings,
        cluster=cluster,
        authority=authority,
        make=make_controllers,
        ambient=Ambient(
            clock=ambient.clock,
            monotonic=ambient.monotonic,
            boottime=ambient.boottime,
            entropy=ambient.entropy,
            instance=f"{ambient.host_name()}_{ambient.entropy(8).hex()}",
            tracing=tracing,
        ),
    )


def _run(settings: ControllerSettings, process: "ControllerProcess") -> None:
    import uvloop

    from kube.process import serve

    def announce(url: str) -> None:
        """One line on standard output, once it answers."""
        click.echo(f"controller   {url}")
        sys.stdout.flush()

    async def until_told() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await serve(settings, process, stopping=stopping, announce=announce)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_told())
