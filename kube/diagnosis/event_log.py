"""What Events say about an object: the words of whoever was hindered, where no status has them.

- They explain what is wrong already, and are no finding by themselves: whoever may make Events may say anything in them.
- They are forgotten after an hour, and said again for as long as what they are about lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kube.documents import JsonObject, mapping, text, uid_of
from kube.instants import instant_of

_LONGEST = 400
_LEAST_TELLING = {"BackOff", "Unhealthy"}
"""Of the kubelet: that a container was started again or does not answer, which its status has too, and not why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    reason: str
    message: str
    at: datetime
    is_warning: bool

    def __str__(self) -> str:
        return f"{self.reason}: {' '.join(self.message.split())[:_LONGEST]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """By the UID of what they are about: what had the same name before is something else."""

    events: Sequence[JsonObject] = field(default=())

    def last(self, about: JsonObject | None, *reasons: str, warnings_alone: bool = True) -> Said | None:
        """The latest of those that tell most; of `reasons` alone, where there are any. None where nothing was said."""
        uid = uid_of(about) if about is not None else ""
        if not uid:
            return None
        said = [_said(one) for one in self.events if text(one, "involvedObject", "uid") == uid]
        wanted = [
            one
            for one in said
            if one.message and (one.is_warning or not warnings_alone) and (not reasons or one.reason in reasons)
        ]
        return max(wanted, key=lambda one: (one.reason not in _LEAST_TELLING, one.at), default=None)


def _said(event: JsonObject) -> Said:
    instants = (
        text(mapping(event, "series"), "lastObservedTime"),
        text(event, "lastTimestamp"),
        text(event, "eventTime"),
        text(event, "metadata", "creationTimestamp"),
    )
    return Said(
        reason=text(event, "reason"),
        message=text(event, "message"),
        at=next((at for one in instants if (at := instant_of(one))), datetime.min.replace(tzinfo=UTC)),
        is_warning=text(event, "type") == "Warning",
    )
