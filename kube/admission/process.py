"""`ca-cli injector` as a process: health first, then what the cluster can do and an identity, then the webhook.

- Who keeps the identity fresh is not its business: it follows a directory. Until that holds one nothing listens for reviews, and
  the API server is told so by the connection that fails.
- Told to stop, it is not ready at once and goes on answering for a while: endpoints take their time to be forgotten.
"""

import asyncio
import contextlib
import ipaddress
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agent.errors import CredentialsInvalid
from agent.tls import FollowedIdentity
from kube.admission.features import ClusterFeatures
from kube.admission.metrics import Metrics
from kube.admission.names import Mode
from kube.admission.probe import FeatureProbe, probe
from kube.admission.readiness import Listener, ServingCheck
from kube.admission.settings import InjectorSettings, fixed_mode
from kube.admission.web import Mutating
from kube.ambient import Monotonic
from kube.cluster import Cluster
from kube.errors import KubeSettingsInvalid
from kube.health import health_application
from serving.http import AddressUnavailable, HttpListener

_LOOK_SECONDS = 0.2
_HEALTH_GRACE = 1.0

_log = structlog.get_logger("chancery.injector")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """The URLs of the webhook and of its health."""

    webhook: str
    health: str


async def serve(
    settings: InjectorSettings,
    *,
    cluster: Cluster,
    monotonic: Monotonic,
    alive: Callable[[], bool],
    stopping: asyncio.Event,
    announce: Callable[[Announcement], None],
) -> None:
    """Until `stopping` is set. `alive` says whether whoever keeps the identity does so. Raises KubeSettingsInvalid."""
    await _Injector(settings, cluster, monotonic, alive, stopping).run(announce)


class _Injector:
    def __init__(
        self,
        settings: InjectorSettings,
        cluster: Cluster,
        monotonic: Monotonic,
        alive: Callable[[], bool],
        stopping: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._monotonic = monotonic
        self._alive = alive
        self._stopping = stopping
        self._metrics = Metrics()
        self._threads_stopping = threading.Event()
        self._probe = FeatureProbe(
            lambda: probe(cluster, namespace=settings.namespace, injection=settings.injection),
            pause=self._threads_stopping.wait,
            told=self._tell_features,
        )
        self._identity: FollowedIdentity | None = None
        self._check: ServingCheck | None = None

    async def run(self, announce: Callable[[Announcement], None]) -> None:
        settings = self._settings
        health = HttpListener(
            health_application(live=[self._live], ready=[self._ready], registry=self._metrics.registry), None
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._threads_stopping.set)
            stack.push_async_callback(health.stop, _HEALTH_GRACE)
            health_url = await _listen(
                health, settings.observability.health_address, settings.observability.health_port
            )
            self._probe.start()
            identity = await self._await_identity()
            if identity is None:
                return
            self._identity = identity
            listener = HttpListener(self._mutating().application(), identity.server_context(clients=ssl.CERT_NONE))
            stack.push_async_callback(listener.stop, settings.serving.shutdown_grace.total_seconds())
            url = await _listen(listener, settings.serving.bind_address, settings.serving.webhook_port)
            self._check = self._serving_check(int(url.rpartition(":")[2]))
            announce(Announcement(webhook=url, health=health_url))
            await self._stopping.wait()
            _log.info("stopping")
            await asyncio.sleep(settings.serving.shutdown_delay.total_seconds())
        _log.info("stopped")

    async def _await_identity(self) -> FollowedIdentity | None:
        """Once the directory holds one; None where the process is told to stop before."""
        said = ""
        while not self._stopping.is_set():
            try:
                return await asyncio.to_thread(FollowedIdentity, self._settings.authority.identity)
            except (CredentialsInvalid, ssl.SSLError) as err:
                if str(err) != said:
                    said = str(err)
                    _log.info("there is no identity to serve with yet", why=said)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _LOOK_SECONDS)
        return None

    def _mutating(self) -> Mutating:
        return Mutating(
            self._settings.injection,
            features=lambda: self._probe.features,
            metrics=self._metrics,
            monotonic=self._monotonic,
        )

    def _serving_check(self, port: int) -> ServingCheck:
        listener = Listener(
            host=_dialled(self._settings.serving.bind_address), port=port, server_name=self._settings.server_name
        )
        configurations = self._settings.serving.webhook_configurations
        return ServingCheck(self._cluster, configurations=configurations, listener=listener, monotonic=self._monotonic)

    def _live(self) -> str:
        return "" if self._alive() else "nobody keeps the serving certificate fresh any more"

    async def _ready(self) -> str:
        faults = [*self._unready()]
        if self._check is not None:
            faults.append(await asyncio.to_thread(self._check))
        return "; ".join(filter(None, faults))

    def _unready(self) -> Sequence[str]:
        """What is known without asking anybody."""
        faults = []
        if self._stopping.is_set():
            faults.append("stopping")
        if self._probe.features is None and fixed_mode(self._settings.injection) is None:
            faults.append("the cluster was not asked yet what it can do")
        if self._identity is None:
            faults.append("there is no serving certificate yet")
        else:
            self._metrics.expiry.set(self._identity.credentials.not_after.timestamp())
        return faults

    def _tell_features(self, features: ClusterFeatures) -> None:
        self._metrics.set_features(features)
        _log.info("the cluster was asked what it can do", modes=[mode.value for mode in Mode if features.can(mode)])


async def _listen(listener: HttpListener, address: str, port: int) -> str:
    try:
        return await listener.start(address, port)
    except AddressUnavailable as err:
        raise KubeSettingsInvalid([str(err)]) from err


def _dialled(address: str) -> str:
    """Where this machine reaches a listener that is bound to `address`."""
    try:
        bound = ipaddress.ip_address(address)
    except ValueError:
        return address
    if not bound.is_unspecified:
        return address
    return "127.0.0.1" if bound.version == 4 else "::1"
