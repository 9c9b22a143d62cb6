"""Conditions of an object's status, read and written."""

from datetime import datetime, timedelta

from kube.documents import JsonObject, JsonValue, created_at, objects, text
from kube.instants import timestamp

_LONGEST_MESSAGE = 1000
LONGEST_WAIT = timedelta(minutes=5)
"""Until somebody looks again at a request that waits, or at an issuer, whatever was told of it."""


def holds(document: JsonObject, type: str) -> bool:  # noqa: A002 - the field's name
    """Whether a condition is True. Where the status lacks, it is (certificates.k8s.io/v1 has it so)."""
    return any(
        text(condition, "type") == type and condition.get("status", "True") == "True"
        for condition in objects(document, "status", "conditions")
    )


def condition_of(document: JsonObject, type: str) -> JsonObject | None:  # noqa: A002 - the field's name
    return next((one for one in objects(document, "status", "conditions") if text(one, "type") == type), None)


def condition(*, type: str, status: str, reason: str, message: str, now: datetime) -> JsonObject:  # noqa: A002 - the field's name
    """As metav1.Condition has it; a message of any length and origin."""
    return {
        "type": type,
        "status": status,
        "reason": reason,
        "message": " ".join(message.split())[:_LONGEST_MESSAGE],
        "lastTransitionTime": timestamp(now),
    }


def later(again: timedelta | None, document: JsonObject, now: datetime) -> timedelta | None:
    """When to look again at a request that waits: the older it is, the later. Whoever makes many that come to nothing must not keep
    the signers from those of others."""
    created = created_at(document)
    if again is None or created is None:
        return again
    return max(again, min((now - created) / 8, LONGEST_WAIT))


def seconds_of(value: JsonValue) -> timedelta | None:
    """Of a field with a positive number of seconds (int32); None for whatever else is there."""
    given = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31
    return timedelta(seconds=value) if given and isinstance(value, int) else None


def with_status(document: JsonObject, **fields: JsonValue) -> JsonObject:
    """A copy, to be written under the version that was read."""
    status = document.get("status")
    before = status if isinstance(status, dict) else {}
    return {**document, "status": {**before, **fields}}


def with_condition(document: JsonObject, new: JsonObject) -> list[JsonValue]:
    """The conditions with this one in the place of the one of its type; it keeps the instant of a status that does not change."""
    before = condition_of(document, text(new, "type"))
    if before is not None and before.get("status") == new.get("status") and text(before, "lastTransitionTime"):
        new = {**new, "lastTransitionTime": text(before, "lastTransitionTime")}
    kept = [one for one in objects(document, "status", "conditions") if text(one, "type") != text(new, "type")]
    return [*kept, new]
