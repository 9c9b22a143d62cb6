"""What became of a request, in Event, log and metric; and of an order: the certificate, or why the request fails.

- Nobody's names, keys or requests are in labels of metrics: resource, outcome and reason, all of them ours.
"""

import threading

import structlog
from prometheus_client import CollectorRegistry, Counter

from ca.client.errors import ClientError
from ca.client.values import IssuedCertificate
from kube.collections import Resource
from kube.documents import JsonObject, name_of, namespace_of, uid_of
from kube.events import Events, EventType
from kube.instants import timestamp
from kube.signers.authority import Authority
from kube.signers.decisions import Fail, Sign
from kube.signers.errors import AnswerUnfit, OrderRefused

_MOST_REMEMBERED = 10_000

_log = structlog.get_logger("chancery.kube.signers")


class Outcomes:
    """Told once for each thing that was written; safe from any thread."""

    def __init__(self, events: Events, registry: CollectorRegistry) -> None:
        self._events = events
        self._requests = count_requests(registry)
        self._waiting: dict[str, str] = {}
        self._lock = threading.Lock()

    def fulfil(self, authority: Authority, order: Sign, document: JsonObject) -> IssuedCertificate | Fail:
        """Raises ClientError and AnswerUnfit for what may go better next time, and says so on the object."""
        try:
            return authority.sign(order)
        except OrderRefused as err:
            return Fail(reason=err.condition_reason, message=str(err))
        except (ClientError, AnswerUnfit) as err:
            self.waits(document, "AuthorityUnavailable", str(err))
            raise

    def written(self, document: JsonObject, resource: Resource, outcome: str, reason: str, message: str) -> None:
        """`outcome` is Approved, Issued, Denied or Failed."""
        with self._lock:
            self._waiting.pop(uid_of(document), None)
        self._requests.labels(resource.plural, outcome).inc()
        kind = EventType.NORMAL if outcome in {"Approved", "Issued"} else EventType.WARNING
        self._events.record(document, kind, reason, message)
        _log.info(outcome.lower(), resource=resource.plural, reason=reason, message=message, **_place(document))

    def issued(self, document: JsonObject, resource: Resource, certificate: IssuedCertificate) -> None:
        message = f"certificate {certificate.serial_number} is valid until {timestamp(certificate.not_after)}"
        self.written(document, resource, "Issued", "Issued", message)

    def waits(self, document: JsonObject, reason: str, message: str) -> None:
        """Said once, until it waits for something else."""
        uid = uid_of(document)
        with self._lock:
            if self._waiting.get(uid) == message:
                return
            if len(self._waiting) >= _MOST_REMEMBERED:
                self._waiting.pop(next(iter(self._waiting)))
            self._waiting[uid] = message
        self._events.record(document, EventType.NORMAL, reason, message)
        _log.info("waits", reason=reason, message=message, **_place(document))


def count_requests(registry: CollectorRegistry) -> Counter:
    return Counter(
        "chancery_kube_signer_requests",
        "Requests for certificates that were answered, by what was written.",
        ["resource", "outcome"],
        registry=registry,
    )


def _place(document: JsonObject) -> dict[str, str]:
    return {"namespace": namespace_of(document), "name": name_of(document)}
