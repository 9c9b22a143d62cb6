"""The chain that a server shows, against the roots by which it is to be believed.

- The caller's roots decide, as the API server does it; the authority's own only say who is at fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from certs.chains import verify_chain
from certs.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertsError,
    ChainIncomplete,
    NameMismatch,
    SignatureMismatch,
    UntrustedRoot,
)
from certs.host_names import verify_name
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.findings import Cause, Finding, problem, warning
from kube.diagnosis.text import instant, span

LEAF_ENDS_SOON = timedelta(days=7)
LATE_SHARE = 6
"""Who renews at two thirds of a certificate's life is late in its last sixth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Leaf first, as it was sent in a handshake just now."""

    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]


def judge_chain(
    target: str, served: Served, bundle: Bundle, roots: Bundle | None, *, server_name: str, at: datetime, is_ours: bool
) -> Iterator[Finding]:
    """Nothing where the chain holds, and for a while."""
    leaf = served.leaf
    try:
        if leaf in bundle.certificates:  # one that is pinned needs no issuer
            verify_name(leaf, server_name)
        else:
            verify_chain(leaf, served.chain[1:], bundle.certificates, at=at, usage="server", name=server_name)
    except CertsError as err:
        yield _failure(target, served, roots, err, server_name=server_name, at=at, is_ours=is_ours)
        return
    yield from judge_leaf_end(target, leaf, at=at)


def judge_leaf_end(target: str, leaf: x509.Certificate, *, at: datetime) -> Iterator[Finding]:
    ends, life = leaf.not_valid_after_utc, leaf.not_valid_after_utc - leaf.not_valid_before_utc
    if ends < at:
        yield _expired(target, f"the served certificate expired at {instant(ends)}")
    elif ends - at < min(life / LATE_SHARE, LEAF_ENDS_SOON):
        yield warning(
            target,
            Cause.CERTIFICATE_EXPIRES,
            f"the served certificate ends at {instant(ends)}, in {span(ends - at)}, and was not renewed",
            "see the server's log for why its renewal fails, and whether the authority answers it",
        )


def _failure(
    target: str,
    served: Served,
    roots: Bundle | None,
    err: CertsError,
    *,
    server_name: str,
    at: datetime,
    is_ours: bool,
) -> Finding:
    match err:
        case CertificateExpired():
            return _expired(target, f"the served chain has expired: {err}")
        case CertificateNotYetValid():
            return problem(
                target,
                Cause.CERTIFICATE_NOT_YET_VALID,
                f"the served chain is not valid yet: {err}",
                "set the clocks of the authority's node and of this machine by a time server",
            )
        case NameMismatch():
            return problem(
                target,
                Cause.CERTIFICATE_NAME,
                f"the served certificate is not for {server_name}: {err}",
                f"have the server ask for {server_name}: chancery.dev/dns on its pod, --serving-names or --advertised-names",
            )
        case UntrustedRoot() | ChainIncomplete() | SignatureMismatch():
            return _foreign(target, served, roots, server_name=server_name, at=at)
    unsuitable = problem if is_ours else warning
    return unsuitable(
        target,
        Cause.CERTIFICATE_UNSUITABLE,
        f"the served chain breaks a rule: {err}",
        "have it made anew by the authority, by profile server, workload or peer",
    )


def _foreign(target: str, served: Served, roots: Bundle | None, *, server_name: str, at: datetime) -> Finding:
    issuer = served.leaf.issuer.rfc4514_string()
    summary = f"the served chain, issued by {issuer}, does not verify against the caBundle"
    if roots is not None and _verifies(served.chain, roots.certificates, server_name, at):
        hint = "the certificate is the authority's; the caBundle is what has to change: see whether the registrar writes it"
    else:
        hint = "the certificate is somebody else's: give the server one of the authority's, or take the label off"
    return problem(target, Cause.CA_BUNDLE_FOREIGN, summary, hint)


def _verifies(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], name: str, at: datetime) -> bool:
    try:
        verify_chain(chain[0], chain[1:], roots, at=at, usage="server", name=name)
    except CertsError:
        return False
    return True


def _expired(target: str, summary: str) -> Finding:
    hint = "the server renews by itself: see its log for why it does not, and whether the authority answers it; then restart it"
    return problem(target, Cause.CERTIFICATE_EXPIRED, summary, hint)
