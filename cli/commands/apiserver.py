"""`ca-cli apiserver`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from apiserver.settings import ApiServerSettings
from cli import ambient
from cli.endpoint import Endpoint
from cli.options import connection_options
from cli.output import notice
from cli.server_settings import gather, settings_options
from cli.version import program_version

if TYPE_CHECKING:
    from agent.credentials import Credentials
    from apiserver.identity.tls import ReloadingContext, ServingPair
    from apiserver.identity.trust import Trust
    from certs.alternative_names import SubjectAlternativeNames
    from cli.serving_certificate import ServingCertificateKeeper

GROUPS = ("objects", "serving", "trust", "delegation", "limits", "auditing", "observability")
VARIABLE_PREFIX = "CHANCERY_APISERVER"
_COMMON_NAME = "chancery-apiserver"
_PLACE = "serving-certificate.json"


@click.command(
    "apiserver",
    short_help="Run the storage API server.",
    epilog="""\b
Examples:
  ca-cli apiserver --authorization-skip-lookup
  ca-cli apiserver --secure-port 8443 --client-ca-file roots.pem --authorization-skip-lookup
  ca-cli apiserver --kubeconfig admin.conf --kinds ./crds --serving-names reports.chancery.svc""",
)
@settings_options(groups=GROUPS, of=ApiServerSettings, prefix=VARIABLE_PREFIX)
@connection_options
def command(endpoint: Endpoint, /, **given: object) -> None:
    """Run the storage API server: a Kubernetes API for reports, kept out of etcd, until it is told to stop.

    Behind a Kubernetes API server it asks that one who may do what; with --authorization-skip-lookup it stands alone, and only
    members of system:masters get in.

    Serving certificate and client CA come from the authority that --identity belongs to, renewed in memory and replaced in place,
    unless files are named. Without an identity the certificate is self-signed.
    """
    from cli.logs import configure_logs

    settings = ApiServerSettings.from_mapping({"data_directory": ambient.home() / "apiserver"} | gather(given))
    configure_logs(log_format=settings.observability.log_format, log_level=settings.observability.log_level)
    with contextlib.ExitStack() as stack:
        pair, trust, keeper = _credentials(settings, endpoint, stack)
        _run(settings, pair, trust, keeper)


def _credentials(
    settings: ApiServerSettings, endpoint: Endpoint, stack: contextlib.ExitStack
) -> "tuple[ServingPair, Trust, ServingCertificateKeeper | None]":
    """What the server starts with, and who keeps it fresh where that is not a file."""
    from apiserver.identity.files import read_pair
    from apiserver.identity.trust import CaBundle, Trust, TrustSettings

    held, keeper = _from_authority(settings, endpoint, stack)
    bundle = CaBundle() if held is None else CaBundle.from_pem(held.trust_bundle)
    trust = Trust(TrustSettings(client_ca=bundle))
    serving = settings.serving
    if serving.tls_cert_file and serving.tls_private_key_file:
        return read_pair(serving.tls_cert_file, serving.tls_private_key_file), trust, keeper
    if held is not None:
        return _pair(held), trust, keeper
    return _self_signed(settings), trust, None


def _from_authority(
    settings: ApiServerSettings, endpoint: Endpoint, stack: contextlib.ExitStack
) -> "tuple[Credentials | None, ServingCertificateKeeper | None]":
    """From the authority, where there is an identity to ask with and something to ask for."""
    directory = endpoint.identity_directory
    asked_for = settings.serving.tls_cert_file is None or settings.trust.client_ca_file is None
    named = endpoint.identity is not None or endpoint.client_cert is not None or endpoint.server is not None
    if not asked_for or not (named or directory.is_dir()):
        return None, None
    ambient.require_tls_1_3()
    from cli.places import Place, boot_id
    from cli.serving_certificate import ServingCertificateKeeper

    place = Place.take(settings.data_directory / _PLACE, boot=boot_id())
    stack.callback(place.close)
    keeper = ServingCertificateKeeper(
        endpoint,
        common_name=_COMMON_NAME,
        names=_serving_names(settings),
        lifetime=settings.serving.serving_lifetime or None,
        place=place,
    )
    held = keeper.ask()
    stack.callback(keeper.give_up)
    stack.callback(keeper.stop)
    return held, keeper


def _self_signed(settings: ApiServerSettings) -> "ServingPair":
    from apiserver.identity.files import read_pair
    from cli.self_signed import ensure_self_signed

    certificate, private_key = ensure_self_signed(settings.data_directory, _COMMON_NAME, _serving_names(settings))
    notice(f"serving a self-signed certificate; clients need: {certificate}")
    return read_pair(certificate, private_key)


def _serving_names(settings: ApiServerSettings) -> "SubjectAlternativeNames":
    from certs.alternative_names import SubjectAlternativeNames

    given = settings.serving.serving_names
    addresses = tuple(name for name in given if ":" in name or name.rpartition(".")[2].isdigit())
    names = tuple(name for name in given if name not in addresses)
    return SubjectAlternativeNames.parse(dns=("localhost", *names), ips=("127.0.0.1", "::1", *addresses))


def _pair(held: "Credentials") -> "ServingPair":
    from apiserver.identity.tls import ServingPair

    return ServingPair(chain=held.certificate_chain, private_key=held.private_key)


def _run(
    settings: ApiServerSettings, pair: "ServingPair", trust: "Trust", keeper: "ServingCertificateKeeper | None"
) -> None:
    import uvloop

    from apiserver.assembly import Ambient
    from apiserver.process import serve
    from cli.tracing import traces

    def announce(url: str, tls: "ReloadingContext") -> None:
        """One line on standard output, once it answers."""
        if keeper is not None:
            keeper.keep(_publisher(settings, tls, trust))
        click.echo(f"apiserver   {url}")
        sys.stdout.flush()

    async def until_told() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await serve(
            settings,
            pair=pair,
            trust=trust,
            ambient=Ambient(
                clock=ambient.clock,
                monotonic=ambient.monotonic,
                entropy=ambient.entropy,
                program_version=program_version(),
                command_line="\0".join(sys.argv),
                tracing=tracing,
            ),
            stopping=stopping,
            announce=announce,
        )

    with traces("chancery-apiserver") as tracing, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_told())


def _publisher(settings: ApiServerSettings, tls: "ReloadingContext", trust: "Trust") -> "Callable[[Credentials], None]":
    """What is new from the authority goes where no file was named instead."""
    from apiserver.identity.trust import CaBundle

    def publish(fresh: "Credentials") -> None:
        if settings.serving.tls_cert_file is None:
            tls.use(_pair(fresh))
        if settings.trust.client_ca_file is None:
            trust.set_client_ca(CaBundle.from_pem(fresh.trust_bundle))

    return publish
