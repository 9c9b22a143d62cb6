"""The server's process: opened in order, served until it is told to stop, and closed in the opposite order."""

import asyncio
import contextlib
import gc
import ssl
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from aiohttp import web

from apiserver.assembly import Ambient, Assembly, Parts, assemble, kind_paths
from apiserver.audit.log import AuditLog
from apiserver.cluster.connection import ClusterConnection
from apiserver.cluster.namespaces import ClusterNamespaces
from apiserver.cluster.trust import ClusterTrust
from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.files import keep_looking
from apiserver.identity.sources import adopt_files, watched_files
from apiserver.identity.tls import ReloadingContext, ServingPair
from apiserver.identity.trust import Trust
from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.manifests import load_kinds
from apiserver.kinds.named_limits import KIND_MAX_REQUESTS_INFLIGHT, verify_served
from apiserver.metrics import Metrics
from apiserver.settings import ApiServerSettings, TlsVersion
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import Compactor
from apiserver.storage.opening import DataDirectory, open_change_log
from apiserver.watch.feed import Feed
from apiserver.watch.hub import Hub
from serving.http import AddressUnavailable, HttpListener
from serving.jobs import running
from store.errors import StoreError

_WORKERS = 8  # threads that read the log, encode, compress
_CLUSTER_WORKERS = 32  # threads that wait for the cluster
_SWITCH_SECONDS = 0.0005  # so that a thread that decodes a large body does not hold up the event loop

_log = structlog.get_logger("chancery.apiserver")


async def serve(
    settings: ApiServerSettings,
    *,
    pair: ServingPair,
    trust: Trust,
    ambient: Ambient,
    stopping: asyncio.Event,
    announce: Callable[[str, ReloadingContext], None],
) -> None:
    """Serves until `stopping` is set; `announce` is called with the URL and the TLS context once everything listens.

    Raises KindsInvalid, ApiSettingsInvalid, and `store.errors` StorageFault leaves.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    kinds = load_kinds(kind_paths(settings))
    verify_served(KIND_MAX_REQUESTS_INFLIGHT, settings.request_limits, kinds)
    catalogue = Catalogue(settings.body_limits.applied(kinds))
    adopt_files(settings, trust)
    async with contextlib.AsyncExitStack() as stack:
        parts = await _open(settings, catalogue, pair, trust, ambient, stack)
        assembly = assemble(parts)
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:(?s:.*)}", assembly.pipeline.handle)  # line feeds (%0A) included
        listener = HttpListener(application, parts.tls.context, cancels=True)
        stack.push_async_callback(_stop, settings, assembly, listener, parts.hub)
        try:
            url = await listener.start(settings.serving.bind_address, settings.serving.secure_port)
        except AddressUnavailable as err:
            raise ApiSettingsInvalid([str(err)]) from err
        gc.collect()
        gc.freeze()
        announce(url, parts.tls)
        await stopping.wait()
        _log.info("stopping", watches=len(parts.hub))
    _log.info("stopped")


async def _open(
    settings: ApiServerSettings,
    catalogue: Catalogue,
    pair: ServingPair,
    trust: Trust,
    ambient: Ambient,
    stack: contextlib.AsyncExitStack,
) -> Parts:
    """Everything that is opened or runs beside the listener; `stack` closes it."""
    log = _open_log(settings, stack)
    audit_log = AuditLog(
        settings.audit_log,
        largest_octets=settings.auditing.audit_log_maxsize << 20,
        backups=settings.auditing.audit_log_maxbackup,
    )
    stack.callback(audit_log.close)
    workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="apiserver")
    stack.callback(workers.shutdown)
    cluster_workers = ThreadPoolExecutor(_CLUSTER_WORKERS, thread_name_prefix="cluster")
    stack.callback(cluster_workers.shutdown, wait=False, cancel_futures=True)
    cluster, namespaces = await _join_cluster(settings, trust, ambient, cluster_workers, stack)
    tls = ReloadingContext(pair, trust, minimum=_tls_version(settings.serving.tls_min_version))
    metrics = Metrics()
    hub = Hub(monotonic=ambient.monotonic, entropy=ambient.entropy)
    feed = Feed(log=log, hub=hub, workers=workers)
    compactor = Compactor(log, retention=settings.objects.history_retention, clock=ambient.clock)
    stack.callback(compactor.stop)
    jobs = (feed.run(), _compacting(compactor, workers, metrics), keep_looking(watched_files(settings, tls, trust)))
    await stack.enter_async_context(running(*jobs))
    await feed.started.wait()
    return Parts(
        settings=settings,
        ambient=ambient,
        catalogue=catalogue,
        log=log,
        hub=hub,
        feed=feed,
        trust=trust,
        tls=tls,
        cluster=cluster,
        namespaces=namespaces,
        audit_log=audit_log,
        metrics=metrics,
        workers=workers,
        cluster_workers=cluster_workers,
    )


def _open_log(settings: ApiServerSettings, stack: contextlib.AsyncExitStack) -> StoredChangeLog:
    directory = DataDirectory(settings.data_directory)
    stack.callback(directory.close)
    log = open_change_log(settings.database_url, settings.data_directory)
    stack.callback(log.close)
    return log


async def _join_cluster(
    settings: ApiServerSettings,
    trust: Trust,
    ambient: Ambient,
    workers: ThreadPoolExecutor,
    stack: contextlib.AsyncExitStack,
) -> tuple[ClusterConnection | None, ClusterNamespaces | None]:
    """Nothing where the server stands alone. Raises ApiSettingsInvalid."""
    if settings.delegation.authorization_skip_lookup:
        return None, None
    connection = ClusterConnection.open(settings.delegation.kubeconfig)
    stack.callback(connection.close)
    client_ca = settings.trust.client_ca_file is None
    request_header = settings.trust.requestheader_client_ca_file is None
    if client_ca or request_header:
        followed = ClusterTrust(
            connection, trust, client_ca=client_ca, request_header=request_header, entropy=ambient.entropy
        )
        await asyncio.get_running_loop().run_in_executor(workers, followed.start)
        stack.callback(followed.reflector.stop)
    namespaces = ClusterNamespaces(connection, workers=workers, entropy=ambient.entropy)
    namespaces.reflector.start()
    stack.callback(namespaces.reflector.stop)
    return connection, namespaces


async def _compacting(compactor: Compactor, workers: ThreadPoolExecutor, metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            metrics.compacted(await loop.run_in_executor(workers, compactor.step))
        except StoreError as err:
            metrics.compaction_failed()
            _log.warning("compaction put off", error=str(err))
        await asyncio.sleep(compactor.interval.total_seconds())


async def _stop(settings: ApiServerSettings, assembly: Assembly, listener: HttpListener, hub: Hub) -> None:
    """Not ready first; then watches end, as they would never end by themselves; then what is under way may finish."""
    assembly.health.stop()
    await asyncio.sleep(settings.serving.shutdown_delay_duration.total_seconds())
    hub.stop()
    await listener.stop(settings.serving.shutdown_grace.total_seconds())


def _tls_version(version: TlsVersion) -> ssl.TLSVersion:
    return ssl.TLSVersion.TLSv1_2 if version is TlsVersion.TLS_1_2 else ssl.TLSVersion.TLSv1_3
