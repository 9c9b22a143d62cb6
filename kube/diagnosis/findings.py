"""What was found about one target: how bad, why, what to do, and where that is written at length.

- `Cause` is part of the interface: each has its section in docs/runbooks.md, under its own name as anchor.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

RUNBOOKS = "docs/runbooks.md"


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Cause(StrEnum):
    """Why something is not as it should be."""

    API_SERVER_UNREACHABLE = "api-server-unreachable"
    RIGHTS_MISSING = "rights-missing"
    NOT_INSTALLED = "not-installed"
    CLOCK_SKEW = "clock-skew"
    RELEASE_PENDING = "release-pending"
    RELEASE_FAILED = "release-failed"
    ROLLOUT_UNFINISHED = "rollout-unfinished"
    PODS_NOT_READY = "pods-not-ready"
    VOLUME_MISSING = "volume-missing"
    VOLUME_PENDING = "volume-pending"
    API_SERVICE_UNAVAILABLE = "api-service-unavailable"
    NAMESPACE_STUCK = "namespace-stuck"
    WEBHOOK_FAILS = "webhook-fails"
    SERVICE_MISSING = "service-missing"
    ENDPOINTS_MISSING = "endpoints-missing"
    PORT_UNREACHABLE = "port-unreachable"
    TLS_MISSING = "tls-missing"
    CA_BUNDLE_EMPTY = "ca-bundle-empty"
    CA_BUNDLE_GARBAGE = "ca-bundle-garbage"
    CA_BUNDLE_FOREIGN = "ca-bundle-foreign"
    CA_BUNDLE_STALE = "ca-bundle-stale"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_EXPIRES = "certificate-expires"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_NAME = "certificate-name"
    CERTIFICATE_UNSUITABLE = "certificate-unsuitable"
    LEADER_MISSING = "leader-missing"
    SECRET_MISSING = "secret-missing"  # noqa: S105 - the name of a cause
    ROOTS_SECRET_MISSING = "roots-secret-missing"  # noqa: S105 - the name of a cause
    ROOTS_NOT_DISTRIBUTED = "roots-not-distributed"
    ROTATION_WAITS = "rotation-waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`cause` is None where nothing is wrong, or nothing was seen; `hint` says what to do, and is empty where nothing
    is; `ends` is when what was looked at expires, where it is a certificate and nobody calls it."""

    target: str
    severity: Severity
    summary: str
    cause: Cause | None = None
    hint: str = ""
    ends: datetime | None = None

    @property
    def runbook(self) -> str:
        return f"{RUNBOOKS}#{self.cause}" if self.cause else ""


def fine(target: str, summary: str, *, ends: datetime | None = None) -> Finding:
    return Finding(target=target, severity=Severity.OK, summary=summary, ends=ends)


def warning(target: str, cause: Cause, summary: str, hint: str, *, ends: datetime | None = None) -> Finding:
    return Finding(target=target, severity=Severity.WARNING, cause=cause, summary=summary, hint=hint, ends=ends)


def problem(target: str, cause: Cause, summary: str, hint: str, *, ends: datetime | None = None) -> Finding:
    return Finding(target=target, severity=Severity.PROBLEM, cause=cause, summary=summary, hint=hint, ends=ends)


def skipped(target: str, summary: str, *, cause: Cause | None = None, hint: str = "") -> Finding:
    return Finding(target=target, severity=Severity.SKIPPED, cause=cause, summary=summary, hint=hint)
