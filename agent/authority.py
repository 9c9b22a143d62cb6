"""The authority as an agent sees it: enroll, renew and the trust bundle, over the JSON twin of its gRPC services.

- It is believed by the roots that are held. Where they do not vouch for it, and the bootstrap file is another than when
  they first did, by that file: the cluster keeps it up to date for those who sleep through a rotation.
- An answer is taken only where it can be read whole: certificates parse, and a bundle is never empty.
"""

import base64
import contextlib
import ssl
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from agent.credentials import Credentials
from agent.directories import LARGEST_FILE
from agent.errors import AuthorityUnreachable, AuthorityUntrusted
from agent.https import HttpsServer, JsonObject
from agent.tls import client_context
from certs.errors import CertsError
from certs.fingerprints import certificate_fingerprint
from certs.pem import split_certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The roots in force, PEM. `retiring_key_ids`, hexadecimal, are those of issuing CAs that are being replaced."""

    generation: int
    roots_pem: bytes
    retiring_key_ids: frozenset[str]

    @classmethod
    def from_json(cls, answer: JsonObject) -> Self:
        """Raises AuthorityUnreachable."""
        bundle = answer.get("bundle")
        try:
            assert isinstance(bundle, dict)  # noqa: S101  one way out for whatever is wrong with it
            roots = _certificates(bundle["roots_pem"])
            return cls(
                generation=int(bundle["generation"]),
                roots_pem=roots,
                retiring_key_ids=frozenset(map(str, bundle.get("retiring_key_ids", ()))),
            )
        except (AssertionError, KeyError, TypeError, ValueError) as err:
            raise AuthorityUnreachable("the authority's trust bundle cannot be read; is it a newer one?") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A chain, leaf first, and the roots that came with it; both PEM."""

    certificate_chain: bytes
    trust_bundle: bytes


class Authority:
    """One authority; used by one thread. Every method raises RenewalFailed."""

    def __init__(self, server: HttpsServer, *, bootstrap: Path) -> None:
        """`bootstrap` is a file of roots, PEM, read each time it is needed."""
        self._server = server
        self._bootstrap = bootstrap
        self._superseded_bootstrap: bytes | None = None

    def enroll(
        self,
        token: str,
        csr: bytes,
        *,
        lifetime: timedelta | None,
        dns_names: tuple[str, ...] = (),
        request_id: str,
        held: Credentials | None,
        replaces: str = "",
        path: str,
    ) -> Enrolled:
        """Spends a token on a certificate for the key of `csr`; `path` says which kind of token it is. `replaces` is the serial
        number of the certificate that is used no more then, hexadecimal."""
        body: dict[str, object] = {"token": token, **_request(csr, lifetime, request_id)}
        if dns_names:
            body["dns_names"] = list(dns_names)
        if replaces:
            body["replaces"] = replaces
        answer = self._ask("POST", path, held, body=body, showing=False)
        roots = answer.get("trust_bundle_pem")
        return Enrolled(certificate_chain=_chain(answer), trust_bundle=_certificates(roots))

    def renew(self, held: Credentials, csr: bytes, *, lifetime: timedelta | None, request_id: str) -> bytes:
        """A chain for the key of `csr`, with the names of the certificate that is shown."""
        body = _request(csr, lifetime, request_id)
        return _chain(self._ask("POST", "/v1/certificates:renew", held, body=body))

    def trust_bundle(self, held: Credentials, *, held_generation: int, consumer: str, showing: bool) -> TrustBundle:
        """The roots in force; with `showing`, the authority hears who holds which generation, 0 for none."""
        query = urllib.parse.urlencode({"held_generation": held_generation, "consumer": consumer})
        return TrustBundle.from_json(self._ask("GET", f"/v1/trust-bundle?{query}", held, showing=showing))

    def _ask(
        self, verb: str, path: str, held: Credentials | None, *, body: JsonObject | None = None, showing: bool = True
    ) -> JsonObject:
        shown = held if showing else None

        def ask(roots: bytes) -> JsonObject:
            context = _context(roots, shown)
            return self._server.ask(verb, path, context=context, body=body, shows_certificate=shown is not None)

        if held is None or not held.trust_bundle:
            return self._ask_by_bootstrap(ask)
        try:
            answer = ask(held.trust_bundle)
        except AuthorityUntrusted:
            if self._read_bootstrap() == self._superseded_bootstrap:
                raise
            return self._ask_by_bootstrap(ask)
        if self._superseded_bootstrap is None:
            with contextlib.suppress(AuthorityUntrusted):
                self._superseded_bootstrap = self._read_bootstrap()
        return answer

    def _ask_by_bootstrap(self, ask: Callable[[bytes], JsonObject]) -> JsonObject:
        return ask(self._read_bootstrap())

    def _read_bootstrap(self) -> bytes:
        try:
            with self._bootstrap.open("rb") as file:
                return file.read(LARGEST_FILE)
        except OSError as err:
            raise AuthorityUntrusted(
                f"{self._bootstrap} cannot be read: {err.strerror}; mount the roots there"
            ) from err


def fingerprints(roots: bytes) -> frozenset[bytes]:
    """Of each certificate in a PEM bundle; none where it cannot be read."""
    try:
        return frozenset(map(certificate_fingerprint, split_certificates(roots)))
    except CertsError:
        return frozenset()


def _context(roots: bytes, shown: Credentials | None) -> ssl.SSLContext:
    try:
        return client_context(roots, shown)
    except (ssl.SSLError, OSError) as err:
        raise AuthorityUntrusted(f"the roots or the certificate cannot be used for TLS: {err}") from err


def _request(csr: bytes, lifetime: timedelta | None, request_id: str) -> dict[str, str]:
    fields = {"csr": base64.b64encode(csr).decode(), "request_id": request_id}
    if lifetime is not None:
        fields["lifetime"] = f"{int(lifetime.total_seconds())}s"
    return fields


def _chain(answer: JsonObject) -> bytes:
    certificate = answer.get("certificate")
    if not isinstance(certificate, dict):
        raise AuthorityUnreachable("the authority answers without a certificate; is it a newer one?")
    return _certificates(certificate.get("certificate_pem")) + str(certificate.get("chain_pem", "")).encode()


def _certificates(text: object) -> bytes:
    try:
        encoded = str(text).encode("ascii")
        split_certificates(encoded)
    except (UnicodeEncodeError, CertsError) as err:
        raise AuthorityUnreachable("the authority's answer holds no certificates that can be read") from err
    return encoded
