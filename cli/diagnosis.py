"""What can be wrong between a client and its authority: checks, each with what was found and what to do about it.

- Checks run in order; one that cannot be made because an earlier one failed says so instead of guessing.
- A check never raises for what it is there to find.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError
from agent.identity import load_credentials
from agent.needs_renewal import DEFAULT_THRESHOLD, needs_renewal
from ca.client.errors import ClientError
from certs.chains import verify_chain
from certs.errors import CertificateExpired, CertificateNotYetValid, CertsError, NameMismatch
from certs.pem import split_certificates
from cli.endpoint import Endpoint
from cli.readiness import verify_ready
from cli.served_chain import fetch_served_chain
from cli.text import instant, relative, span

if TYPE_CHECKING:
    from agent.credentials import Credentials
    from ca.client.values import IssuerStatus, ServerStatus

LARGEST_SKEW = timedelta(seconds=30)
ISSUER_SHARE_LEFT = 0.2
"""A CA in the last fifth of its life is due: leaves must still fit below it."""


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`advice` says what to do; empty where nothing is to be done. `runbook` is where that is written at length."""

    check: str
    severity: Severity
    found: str
    advice: str = ""
    runbook: str = ""


class Doctor:
    """Examines one endpoint. `clock` is this machine's."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], datetime]) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._held: Credentials | None = None

    def examine(self) -> Iterator[Finding]:
        if not self._endpoint.plaintext:
            yield self._identity()
            if self._held is not None:
                yield self._identity_chain(self._held)
                yield self._modes(self._endpoint.identity_directory)
        yield self._readiness()
        if not self._endpoint.plaintext:
            yield self._served_chain()
        yield from self._server()

    def _identity(self) -> Finding:
        check = "identity"
        try:
            self._held = load_credentials(self._endpoint.identity_directory)
        except AgentError as err:
            return _problem(check, str(err), "run `ca-cli init` on the authority's machine, or sign with a token")
        now, leaf = self._clock(), self._held.leaf
        found = f"{leaf.subject.rfc4514_string() or 'no subject'}, until {instant(leaf.not_valid_after_utc)}"
        if now > leaf.not_valid_after_utc:
            return _problem(check, f"{found}: expired", "ask for a token, then: ca-cli sign --token-file FILE")
        if now < leaf.not_valid_before_utc:
            return _problem(check, f"{found}: not valid yet", "see whether this machine's clock is right")
        if needs_renewal(leaf, now, DEFAULT_THRESHOLD):
            return _warning(check, f"{found}: due", "run: ca-cli renew")
        return _fine(check, found)

    def _identity_chain(self, held: "Credentials") -> Finding:
        """At the instant of the certificate's life that is nearest to now: what is over is told as such, by `_identity`."""
        check = "identity chain"
        try:
            leaf, *chain = split_certificates(held.certificate_chain)
            instant_at = min(max(self._clock(), leaf.not_valid_before_utc), leaf.not_valid_after_utc)
            verify_chain(leaf, chain, split_certificates(held.trust_bundle), at=instant_at, usage="client")
        except CertsError as err:
            return _problem(check, str(err), "tls.crt and ca.crt do not belong together; sign again")
        return _fine(check, "verifies against ca.crt")

    def _modes(self, directory: Path) -> Finding:
        check = "file modes"
        key = directory / "tls.key"
        mode = key.stat().st_mode & 0o777
        if mode & 0o077:
            return _problem(check, f"{key} has mode {mode:04o}: others can read the key", f"run: chmod 0600 {key}")
        return _fine(check, f"{key} has mode {mode:04o}")

    def _readiness(self) -> Finding:
        try:
            verify_ready(self._endpoint)
        except ClientError as err:
            return _problem(
                "ready",
                str(err),
                "start it with `ca-cli serve`, name its HTTP port with --http-server, or read its log",
            )
        return _fine("ready", f"{self._endpoint.http_address} says so")

    def _served_chain(self) -> Finding:
        check, address = "served certificate", self._endpoint.grpc_address
        if self._held is None:
            return _skipped(check, "needs the roots of an identity")
        now = self._clock()
        try:
            leaf, *chain = fetch_served_chain(address, timeout=self._endpoint.seconds)
            roots = split_certificates(self._held.trust_bundle)
            verify_chain(leaf, chain, roots, at=now, usage="server", name=address.host)
        except ClientError as err:
            return _problem(check, str(err), "see whether the server runs there and a firewall lets you through")
        except CertsError as err:
            return _problem(check, f"{address}: {err}", _served_advice(err))
        ends = leaf.not_valid_after_utc
        if needs_renewal(leaf, now, DEFAULT_THRESHOLD):
            return _warning(check, f"ends {relative(ends, now)}", "the server renews it by itself; see its log")
        return _fine(check, f"for {address.host}, until {instant(ends)}")

    def _server(self) -> Iterator[Finding]:
        if self._held is None and not self._endpoint.plaintext:
            yield _skipped("authority", "needs an identity")
            return
        before = self._clock()
        try:
            with self._endpoint.client() as client:
                status = client.administration.get_status()
        except ClientError as err:
            denied = getattr(err, "status", "") == "PERMISSION_DENIED"
            yield (
                _skipped("authority", "only an administrator may ask")
                if denied
                else _problem("authority", str(err), "see the messages above, and the server's log")
            )
            return
        yield _fine("authority", f"version {status.version}, store {status.store}, {status.certificates_valid} valid")
        yield _clock_skew(status, before, self._clock())
        yield from (_issuer(issuer, status.current_time) for issuer in status.issuers)


def _served_advice(err: CertsError) -> str:
    match err:
        case NameMismatch():
            return "add the name with --advertised-names, or use one it is for"
        case CertificateExpired() | CertificateNotYetValid():
            return (
                "see whether this machine's clock is right; the server renews by itself, and its log says if it cannot"
            )
        case _:
            return "it is another authority's, or the roots changed: compare with `ca-cli trust --fingerprint-only` over there"


def _clock_skew(status: "ServerStatus", before: datetime, after: datetime) -> Finding:
    """The server's clock was read between the two instants; what lies outside of them is skew."""
    skew = max(before - status.current_time, status.current_time - after, timedelta(0))
    if skew > LARGEST_SKEW:
        return _problem("clock", f"{span(skew)} away from the server's", "let both machines follow a time server")
    return _fine("clock", "agrees with the server's")


def _issuer(issuer: "IssuerStatus", now: datetime) -> Finding:
    check = issuer.profile
    found = f"{issuer.subject}, {issuer.state}, until {instant(issuer.not_after)}"
    if now > issuer.not_after:
        return _problem(check, f"{found}: expired", "replace it")
    if issuer.not_after - now < (issuer.not_after - issuer.not_before) * ISSUER_SHARE_LEFT:
        return _warning(check, f"{found}: in its last fifth", "replace it before it shortens what it signs")
    return _fine(check, found)


def _fine(check: str, found: str) -> Finding:
    return Finding(check=check, severity=Severity.OK, found=found)


def _warning(check: str, found: str, advice: str) -> Finding:
    return Finding(check=check, severity=Severity.WARNING, found=found, advice=advice)


def _problem(check: str, found: str, advice: str) -> Finding:
    return Finding(check=check, severity=Severity.PROBLEM, found=found, advice=advice)


def _skipped(check: str, why: str) -> Finding:
    return Finding(check=check, severity=Severity.SKIPPED, found=why)
