"""A server put together: from settings and what the process hands in to handlers that know their collaborators."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from apiserver.ambient import Clock, Entropy
from apiserver.audit.auditor import Auditor
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import DEFAULT_POLICY, AuditPolicy
from apiserver.cluster.access import ClusterAccessReviews
from apiserver.cluster.connection import ClusterConnection
from apiserver.cluster.namespaces import ClusterNamespaces
from apiserver.cluster.tokens import ClusterTokenReviews
from apiserver.discovery.documents import DiscoveryDocuments
from apiserver.discovery.version import version_document
from apiserver.errors import ApiSettingsInvalid, ServiceUnavailable, Subject
from apiserver.flow_control import FlowControl
from apiserver.health import Check, Health
from apiserver.identity.authentication import Authenticator
from apiserver.identity.authorization import Authorizer
from apiserver.identity.files import read_file
from apiserver.identity.impersonation import Impersonation
from apiserver.identity.tls import ReloadingContext
from apiserver.identity.trust import Trust
from apiserver.kinds.catalogue import Catalogue
from apiserver.metrics import Metrics
from apiserver.openapi.documents import OpenApiDocuments
from apiserver.operations.collections import Collections
from apiserver.operations.lists import Lists
from apiserver.operations.objects import Namespaces, Objects
from apiserver.operations.targets import Target
from apiserver.settings import ApiServerSettings, AuditLogMode
from apiserver.storage.change_log import StoredChangeLog
from apiserver.watch.feed import Feed
from apiserver.watch.hub import Hub
from apiserver.web.calls import Call
from apiserver.web.observing import Observing
from apiserver.web.paths import PathHandlers
from apiserver.web.pipeline import Guards, Pipeline, attributes_of
from apiserver.web.rendering import Renderings
from apiserver.web.resources import ResourceHandlers
from apiserver.web.watching import WatchEdge

if TYPE_CHECKING:
    from serving.tracing import Tracing

BUILTIN_KINDS = Path(__file__).with_name("kinds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """The ambient world, made where the process is composed."""

    clock: Clock
    monotonic: Callable[[], float]
    entropy: Entropy
    program_version: str
    command_line: str = ""
    tracing: "Tracing | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the process has opened and started, for those who are put together around it."""

    settings: ApiServerSettings
    ambient: Ambient
    catalogue: Catalogue
    log: StoredChangeLog
    hub: Hub
    feed: Feed
    trust: Trust
    tls: ReloadingContext
    cluster: ClusterConnection | None
    namespaces: ClusterNamespaces | None
    audit_log: AuditLog
    metrics: Metrics
    workers: Executor
    cluster_workers: Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    pipeline: Pipeline
    health: Health


def kind_paths(settings: ApiServerSettings) -> Sequence[Path]:
    """Where the kinds of a server are described."""
    given = [Path(path).expanduser() for path in settings.objects.kinds]
    return [BUILTIN_KINDS, *given] if settings.objects.builtin_kinds else given


def audit_policy(settings: ApiServerSettings) -> AuditPolicy:
    """Raises ApiSettingsInvalid."""
    path = settings.auditing.audit_policy_file
    if path is None:
        return DEFAULT_POLICY
    try:
        return AuditPolicy.from_document(yaml.safe_load(read_file(path)))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise ApiSettingsInvalid([f"{path} is not YAML: {' '.join(str(err).split())}"]) from err


def assemble(parts: Parts) -> Assembly:
    """Raises ApiSettingsInvalid."""
    settings, ambient = parts.settings, parts.ambient
    guards = _guards(parts)
    health = _health(parts)
    paths = PathHandlers(
        discovery=DiscoveryDocuments(parts.catalogue),
        openapi=OpenApiDocuments(parts.catalogue, program_version=ambient.program_version),
        version=version_document(ambient.program_version),
        workers=parts.workers,
    )
    observing = Observing(
        health=health,
        metrics=parts.metrics,
        refresh=lambda: _refresh(parts, guards.flow),
        clock=ambient.clock,
        workers=parts.workers,
    )
    observing.add_to(paths, profiling=settings.observability.profiling, command_line=ambient.command_line)
    pipeline = Pipeline(
        guards,
        resources=_resources(parts, guards.authorizer),
        paths=paths.find,
        request_timeout=settings.limits.request_timeout,
        entropy=ambient.entropy,
        monotonic=ambient.monotonic,
        tracing=ambient.tracing,
    )
    return Assembly(pipeline=pipeline, health=health)


def _guards(parts: Parts) -> Guards:
    settings, ambient, metrics = parts.settings, parts.ambient, parts.metrics
    delegation, limits = settings.delegation, settings.limits
    tokens = reviews = None
    if parts.cluster is not None:
        tokens = ClusterTokenReviews(
            parts.cluster,
            remembered_seconds=delegation.authentication_token_webhook_cache_ttl.total_seconds(),
            workers=parts.cluster_workers,
            monotonic=ambient.monotonic,
            entropy=ambient.entropy,
        )
        reviews = ClusterAccessReviews(
            parts.cluster,
            allowed_seconds=delegation.authorization_webhook_cache_authorized_ttl.total_seconds(),
            denied_seconds=delegation.authorization_webhook_cache_unauthorized_ttl.total_seconds(),
            workers=parts.cluster_workers,
            monotonic=ambient.monotonic,
            entropy=ambient.entropy,
        )
    authorizer = Authorizer(always_allow=delegation.authorization_always_allow_paths, reviews=reviews)
    return Guards(
        authenticator=Authenticator(
            trust=parts.trust, clock=ambient.clock, anonymous=settings.trust.anonymous_auth, tokens=tokens
        ),
        authorizer=authorizer,
        impersonation=Impersonation(authorizer),
        flow=FlowControl(
            reads=limits.max_requests_inflight,
            writes=limits.max_mutating_requests_inflight,
            body_octets=limits.max_body_octets_inflight,
            by_resource=settings.request_limits,
            on_rejected=metrics.rejected,
            monotonic=ambient.monotonic,
        ),
        auditor=Auditor(
            audit_policy(settings),
            parts.audit_log,
            blocking=settings.auditing.audit_log_mode is AuditLogMode.BLOCKING,
            clock=ambient.clock,
            on_event=metrics.audited,
            on_level=metrics.audit_level,
        ),
        metrics=metrics,
    )


def _resources(parts: Parts, authorizer: Authorizer) -> ResourceHandlers:
    ambient, metrics = parts.ambient, parts.metrics
    namespaces: Namespaces = parts.namespaces or _AnyNamespace()
    objects = Objects(
        log=parts.log,
        catalogue=parts.catalogue,
        namespaces=namespaces,
        clock=ambient.clock,
        entropy=ambient.entropy,
        workers=parts.workers,
    )
    lists = Lists(log=parts.log, wait_for=parts.feed.wait_for, workers=parts.workers)

    def sent(target: Target, events: int, octets: int) -> None:
        kind = target.kind
        metrics.watched(kind.group, kind.version, kind.names.plural, events=events, octets=octets)

    async def may_create(call: Call) -> None:
        if call.user is None:
            raise RuntimeError("nobody has been authenticated")
        await authorizer.authorize(call.user, replace(attributes_of(call), verb="create"))

    return ResourceHandlers(
        catalogue=parts.catalogue,
        objects=objects,
        lists=lists,
        collections=Collections(objects=objects, lists=lists),
        watches=WatchEdge(
            log=parts.log,
            hub=parts.hub,
            feed=parts.feed,
            workers=parts.workers,
            entropy=ambient.entropy,
            shortest_seconds=parts.settings.limits.min_request_timeout.total_seconds(),
            on_sent=sent,
        ),
        renderings=Renderings(catalogue=parts.catalogue, log=parts.log, clock=ambient.clock, workers=parts.workers),
        may_create=may_create,
        workers=parts.workers,
    )


def _health(parts: Parts) -> Health:
    """A server whose database is away is not ready, and lives: a restart would not bring it back."""

    async def log() -> None:
        await asyncio.wrap_future(parts.workers.submit(parts.log.database.check))

    async def serving_certificate() -> None:
        if parts.tls.not_after <= parts.ambient.clock():
            raise ServiceUnavailable("the serving certificate has expired")

    ready: dict[str, Check] = {"log": log, "serving-certificate": serving_certificate}
    if parts.namespaces is not None:
        reflector = parts.namespaces.reflector

        async def informer_sync() -> None:
            if not reflector.synced.is_set():
                raise ServiceUnavailable("the namespaces of the cluster are not known yet")

        ready["informer-sync"] = informer_sync
    return Health(live={}, ready=ready, monotonic=parts.ambient.monotonic)


def _refresh(parts: Parts, flow: FlowControl) -> None:
    """Figures that nobody counts as they change. Blocks."""
    metrics, log = parts.metrics, parts.log
    metrics.revision.set(log.current_revision())
    metrics.oldest_revision.set(log.oldest_revision())
    metrics.watchers.set(len(parts.hub))
    metrics.serving_expiry.set(parts.tls.not_after.timestamp())
    metrics.audit_lost(parts.audit_log.dropped)
    metrics.body_octets_in_flight.set(flow.body_octets)
    counts = log.counts()
    metrics.counted({(kind.group, kind.names.plural): counts.get(kind.storage, 0) for kind in parts.catalogue.kinds})


class _AnyNamespace:
    """Without a cluster nobody says which namespaces there are."""

    async def verify_may_create(self, namespace: str, subject: Subject) -> None:
        """All may be created in."""
