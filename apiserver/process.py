"""The server's process: everything composed in one place, from settings to a listener, and down again in order."""

import asyncio
import contextlib
import gc
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from apiserver.ambient import Clock, Entropy
from apiserver.discovery.documents import DiscoveryDocuments
from apiserver.discovery.version import version_document
from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.authentication import Authenticator
from apiserver.identity.authorization import Authorizer
from apiserver.identity.files import WatchedFiles, keep_looking, read_bundle
from apiserver.identity.tls import ReloadingContext, ServingPair
from apiserver.identity.trust import CaBundle, RequestHeaderSettings, Trust
from apiserver.identity.user import Attributes
from apiserver.kinds.catalogue import Catalogue
from apiserver.kinds.manifests import load_kinds
from apiserver.openapi.documents import OpenApiDocuments
from apiserver.operations.collections import Collections
from apiserver.operations.lists import Lists
from apiserver.operations.objects import Objects
from apiserver.settings import ApiServerSettings, TlsVersion
from apiserver.storage.change_log import StoredChangeLog
from apiserver.storage.compaction import Compactor
from apiserver.storage.opening import DataDirectory, open_change_log
from apiserver.watch.feed import Feed
from apiserver.watch.hub import Hub
from apiserver.watch.watcher import End
from apiserver.web.calls import Call
from apiserver.web.paths import PathHandlers
from apiserver.web.pipeline import Pipeline, attributes_of
from apiserver.web.rendering import Renderings
from apiserver.web.resources import ResourceHandlers
from apiserver.web.watching import WatchEdge
from serving.http import AddressUnavailable, HttpListener
from store.errors import StoreError

BUILTIN_KINDS = Path(__file__).with_name("kinds")

_WORKERS = 8  # threads that read the log, encode, compress
_SWITCH_SECONDS = 0.0005  # so that a thread that decodes a large body does not hold up the event loop

_log = structlog.get_logger("chancery.apiserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """The ambient world, made where the process is composed."""

    clock: Clock
    monotonic: Callable[[], float]
    entropy: Entropy
    program_version: str


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
    adopt_files(settings, trust)
    catalogue = Catalogue(load_kinds(kind_paths(settings)))
    tls = ReloadingContext(pair, trust, minimum=_tls_version(settings.serving.tls_min_version))
    async with contextlib.AsyncExitStack() as stack:
        log = _open_log(settings, stack)
        workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="apiserver")
        stack.callback(workers.shutdown)
        hub = Hub(monotonic=ambient.monotonic, entropy=ambient.entropy)
        polls = None if log.database.dialect == "sqlite" else 0.25
        feed = Feed(log=log, hub=hub, workers=workers, poll_seconds=polls)
        pipeline = _pipeline(settings, catalogue, log, hub, feed, trust, ambient, workers)
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", pipeline.handle)
        listener = HttpListener(application, tls.context)
        compactor = Compactor(log, retention=settings.objects.history_retention, clock=ambient.clock)
        watched = watched_files(settings, tls, trust)
        await stack.enter_async_context(_running(feed.run(), _compacting(compactor, workers), keep_looking(watched)))
        await feed.started.wait()
        stack.push_async_callback(_stop, settings, listener, hub)
        try:
            url = await listener.start(settings.serving.bind_address, settings.serving.secure_port)
        except AddressUnavailable as err:
            raise ApiSettingsInvalid([str(err)]) from err
        gc.collect()
        gc.freeze()
        announce(url, tls)
        await stopping.wait()
        _log.info("stopping", watches=len(hub))
    _log.info("stopped")


def adopt_files(settings: ApiServerSettings, trust: Trust) -> None:
    """Takes over the CAs that are in files. Raises ApiSettingsInvalid."""
    if settings.trust.client_ca_file is not None:
        trust.set_client_ca(read_bundle(settings.trust.client_ca_file))
    if settings.trust.requestheader_client_ca_file is not None:
        trust.set_request_header(_request_header(settings, read_bundle(settings.trust.requestheader_client_ca_file)))


def watched_files(settings: ApiServerSettings, tls: ReloadingContext, trust: Trust) -> Sequence[WatchedFiles]:
    """The files that are read again while the server runs."""
    serving, files = settings.serving, settings.trust
    watched = []
    if serving.tls_cert_file and serving.tls_private_key_file:
        paths = (serving.tls_cert_file, serving.tls_private_key_file)
        watched.append(
            WatchedFiles(paths=paths, adopt=lambda both: tls.use(ServingPair(chain=both[0], private_key=both[1])))
        )
    if files.client_ca_file:
        watched.append(
            WatchedFiles(
                paths=(files.client_ca_file,), adopt=lambda one: trust.set_client_ca(CaBundle.from_pem(one[0]))
            )
        )
    if files.requestheader_client_ca_file:
        watched.append(
            WatchedFiles(
                paths=(files.requestheader_client_ca_file,),
                adopt=lambda one: trust.set_request_header(_request_header(settings, CaBundle.from_pem(one[0]))),
            )
        )
    return watched


def _request_header(settings: ApiServerSettings, ca: CaBundle) -> RequestHeaderSettings:
    given = settings.trust
    return RequestHeaderSettings(
        ca=ca,
        allowed_names=given.requestheader_allowed_names,
        username_headers=given.requestheader_username_headers,
        uid_headers=given.requestheader_uid_headers,
        group_headers=given.requestheader_group_headers,
        extra_headers_prefix=given.requestheader_extra_headers_prefix,
    )


def kind_paths(settings: ApiServerSettings) -> Sequence[Path]:
    """Where the kinds of a server are described."""
    given = [Path(path).expanduser() for path in settings.objects.kinds]
    return [BUILTIN_KINDS, *given] if settings.objects.builtin_kinds else given


def _open_log(settings: ApiServerSettings, stack: contextlib.AsyncExitStack) -> StoredChangeLog:
    directory = DataDirectory(settings.data_directory)
    stack.callback(directory.close)
    log = open_change_log(settings.database_url, settings.data_directory)
    stack.callback(log.close)
    return log


def _pipeline(
    settings: ApiServerSettings,
    catalogue: Catalogue,
    log: StoredChangeLog,
    hub: Hub,
    feed: Feed,
    trust: Trust,
    ambient: Ambient,
    workers: ThreadPoolExecutor,
) -> Pipeline:
    authenticator = Authenticator(trust=trust, clock=ambient.clock, anonymous=settings.trust.anonymous_auth)
    authorizer = Authorizer(always_allow=settings.delegation.authorization_always_allow_paths)
    objects = Objects(
        log=log,
        catalogue=catalogue,
        namespaces=_AnyNamespace(),
        clock=ambient.clock,
        entropy=ambient.entropy,
        workers=workers,
    )
    lists = Lists(log=log, wait_for=feed.wait_for, workers=workers)
    watches = WatchEdge(
        log=log,
        hub=hub,
        feed=feed,
        workers=workers,
        entropy=ambient.entropy,
        shortest_seconds=settings.limits.min_request_timeout.total_seconds(),
        on_sent=lambda _target, _events, _octets: None,
    )

    async def may_create(call: Call) -> None:
        if call.user is None:
            raise RuntimeError("nobody has been authenticated")
        await authorizer.authorize(call.user, _creation(attributes_of(call)))

    resources = ResourceHandlers(
        catalogue=catalogue,
        objects=objects,
        lists=lists,
        collections=Collections(objects=objects, lists=lists),
        watches=watches,
        renderings=Renderings(catalogue=catalogue, log=log, clock=ambient.clock, workers=workers),
        may_create=may_create,
        workers=workers,
    )
    paths = PathHandlers(
        discovery=DiscoveryDocuments(catalogue),
        openapi=OpenApiDocuments(catalogue, program_version=ambient.program_version),
        version=version_document(ambient.program_version),
        workers=workers,
    )
    return Pipeline(
        authenticator=authenticator,
        authorizer=authorizer,
        resources=resources,
        paths=paths.find,
        request_timeout=settings.limits.request_timeout,
        entropy=ambient.entropy,
    )


def _creation(attributes: Attributes) -> Attributes:
    """What an apply of something that is not there asks for."""
    return Attributes(
        verb="create",
        path=attributes.path,
        group=attributes.group,
        version=attributes.version,
        resource=attributes.resource,
        namespace=attributes.namespace,
        name=attributes.name,
    )


class _AnyNamespace:
    """Without a cluster nobody says which namespaces there are."""

    async def verify_may_create(self, namespace: str) -> None:  # noqa: ARG002 - the port's signature
        return None


async def _compacting(compactor: Compactor, workers: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.run_in_executor(workers, compactor.step)
        except StoreError as err:
            _log.warning("compaction put off", error=str(err))
        await asyncio.sleep(compactor.interval.total_seconds())


async def _stop(settings: ApiServerSettings, listener: HttpListener, hub: Hub) -> None:
    """Watches end first, as they would never end by themselves; then what is under way may finish."""
    hub.finish(End.STOPPING)
    await listener.stop(settings.serving.shutdown_grace.total_seconds())


def _tls_version(version: TlsVersion) -> ssl.TLSVersion:
    return ssl.TLSVersion.TLSv1_2 if version is TlsVersion.TLS_1_2 else ssl.TLSVersion.TLSv1_3


@contextlib.asynccontextmanager
async def _running(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
