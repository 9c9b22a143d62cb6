"""A bundle of roots as it stands in an object: what can be read of it, and how it differs from the authority's own."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509

from certs.errors import CertsError
from certs.fingerprints import certificate_fingerprint
from certs.pem import split_certificates
from kube.diagnosis.findings import Cause, Finding, problem, warning
from kube.diagnosis.text import instant
from kube.documents import JsonValue

ROOT_ENDS_SOON = timedelta(days=30)
_RESTORED = (
    "the registrar restores it within seconds: see whether `ca-cli controller` runs, leads, and may patch this kind"
)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """`fault` says why it cannot be read; no certificates and no fault: there is nothing in it."""

    certificates: tuple[x509.Certificate, ...] = ()
    fault: str = ""

    @classmethod
    def from_base64(cls, octets: JsonValue) -> "Bundle":
        """A `caBundle`, or what a Secret holds."""
        if octets is None:
            return cls()
        if not isinstance(octets, str):
            return cls(fault="it is no text")
        try:
            return cls.from_pem(base64.b64decode(octets, validate=True))
        except ValueError:
            return cls(fault="it is no base64")

    @classmethod
    def from_text(cls, pem: JsonValue) -> "Bundle":
        """What a ConfigMap holds, or a ClusterTrustBundle."""
        if pem is None:
            return cls()
        return cls.from_pem(pem.encode()) if isinstance(pem, str) else cls(fault="it is no text")

    @classmethod
    def from_pem(cls, pem: bytes) -> "Bundle":
        if not pem.strip():
            return cls()
        try:
            certificates = split_certificates(pem)
        except (CertsError, ValueError) as err:
            return cls(fault=str(err))
        return cls(certificates=tuple(certificates))

    @cached_property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(certificate_fingerprint(one).hex() for one in self.certificates)

    @property
    def not_after(self) -> datetime | None:
        """When the last of them ends."""
        return max((one.not_valid_after_utc for one in self.certificates), default=None)


def judge_bundle(target: str, bundle: Bundle, roots: Bundle | None, *, at: datetime) -> Iterator[Finding]:
    """Of an object that asked for the authority's roots; `roots` is None where nobody knows them."""
    if bundle.fault:
        yield problem(target, Cause.CA_BUNDLE_GARBAGE, f"its caBundle is not certificates: {bundle.fault}", _RESTORED)
    elif not bundle.certificates:
        yield problem(
            target,
            Cause.CA_BUNDLE_EMPTY,
            "its caBundle is empty: the API server trusts nobody there but the roots of its own system",
            f"{_RESTORED}; an object that asks for it has the label chancery.dev/inject=true",
        )
    else:
        against = list(_against(target, bundle, roots))
        yield from against
        if not any(one.cause is Cause.CA_BUNDLE_FOREIGN for one in against):  # whose end is nobody's concern
            yield from judge_ends(target, bundle.certificates, at=at)


def _against(target: str, bundle: Bundle, roots: Bundle | None) -> Iterator[Finding]:
    if roots is None or not roots.fingerprints or bundle.fingerprints == roots.fingerprints:
        return
    if not bundle.fingerprints & roots.fingerprints:
        yield problem(
            target,
            Cause.CA_BUNDLE_FOREIGN,
            f"its caBundle is another authority's: {_names(bundle.certificates)}",
            f"{_RESTORED}; if somebody else writes it (an annotation for cainjector, a value in a chart), one of the two must stop",
        )
    else:
        yield warning(
            target,
            Cause.CA_BUNDLE_STALE,
            f"its caBundle has {len(bundle.fingerprints & roots.fingerprints)} of the authority's {len(roots.fingerprints)} roots",
            _RESTORED,
        )


def judge_ends(target: str, certificates: Sequence[x509.Certificate], *, at: datetime) -> Iterator[Finding]:
    """Of roots: bad when all of them end, as one that is replaced is left in for a while."""
    last = max(certificates, key=lambda one: one.not_valid_after_utc)
    ends = last.not_valid_after_utc
    what = f"{_names([last])} in its bundle"
    advice = "replace the root: ca-cli rotate root"
    if ends < at:
        yield problem(target, Cause.CERTIFICATE_EXPIRED, f"{what} expired at {instant(ends)}", advice, ends=ends)
    elif ends - at < ROOT_ENDS_SOON:
        yield warning(target, Cause.CERTIFICATE_EXPIRES, f"{what} ends at {instant(ends)}", advice, ends=ends)


def _names(certificates: Sequence[x509.Certificate]) -> str:
    return ", ".join(one.subject.rfc4514_string() or f"serial {one.serial_number:x}" for one in certificates[:3])
