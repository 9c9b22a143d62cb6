"""The full pass: what the authority knows, beside what is there in the cluster.

- Makes up for what nobody saw: pods that went while no registrar ran, names that changed meanwhile, an authority that was
  restored from a backup.
- A list of the authority's that broke off is no list. What one pod's case alone makes impossible keeps nobody from the others.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeVar

import structlog

from ca.client.errors import CallFailed, CallUnavailable, ClientError
from kube.collections import Collection
from kube.documents import uid_of
from kube.errors import CallerFault, KubeError
from kube.pods.authority import PodAuthority
from kube.pods.ledger import Ledger
from kube.pods.settlement import Settlement

T = TypeVar("T")

_log = structlog.get_logger("chancery.kube.pods")


def make_full_pass(
    pods: Collection, authority: PodAuthority, ledger: Ledger, settlement: Settlement
) -> timedelta | None:
    """Returns when to look again, where a pod wants that. Raises KubeError and ClientError, where something is left to be done."""
    remembered = ledger.uids()
    known = {pod.uid: pod for pod in authority.list_pods()}
    living = {uid_of(document): document for document in pods.all()}

    def compare(uid: str) -> timedelta | None:
        pod, document = known.get(uid), living.get(uid)
        if document is not None:
            if pod is None:
                ledger.forget_names(uid)
            return settlement.settle(document, is_known=pod is not None)
        if pod is not None:
            return settlement.depart(pod.namespace, pod.name, uid)
        ledger.forget(uid)
        return None

    _log.debug("full pass", known=len(known), living=len(living))
    return for_each(known.keys() | remembered, compare)


def for_each(things: Iterable[T], act: Callable[[T], timedelta | None]) -> timedelta | None:
    """Returns the soonest of what `act` returns. Goes on after what concerns one alone, and raises the first of these at the
    end; raises at once what concerns all."""
    soonest: timedelta | None = None
    first: KubeError | ClientError | None = None
    for thing in things:
        try:
            again = act(thing)
            soonest = min(filter(None, (soonest, again)), default=None)
        except CallUnavailable:
            raise
        except (CallFailed, CallerFault) as err:
            first = first or err
        except ValueError as err:
            _log.warning("a pod that cannot be in a cluster", error=str(err))
    if first is not None:
        raise first
    return soonest
