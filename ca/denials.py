"""What was asked for and refused: written down before the refusal is answered.

- Only refusals of known callers (PermissionDenied) are kept; whoever cannot even authenticate leaves a log line, no record.
- Of one caller so many are kept and no more: whoever is refused all the time must not fill the audit trail. The log has the others.
- A store that cannot write must not turn a refusal into anything else: the log tells of it.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from ca.ambient import Clock
from ca.audit import Action, audit_event
from ca.calls import Call
from ca.errors import PermissionDenied
from ca.token_buckets import Buckets, Rate
from store.audit import AuditTrail
from store.errors import StoreError

REFUSALS_PER_CALLER = Rate(burst=100, seconds=10)

_CALLERS_REMEMBERED = 65536

_log = structlog.get_logger("chancery.denials")


@dataclass(frozen=True, slots=True, kw_only=True)
class DenialLog:
    """Belongs to an event loop; the writing happens in a worker thread."""

    audit: AuditTrail
    clock: Clock
    kept: Buckets = field(default_factory=lambda: Buckets(REFUSALS_PER_CALLER, _CALLERS_REMEMBERED))

    async def note(self, call: Call | None, method: str, error: Exception) -> None:
        """Does nothing for errors that are not refusals."""
        if call is None or not isinstance(error, PermissionDenied):
            return
        await self.write(call, method, reason=error.reason, explanation=str(error))

    async def write(self, call: Call, method: str, *, reason: str, explanation: str, **details: str) -> None:
        """For a refusal that is answered with less than is written down."""
        if not self.kept.holds(call.caller.name, self.clock()):
            _log.warning(
                "refusal not recorded: too many of this caller", request=call.id, caller=call.caller.name, **details
            )
            return
        self.kept.take(call.caller.name)
        event = audit_event(
            Action.REQUEST_DENY,
            call,
            at=self.clock(),
            method=method,
            reason=reason,
            explanation=explanation[:1000],
            **details,
        )
        try:
            await asyncio.to_thread(self.audit.append, event)
        except StoreError as err:
            _log.warning("refusal not recorded", request=call.id, error=str(err))
