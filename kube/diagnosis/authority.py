"""How the authority stands: by its metrics, which anybody may read, and by its own word to an administrator."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from ca.client.values import IssuerStatus, RotationStatus
from kube.diagnosis.findings import Cause, Finding, fine, problem, warning
from kube.diagnosis.text import instant, span

EXPIRY = re.compile(r"^chancery_ca_expiry_timestamp_seconds\{(?P<labels>[^}]*)\} (?P<value>[0-9.e+]+)$", re.MULTILINE)
_KIND = re.compile(r'kind="(?P<kind>[^"]*)"')
_ENDS_SOON = timedelta(days=30)
_SHARE_LEFT = 5
_SERVING_ENDS_SOON = timedelta(hours=4)
_SHOWN = 5


def judge_metrics(exposition: str, *, at: datetime) -> Iterator[Finding]:
    """What Prometheus would be alerted by."""
    for kind, ends in expiries(exposition):
        label = f"authority {kind}"
        soon = _SERVING_ENDS_SOON if kind == "serving" else _ENDS_SOON
        if ends < at:
            yield problem(label, Cause.CERTIFICATE_EXPIRED, f"expired at {instant(ends)}", _advice(kind), ends=ends)
        elif ends - at < soon:
            yield warning(
                label,
                Cause.CERTIFICATE_EXPIRES,
                f"ends at {instant(ends)}, in {span(ends - at)}",
                _advice(kind),
                ends=ends,
            )
        else:
            yield fine(label, f"until {instant(ends)}", ends=ends)


def expiries(exposition: str) -> Sequence[tuple[str, datetime]]:
    """Kind and end of each certificate that the authority's process depends on, by its metrics."""
    found = set()
    for match in EXPIRY.finditer(exposition):
        kind = _KIND.search(match["labels"])
        if kind is not None:
            found.add((kind["kind"], datetime.fromtimestamp(float(match["value"]), UTC)))
    return sorted(found)


def judge_issuers(issuers: Sequence[IssuerStatus], *, at: datetime) -> Iterator[Finding]:
    for one in issuers:
        label, found = f"authority {one.profile}", f"{one.subject}, {one.state}, until {instant(one.not_after)}"
        if one.state == "retired":
            continue
        if at > one.not_after:
            yield problem(
                label, Cause.CERTIFICATE_EXPIRED, f"{found}: expired", _advice(one.profile), ends=one.not_after
            )
        elif one.not_after - at < (one.not_after - one.not_before) / _SHARE_LEFT:
            yield warning(
                label,
                Cause.CERTIFICATE_EXPIRES,
                f"{found}: in its last fifth",
                _advice(one.profile),
                ends=one.not_after,
            )
        else:
            yield fine(label, found, ends=one.not_after)


def judge_rotation(status: RotationStatus, *, at: datetime) -> Finding:
    label, rotation = "rotation", status.rotation
    if rotation is None or not status.is_under_way:
        return fine(label, f"none under way; generation {status.generation} of the trust bundle")
    behind = [one for one in status.consumers if one.held_generation < status.generation]
    names = ", ".join(f"{one.name} (generation {one.held_generation})" for one in behind[:_SHOWN])
    more = f" and {status.consumers_behind - _SHOWN} more" if status.consumers_behind > _SHOWN else ""
    lag = f"; lagging: {names}{more}" if names else ""
    since = f"{rotation.kind}, {rotation.phase} for {span(at - rotation.entered_at)}"
    if not status.waits:
        return fine(label, f"{since}{lag}")
    return warning(
        label,
        Cause.ROTATION_WAITS,
        f"{since}, waits: {'; '.join(status.waits)}{lag}",
        f"it goes on once those who lag have followed or are gone: see their findings; back: ca-cli rotate {rotation.kind} --abort",
    )


def _advice(kind: str) -> str:
    if kind == "serving":
        return "the authority renews it by itself: see its log for why it does not"
    return "replace it: ca-cli rotate root" if kind == "root" else "replace it: ca-cli rotate issuer"
