"""The auditor: from requests to events in the log, as the policy says.

- A request of which nothing is written costs the decision, and nothing after it.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from apiserver.ambient import Clock
from apiserver.audit.events import RequestRecord
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import AuditPolicy, Level, Stage
from apiserver.errors import ServiceUnavailable
from apiserver.identity.user import Attributes, User

_MOST_ADDRESSES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from. `addresses` are as proxies named them, the one that is connected last."""

    audit_id: str
    uri: str
    addresses: tuple[str, ...]
    user_agent: str
    received_at: datetime | None = None


class Auditor:
    """Belongs to the event loop."""

    def __init__(
        self,
        policy: AuditPolicy,
        log: AuditLog,
        *,
        blocking: bool,
        clock: Clock,
        on_event: Callable[[], None],
        on_level: Callable[[str], None] = lambda _level: None,
    ) -> None:
        """`on_event` is called for each event, `on_level` for each request with its level."""
        self._policy = policy
        self._log = log
        self._blocking = blocking
        self._clock = clock
        self._on_event = on_event
        self._on_level = on_level
        self._silent = Audit(self, None)

    async def begin(self, origin: Origin, user: User | None, attributes: Attributes) -> "Audit":
        """`user` is None where authentication failed; then nothing is written of the beginning.

        Raises ServiceUnavailable where events are waited for and cannot be written.
        """
        decision = self._policy.decide(user, attributes)
        self._on_level(decision.level.value)
        if decision.level is Level.NONE:
            return self._silent
        record = RequestRecord(
            audit_id=origin.audit_id,
            decision=decision,
            uri=origin.uri,
            source_addresses=tuple(filter(_is_address, origin.addresses[-_MOST_ADDRESSES:])),
            user_agent=origin.user_agent,
            user=user,
            attributes=attributes,
            received_at=origin.received_at or self._clock(),
        )
        audit = Audit(self, record)
        if user is not None:
            await audit.tell(Stage.REQUEST_RECEIVED)
        return audit

    async def write(self, record: RequestRecord, stage: Stage, code: int | None, response_object: bytes | None) -> None:
        """Raises ServiceUnavailable."""
        at = record.received_at if stage is Stage.REQUEST_RECEIVED else self._clock()
        line = record.event(stage, at, code=code, response_object=response_object)
        self._on_event()
        if not self._blocking:
            self._log.offer(line)
            return
        future = self._log.write(line)
        if future is None:
            raise ServiceUnavailable("audit events cannot be written fast enough; try again", retry_after=1)
        try:
            await asyncio.wrap_future(future)
        except OSError as err:
            raise ServiceUnavailable("audit events cannot be written; try again", retry_after=1) from err


class Audit:
    """Of one request; `record` is None where nothing of it is written."""

    __slots__ = ("_auditor", "record")

    def __init__(self, auditor: Auditor, record: RequestRecord | None) -> None:
        self._auditor = auditor
        self.record = record

    @property
    def wants_request(self) -> bool:
        return self.record is not None and self.record.level in {Level.REQUEST, Level.REQUEST_RESPONSE}

    @property
    def wants_response(self) -> bool:
        return self.record is not None and self.record.level is Level.REQUEST_RESPONSE

    def annotate(self, name: str, value: str) -> None:
        """The first word on a matter stands, as in kube-apiserver."""
        if self.record is not None:
            self.record.annotations.setdefault(name, value)

    def impersonates(self, user: User) -> None:
        if self.record is not None:
            self.record.impersonated = user

    def failed(self, error: BaseException) -> None:
        """Events from now on tell the Status of an error, and not its code alone."""
        if self.record is not None:
            self.record.error = error

    async def tell(self, stage: Stage, *, code: int | None = None, response_object: bytes | None = None) -> None:
        """Raises ServiceUnavailable in blocking mode."""
        if self.record is not None and stage not in self.record.decision.omitted:
            await self._auditor.write(self.record, stage, code, response_object)


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    """X-Forwarded-For may hold anything."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
