"""TLS of the server: client certificates welcome but not required, everything replaced in place.

- The next handshake has the newest serving certificate and the newest CAs; open connections are not touched.
- No session tickets: each connection is a full handshake, so a client certificate is checked each time.
"""

import ssl
import threading
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from apiserver.errors import ApiSettingsInvalid
from apiserver.identity.trust import Trust, TrustSettings
from serving.tls import load_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPair:
    """Certificate chain, leaf first, and private key, both PEM."""

    chain: bytes
    private_key: bytes = field(repr=False)

    @property
    def not_after(self) -> datetime:
        """Of the leaf. Raises ApiSettingsInvalid."""
        try:
            return x509.load_pem_x509_certificates(self.chain)[0].not_valid_after_utc
        except (ValueError, IndexError) as err:
            raise ApiSettingsInvalid([f"the serving certificate cannot be read: {err}"]) from err


class ReloadingContext:
    """`context` is what a listener takes; it hands every handshake over to the newest one, with and without SNI."""

    def __init__(self, pair: ServingPair, trust: Trust, *, minimum: ssl.TLSVersion) -> None:
        """Raises ApiSettingsInvalid."""
        self._minimum = minimum
        self._pair = pair
        self.not_after = pair.not_after
        self._trust = trust
        self._lock = threading.Lock()
        self.context = self._newest = _server_context(pair, trust.present, minimum)
        self.context.sni_callback = self._choose
        trust.subscribe(lambda _settings: self._renew())

    @property
    def pair(self) -> ServingPair:
        return self._pair

    def use(self, pair: ServingPair) -> None:
        """Serves `pair` from now on. Raises ApiSettingsInvalid, and goes on with the former one."""
        with self._lock:
            self._newest = _server_context(pair, self._trust.present, self._minimum)
            self._pair = pair
            self.not_after = pair.not_after

    def _renew(self) -> None:
        with self._lock:
            self._newest = _server_context(self._pair, self._trust.present, self._minimum)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


def _server_context(pair: ServingPair, trust: TrustSettings, minimum: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        if trust.offered_pem:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=trust.offered_pem)
        load_pair(context, private_key=pair.private_key, chain=pair.chain)
    except (ssl.SSLError, ValueError) as err:
        reason = getattr(err, "reason", None) or str(err)
        raise ApiSettingsInvalid([f"OpenSSL cannot serve TLS with this certificate, key and CAs: {reason}"]) from err
    return context
