"""The auditor: from requests to events in the log, as the policy says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from apiserver.ambient import Clock
from apiserver.audit.events import RequestRecord
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import AuditPolicy, Level, Stage
from apiserver.errors import ServiceUnavailable
from apiserver.identity.user import Attributes, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from."""

    audit_id: str
    uri: str
    addresses: tuple[str, ...]
    user_agent: str


class Auditor:
    """Belongs to the event loop."""

    def __init__(
        self, policy: AuditPolicy, log: AuditLog, *, blocking: bool, clock: Clock, on_event: Callable[[], None]
    ) -> None:
        self._policy = policy
        self._log = log
        self._blocking = blocking
        self._clock = clock
        self._on_event = on_event

    async def begin(self, origin: Origin, user: User, attributes: Attributes) -> "Audit":
        """Raises ServiceUnavailable where events are waited for and cannot be written."""
        level, omitted = self._policy.decide(user, attributes)
        if level is Level.NONE:
            return Audit(self, None, omitted)
        record = RequestRecord(
            audit_id=origin.audit_id,
            level=level,
            uri=origin.uri,
            source_addresses=origin.addresses,
            user_agent=origin.user_agent,
            user=user,
            attributes=attributes,
            received_at=self._clock(),
        )
        audit = Audit(self, record, omitted)
        await audit.tell(Stage.REQUEST_RECEIVED)
        return audit

    async def write(self, record: RequestRecord, stage: Stage, code: int | None, response_object: bytes | None) -> None:
        """Raises ServiceUnavailable."""
        self._on_event()
        future = self._log.write(record.event(stage, self._clock(), code=code, response_object=response_object))
        if not self._blocking:
            return
        try:
            if future is None:
                raise ServiceUnavailable("audit events cannot be written fast enough; try again", retry_after=1)
            await asyncio.wrap_future(future)
        except OSError as err:
            raise ServiceUnavailable("audit events cannot be written; try again", retry_after=1) from err


class Audit:
    """Of one request; `record` is None where nothing of it is written."""

    __slots__ = ("_auditor", "_omitted", "record")

    def __init__(self, auditor: Auditor, record: RequestRecord | None, omitted: frozenset[Stage]) -> None:
        self._auditor = auditor
        self._omitted = omitted
        self.record = record

    @property
    def wants_request(self) -> bool:
        return self.record is not None and self.record.level in {Level.REQUEST, Level.REQUEST_RESPONSE}

    @property
    def wants_response(self) -> bool:
        return self.record is not None and self.record.level is Level.REQUEST_RESPONSE

    def annotate(self, name: str, value: str) -> None:
        if self.record is not None:
            self.record.annotations[name] = value

    def impersonates(self, user: User) -> None:
        if self.record is not None:
            self.record.impersonated = user

    async def tell(self, stage: Stage, *, code: int | None = None, response_object: bytes | None = None) -> None:
        """Raises ServiceUnavailable in blocking mode."""
        if self.record is not None and stage not in self._omitted:
            await self._auditor.write(self.record, stage, code, response_object)
