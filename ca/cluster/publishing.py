"""Keeps the Secret of the roots up to date while the process serves, and has rotations wait for it.

- A new set of roots is published within a second of being known; what others did to the Secret is undone within half a minute.
- A failure is logged, counted, told as an Event where an operator has to do something, and tried again.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog

from ca.cluster.own_namespace import OwnNamespace
from ca.cluster.roots import RootsPublication
from ca.errors import CaError, Misconfigured
from ca.issuers import Issuers
from ca.metrics import Metrics
from certs.errors import CertsError
from store.errors import StoreError

if TYPE_CHECKING:
    from ca.rotation.keeper import RotationKeeper

_LOOK_SECONDS = 1.0
_AGAIN_AFTER = 30
"""Looks; or less, where the roots have changed."""

_log = structlog.get_logger("chancery.roots")


async def keep_published(
    namespace: OwnNamespace | None,
    issuers: Issuers,
    rotations: "RotationKeeper",
    metrics: Metrics,
    *,
    look_seconds: float = _LOOK_SECONDS,
) -> None:
    """For as long as the process runs; returns at once where nothing is to be published."""
    publication = None if namespace is None else namespace.publication(issuers, at_the_start=False)
    if namespace is None or publication is None:
        return
    consumer = f"secret {namespace.namespace}/{namespace.roots_secret}"
    while True:
        generation = await _try_to_publish(namespace, publication, metrics)
        if generation is not None:
            await _report(rotations, consumer, generation)
        for _ in range(_AGAIN_AFTER):
            await asyncio.sleep(look_seconds)
            if generation is not None and issuers.bundle.generation != generation:
                break


async def _try_to_publish(namespace: OwnNamespace, publication: RootsPublication, metrics: Metrics) -> int | None:
    try:
        return await asyncio.to_thread(publication.publish)
    except (StoreError, CaError, CertsError) as err:
        metrics.publication_failures.inc()
        _log.warning("roots not published", secret=namespace.roots_secret, error=str(err))
        if isinstance(err, Misconfigured):
            await asyncio.to_thread(namespace.tell, err)
    except Exception:  # noqa: BLE001 - whatever it is, the next rotation must be published
        metrics.publication_failures.inc()
        _log.exception("roots not published", secret=namespace.roots_secret)
    return None


async def _report(rotations: "RotationKeeper", consumer: str, generation: int) -> None:
    """Rotations wait for the Secret as for any consumer of the trust bundle."""
    try:
        await asyncio.to_thread(rotations.report, consumer, generation)
    except StoreError as err:
        _log.warning("it could not be noted that the roots are published", error=str(err))
