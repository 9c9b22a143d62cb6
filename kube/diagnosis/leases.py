"""Who leads the registrars, and whether it still does."""

from datetime import datetime

from kube.diagnosis.findings import Cause, Finding, fine, problem
from kube.diagnosis.text import instant, span
from kube.documents import JsonObject, mapping, text

_HINT = (
    "see the log of `ca-cli controller`: it leads once it reaches the API server and may write its Lease; until then no caBundle, "
    "no roots and no request is seen to"
)
_DEFAULT_SECONDS = 15


def judge_lease(name: str, lease: JsonObject | None, *, at: datetime) -> Finding:
    """`at` is by the API server's clock; a lease is not held any more once it was not renewed for twice its duration."""
    label = f"Lease/{name}"
    if lease is None:
        return problem(label, Cause.LEADER_MISSING, "there is none: no registrar has ever led here", _HINT)
    holder, renewed = text(lease, "spec", "holderIdentity"), _instant(text(lease, "spec", "renewTime"))
    if not holder:
        return problem(label, Cause.LEADER_MISSING, "nobody holds it: the last registrar gave it back", _HINT)
    if renewed is None:
        return problem(label, Cause.LEADER_MISSING, f"{holder} holds it and has never renewed it", _HINT)
    duration = mapping(lease, "spec").get("leaseDurationSeconds")
    seconds = duration if isinstance(duration, int) and duration > 0 else _DEFAULT_SECONDS
    age = (at - renewed).total_seconds()
    if age > 2 * seconds:
        return problem(
            label,
            Cause.LEADER_MISSING,
            f"{holder} held it, last at {instant(renewed)}, {span(at - renewed)} ago, and nobody has followed",
            _HINT,
        )
    return fine(label, f"{holder} leads, renewed {max(0, int(age))} seconds ago")


def _instant(said: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(said)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
