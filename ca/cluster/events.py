"""Events about the authority's own Secrets (core/v1), for whoever looks at them with kubectl.

- Never in the way: what cannot be told is not told, and nothing waits for it.
- The same thing is told once for as long as the cluster keeps the first Event, an hour as a rule.
"""

import hashlib
from dataclasses import dataclass

import structlog

from ca.ambient import Clock
from ca.cluster.connection import ClusterConnection
from ca.cluster.faults import NoAnswer, Occupied

_LONGEST_MESSAGE = 1024
_COMPONENT = "chancery-ca"

_log = structlog.get_logger("chancery.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEvents:
    """Warnings about Secrets of one namespace."""

    connection: ClusterConnection
    namespace: str
    clock: Clock

    def warn(self, secret: str, *, reason: str, message: str) -> None:
        """`reason` is that of an error: AUTHORITY_LOST is told as AuthorityLost."""
        instant = self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        camel = "".join(word.capitalize() for word in reason.split("_"))
        digest = hashlib.sha256(f"{camel}\n{message}".encode()).hexdigest()[:16]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{secret[:200]}.{digest}", "namespace": self.namespace},
            "involvedObject": {"apiVersion": "v1", "kind": "Secret", "name": secret, "namespace": self.namespace},
            "type": "Warning",
            "reason": camel,
            "message": message[:_LONGEST_MESSAGE],
            "source": {"component": _COMPONENT},
            "firstTimestamp": instant,
            "lastTimestamp": instant,
            "count": 1,
        }
        try:
            self.connection.post(f"/api/v1/namespaces/{self.namespace}/events", event)
        except Occupied:
            return
        except NoAnswer as err:
            _log.info("no event was recorded", about=secret, reason=camel, error=str(err))
