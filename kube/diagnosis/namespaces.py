"""Namespaces that are deleted and do not end: most often an API that is registered and not served keeps them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kube.diagnosis.findings import Cause, Finding, warning
from kube.diagnosis.text import span
from kube.documents import JsonObject, metadata, name_of, objects, text

_PATIENCE = timedelta(minutes=1)
_LONGEST = 300
_SHOWN = 5


def judge_namespaces(namespaces: Sequence[JsonObject], *, at: datetime) -> Iterator[Finding]:
    """One finding for all of them, with what the first of them says."""
    stuck = [(one, since) for one in namespaces if (since := _deleted(one)) is not None and at - since > _PATIENCE]
    if not stuck:
        return
    first, since = stuck[0]
    names = ", ".join(name_of(one) for one, _ in stuck[:_SHOWN])
    more = f" and {len(stuck) - _SHOWN} more" if len(stuck) > _SHOWN else ""
    yield warning(
        "namespaces",
        Cause.NAMESPACE_STUCK,
        f"{names}{more}: deleted, and not ended; {name_of(first)} for {span(at - since)}{_why(first)}",
        "see the findings of APIServices, as deletion waits for each; one that was left behind: kubectl delete apiservice NAME",
    )


def _deleted(namespace: JsonObject) -> datetime | None:
    try:
        said = datetime.fromisoformat(str(metadata(namespace).get("deletionTimestamp")))
    except ValueError:
        return None
    return said if said.tzinfo else None


def _why(namespace: JsonObject) -> str:
    for one in objects(namespace, "status", "conditions"):
        if text(one, "status") == "True" and (message := text(one, "message")):
            return f": {message[:_LONGEST]}"
    return ""
