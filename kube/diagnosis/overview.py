"""One line for each target and certificate: what the examination comes to for who only wants to know how long things last."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from kube.diagnosis.bundles import Bundle
from kube.diagnosis.chains import Served
from kube.diagnosis.doctor import Examined
from kube.diagnosis.findings import Finding, Severity

_WORST = (Severity.PROBLEM, Severity.WARNING, Severity.OK, Severity.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`not_after` is the served certificate's, None where it was not seen; `roots_not_after` that of the caBundle's last root.
    `address` and `issuer` are empty for what nobody calls."""

    target: str
    severity: Severity
    address: str = ""
    issuer: str = ""
    not_after: datetime | None = None
    roots_not_after: datetime | None = None
    cause: str = ""
    why: str = ""


def lines_of(examination: Iterable[Examined]) -> Iterator[Line]:
    for examined in examination:
        if examined.observation is not None:
            yield _line(examined)
            continue
        for finding in examined.findings:
            if finding.ends is not None:
                yield Line(
                    target=finding.target,
                    severity=finding.severity,
                    not_after=finding.ends,
                    cause=finding.cause or "",
                    why=_why(finding),
                )


def _line(examined: Examined) -> Line:
    observation = examined.observation
    assert observation is not None  # noqa: S101 - the caller looked
    target, dialled = observation.target, observation.dialled
    worst = min(examined.findings, key=lambda one: _WORST.index(one.severity))
    leaf = dialled.leaf if isinstance(dialled, Served) else None
    return Line(
        target=target.label,
        address=target.address,
        issuer=leaf.issuer.rfc4514_string() if leaf else "",
        not_after=leaf.not_valid_after_utc if leaf else None,
        roots_not_after=Bundle.from_base64(target.ca_bundle).not_after,
        severity=worst.severity,
        cause=worst.cause or "",
        why=_why(worst),
    )


def _why(finding: Finding) -> str:
    return "" if finding.severity is Severity.OK else finding.summary
