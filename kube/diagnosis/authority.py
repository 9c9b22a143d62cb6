"""How the authority stands: by its metrics, which anybody may read, and by its own word to an administrator."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from ca.client.values import IssuerStatus, RotationStatus
from kube.diagnosis.findings import Cause, Finding, fine, problem, skipped, warning
from kube.diagnosis.text import instant, span

_EXPIRY = "chancery_ca_expiry_timestamp_seconds"
_PHASE = "chancery_ca_rotation_phase"
_ENTERED = "chancery_ca_rotation_entered_timestamp_seconds"
_SAMPLE = re.compile(r"^(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>[0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(?P<name>\w+)="(?P<value>[^"]*)"')
_ENDS_SOON = timedelta(days=30)
_SHARE_LEFT = 5
_SERVING_ENDS_SOON = timedelta(hours=4)
_SHOWN = 5
_STUCK = timedelta(days=2)


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
    """Kind and end of each certificate that the authority's process depends on."""
    return sorted({(labels.get("kind", ""), instant) for labels, instant in _instants(exposition, _EXPIRY)})


def judge_phases(exposition: str, *, at: datetime) -> Iterator[Finding]:
    """Of rotations: `signing` lasts as long as the old certificates do, the other phases do not."""
    under_way = list(_instants(exposition, _ENTERED))
    if not under_way:
        yield fine("rotation", "none under way") if _PHASE in exposition else _unknown()
    for labels, entered in under_way:
        phase = labels.get("phase", "")
        summary = f"{labels.get('kind', '')}, {phase} for {span(at - entered)}"
        if at - entered > _STUCK and phase != "signing":
            hint = "ask for whom it waits: ca-cli rotate root --status, as an administrator"
            yield warning("rotation", Cause.ROTATION_WAITS, summary, hint)
        else:
            yield fine("rotation", summary)


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


def _unknown() -> Finding:
    return skipped("rotation", "only an administrator may ask for it: --identity DIR, with --server HOST:PORT")


def _instants(exposition: str, name: str) -> Iterator[tuple[dict[str, str], datetime]]:
    """Labels and instant of each sample of a metric; what is no instant is left out."""
    for sample in _SAMPLE.finditer(exposition):
        if sample["name"] == name:
            with contextlib.suppress(ValueError, OverflowError, OSError):
                at = datetime.fromtimestamp(float(sample["value"]), UTC)
                yield {one["name"]: one["value"] for one in _LABEL.finditer(sample["labels"])}, at
