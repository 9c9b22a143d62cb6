"""An HTTP listener: an aiohttp application on one address, with or without TLS.

- A renewed serving certificate is used from the next handshake on; open connections stay.
- The handshake is bounded in time; what follows it is the application's.
"""

import asyncio
import ssl

from aiohttp import web

from ca.errors import SettingsInvalid
from ca.issuers import Issuers
from ca.serving import ServingCertificate, ServingPair
from ca.web.contexts import server_context

_HANDSHAKE_SECONDS = 10.0
_KEEPALIVE_SECONDS = 75.0


class ReloadingContext:
    """A TLS context that hands every handshake over to the newest one, for clients with and without SNI."""

    def __init__(self, serving: ServingCertificate, issuers: Issuers) -> None:
        self._issuers = issuers
        self.context = server_context(serving.pair, issuers.client_trust_pem)
        serving.subscribe(self._adopt)

    def _adopt(self, pair: ServingPair) -> None:
        newest = server_context(pair, self._issuers.client_trust_pem)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = newest

        self.context.sni_callback = choose


class HttpListener:
    """One application on one port."""

    def __init__(self, application: web.Application, tls: ReloadingContext | None) -> None:
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, keepalive_timeout=_KEEPALIVE_SECONDS
        )

    async def start(self, address: str, port: int) -> str:
        """Listens and returns the base URL. Raises SettingsInvalid where the address cannot be had."""
        await self._runner.setup()
        protocols = self._runner.server
        if protocols is None:
            raise RuntimeError("the runner was set up and has no server")
        try:
            self._server = await asyncio.get_running_loop().create_server(
                protocols,
                address,
                port,
                ssl=self._tls.context if self._tls else None,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
            )
        except OSError as err:
            raise SettingsInvalid([f"cannot listen on {address}:{port}: {err.strerror or err}"]) from err
        bound = self._server.sockets[0].getsockname()[1]
        host = f"[{address}]" if ":" in address else address
        return f"{'https' if self._tls else 'http'}://{host}:{bound}"

    async def stop(self, grace: float) -> None:
        """Accepts nothing new at once; requests under way have `grace` seconds."""
        if self._server is not None:
            self._server.close()
        await self._runner.shutdown()
        if self._runner.server is not None:
            await self._runner.server.shutdown(grace)
        await self._runner.cleanup()
