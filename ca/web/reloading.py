"""The TLS context of the HTTP listeners: what is renewed, certificate or trust, counts from the next handshake on."""

import ssl

from ca.issuers import Issuers
from ca.serving import ServingCertificate
from ca.web.contexts import server_context


class ReloadingContext:
    """A TLS context that hands every handshake over to the newest one, for clients with and without SNI."""

    def __init__(self, serving: ServingCertificate, issuers: Issuers) -> None:
        self._serving = serving
        self._issuers = issuers
        self.context = server_context(serving.pair, issuers.client_trust_pem)
        serving.subscribe(lambda _pair: self._adopt())
        issuers.subscribe(self._adopt)

    def _adopt(self) -> None:
        newest = server_context(self._serving.pair, self._issuers.client_trust_pem)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = newest

        self.context.sni_callback = choose
