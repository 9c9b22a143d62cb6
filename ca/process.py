"""The CA process: the office with its edges, from the first listener to the last answered call.

- A stop is graceful: listeners refuse, calls under way finish, the signing thread drains, then the store closes.
"""

import asyncio
import contextlib
import gc
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ca.administration_socket import administration_socket
from ca.ambient import epoch_seconds
from ca.audit import Action, audit_event
from ca.callers import Caller
from ca.calls import Call
from ca.cluster.publishing import keep_published
from ca.edges import Edges, Endpoints
from ca.errors import CaError, NoActiveIssuer
from ca.holder_limits import HolderLimits
from ca.metrics import Metrics
from ca.office import Office
from ca.pipeline import SigningPipeline
from ca.serving import ServingCertificate, serving_names
from ca.watching import CertificateWatch
from certs.errors import CertsError, IssuerExpired
from certs.keys import KeyType
from serving.jobs import running
from store.errors import StoreError
from store.records import AuditEvent

if TYPE_CHECKING:
    from serving.tracing import Tracing

_HOUSEKEEPING_SECONDS = 2.0
_ROTATION_SECONDS = 1.0
_SPENT_TOKEN_SECONDS = 3600
"""How long a spent service-account token is remembered beyond its end: longer than `CLOCK_SKEW_SECONDS` lets it be shown."""
_PARALLEL_FOR_SLOW_KEYS = 2
_QUICK_KEYS = frozenset({KeyType.EC_P256, KeyType.ED25519})

_log = structlog.get_logger("chancery.process")


async def serve(
    office: Office,
    *,
    host_name: str,
    stopping: asyncio.Event,
    announce: Callable[[Endpoints], None],
    tracing: "Tracing | None" = None,
) -> None:
    """Serves until `stopping` is set; `announce` is called once everything listens.

    Raises SettingsInvalid where an address cannot be had, and what issuing the serving certificate raises.
    """
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        serving = await _serving_certificate(office, metrics, host_name, stopping)
        office.rotations.attend(serving.is_present)
        watch = CertificateWatch(
            inventory=office.inventory, policy=office.policy, clock=office.clock, stopping=stopping
        )
        pipeline = _pipeline(office, metrics, watch, tracing)
        stack.push_async_callback(pipeline.close)
        edges = Edges(
            office=office,
            metrics=metrics,
            serving=serving,
            pipeline=pipeline,
            watch=watch,
            stopping=stopping,
            tracing=tracing,
        )
        endpoints = await edges.listen(stack)
        await stack.enter_async_context(
            running(
                serving.keep_fresh(),
                _housekeeping(office, metrics, pipeline),
                _rotate(office, metrics),
                keep_published(office.namespace, office.issuers, office.rotations, metrics),
            )
        )
        await stack.enter_async_context(administration_socket(office))
        _settle_memory()
        announce(endpoints)
        await stopping.wait()
        _log.info("stopping", waiting=pipeline.waiting)
    await _leave(office)
    _log.info("stopped")


async def _serving_certificate(
    office: Office, metrics: Metrics, host_name: str, stopping: asyncio.Event
) -> ServingCertificate:
    serving = ServingCertificate(
        authority=office.authority,
        issuers=office.issuers,
        names=serving_names(office.settings.listeners.advertised_names, host_name),
        key_factory=office.key_factory,
        clock=office.clock,
        metrics=metrics,
    )
    await _first_certificate(office, serving, stopping)
    return serving


async def _first_certificate(office: Office, serving: ServingCertificate, stopping: asyncio.Event) -> None:
    """Where the issuing CA or the root has expired, or its key is lost, waits for the rotation that replaces it.

    Raises IssuerExpired, NoActiveIssuer where no rotation does, or the process is to stop.
    """
    while True:
        try:
            await asyncio.to_thread(serving.renew)
        except (IssuerExpired, NoActiveIssuer) as err:
            await asyncio.to_thread(office.rotations.look)
            if stopping.is_set() or await asyncio.to_thread(office.rotations.rotations.current) is None:
                raise
            _log.error("nothing is served until what cannot sign is replaced; that is under way", reason=str(err))
        else:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _ROTATION_SECONDS)


def _pipeline(office: Office, metrics: Metrics, watch: CertificateWatch, tracing: "Tracing | None") -> SigningPipeline:
    slow = any(one.issuer.key_type not in _QUICK_KEYS for one in office.issuers.actives())
    return SigningPipeline(
        office.authority,
        capacity=office.settings.issuance.signing_queue,
        parallel=_PARALLEL_FOR_SLOW_KEYS if slow else 1,
        on_batch=metrics.batch_size.observe,
        on_recorded=watch.nudge,
        tracing=tracing,
        limits=HolderLimits(office.pod_certificates.pod_of, office.clock),
    )


def _settle_memory() -> None:
    """What lives as long as the process is not looked at again by every collection: fewer pauses, at no cost."""
    gc.collect()
    gc.freeze()


async def _housekeeping(office: Office, metrics: Metrics, pipeline: SigningPipeline) -> None:
    """What must happen now and then; a failure is logged and tried again."""
    while True:
        metrics.queue_length.set(pipeline.waiting)
        try:
            if office.policy.refresh():
                await asyncio.to_thread(office.audit.append, _policy_event(office))
            await asyncio.to_thread(office.revocations.refresh)
            await asyncio.to_thread(office.private_keys.purge, epoch_seconds(office.clock()))
            await asyncio.to_thread(office.pod_certificates.purge, epoch_seconds(office.clock()) - _SPENT_TOKEN_SECONDS)
            await asyncio.to_thread(office.pods.purge, epoch_seconds(office.clock()))
        except StoreError as err:
            metrics.background_failures.labels(task="housekeeping").inc()
            _log.warning("housekeeping put off", error=str(err))
        except Exception:  # noqa: BLE001 - whatever it is, revocations of other replicas must go on to arrive
            metrics.background_failures.labels(task="housekeeping").inc()
            _log.exception("housekeeping put off")
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


async def _rotate(office: Office, metrics: Metrics) -> None:
    """Follows the hierarchy, and moves its rotation on; a failure is logged and tried again."""
    while True:
        try:
            while await asyncio.to_thread(office.rotations.look):
                pass
            metrics.show_authorities(office.issuers.expiries())
            metrics.show_rotation(await asyncio.to_thread(office.rotations.rotations.latest))
        except (StoreError, CaError, CertsError) as err:
            metrics.background_failures.labels(task="rotation").inc()
            _log.warning("rotation put off", error=str(err))
        except Exception:  # noqa: BLE001 - whatever it is, a replica that no longer follows would be left behind
            metrics.background_failures.labels(task="rotation").inc()
            _log.exception("rotation put off")
        await asyncio.sleep(_ROTATION_SECONDS)


async def _leave(office: Office) -> None:
    """Other replicas need not wait for this one; where it cannot be said, they find out by its silence."""
    try:
        await asyncio.to_thread(office.rotations.leave)
    except StoreError as err:
        _log.warning("left without a word to the other replicas", error=str(err))


def _policy_event(office: Office) -> AuditEvent:
    """Which policy has come into force."""
    digest = hashlib.sha256(office.policy().document.encode()).hexdigest()
    return audit_event(Action.POLICY_LOAD, Call(caller=Caller.local(), id="policy"), at=office.clock(), sha256=digest)
