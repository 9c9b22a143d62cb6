"""An HTTP listener: an aiohttp application on one address, with or without TLS.

- The handshake is bounded in time, and so is the wait for a connection's first request; aiohttp bounds that for the later ones.
  What follows a request's headers is the application's.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import cast

import structlog
from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

_HANDSHAKE_SECONDS = 10.0
_FIRST_REQUEST_SECONDS = 20.0  # handshake included
_KEEPALIVE_SECONDS = 75.0
_LATE_SECONDS = 1.0  # for whoever's handshake ends while the listener stops
_LAST_TURNS = 8  # of the event loop, in which a transport that is aborted lets go of its socket

_log = structlog.get_logger("chancery.http")


class AddressUnavailable(Exception):
    """Nobody can listen there; the message says where and why."""


class HttpListener:
    """One application on one port."""

    def __init__(
        self,
        application: web.Application,
        tls: ssl.SSLContext | None,
        *,
        patience: float = _FIRST_REQUEST_SECONDS,
        cancels: bool = False,
    ) -> None:
        """`patience` is how long a connection may be open, in seconds, before the headers of its first request are here.

        `cancels`: a handler whose caller has gone is cancelled; otherwise it runs to its end.
        """
        self._tls = tls
        self._patience = patience
        self._unheard: set[asyncio.BaseProtocol] = set()
        self._server: asyncio.Server | None = None
        application.middlewares.insert(0, self._hear)
        application.on_response_prepare.append(_name_server)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,  # nobody compresses requests this small, and unpacking is an attacker's lever
            handle_signals=False,
            handler_cancellation=cancels,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            logger=cast("logging.Logger", _ServerLog()),
            shutdown_timeout=_LATE_SECONDS,
        )

    async def start(self, address: str, port: int) -> str:
        """Listens and returns the base URL. Raises AddressUnavailable."""
        await self._runner.setup()
        protocols = self._runner.server
        if protocols is None:
            raise RuntimeError("the runner was set up and has no server")
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: self._timed(protocols()),
                address,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
            )
        except OSError as err:
            raise AddressUnavailable(f"cannot listen on {address}:{port}: {err.strerror or err}") from err
        bound = self._server.sockets[0].getsockname()[1]
        host = f"[{address}]" if ":" in address else address
        return f"{'https' if self._tls else 'http'}://{host}:{bound}"

    async def stop(self, grace: float) -> None:
        """Accepts nothing new at once; requests under way have `grace` seconds. Handshakes under way end with the event loop."""
        if self._server is not None:
            self._server.close()
        await self._runner.shutdown()
        await asyncio.sleep(0)  # connections made in this turn begin to wait for a request, and can be told not to
        server = self._runner.server
        open_ones = [] if server is None else [handler.transport for handler in server.connections]
        if server is not None:
            server.pre_shutdown()  # connections that wait for a next request need no grace
            await server.shutdown(grace)
        await self._runner.cleanup()
        await _let_go([transport for transport in open_ones if transport is not None])

    def _timed(self, protocol: asyncio.BaseProtocol) -> asyncio.BaseProtocol:
        self._unheard.add(protocol)
        asyncio.get_running_loop().call_later(self._patience, self._drop, protocol)
        return protocol

    @web.middleware
    async def _hear(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._unheard.discard(request.protocol)
        return await handler(request)

    def _drop(self, protocol: asyncio.BaseProtocol) -> None:
        """Closes a connection from which nothing was heard."""
        if protocol not in self._unheard:
            return
        self._unheard.discard(protocol)
        transport: asyncio.Transport | None = getattr(protocol, "transport", None)
        if transport is not None:
            transport.abort()


class _ServerLog:
    """What aiohttp logs. Anyone can send what is no request, or go without the answer: no error of ours, and not worth a trace."""

    @staticmethod
    def exception(message: str, *args: object, exc_info: object = None) -> None:
        if isinstance(exc_info, HttpProcessingError):
            _log.debug("a caller sent what is no HTTP request", error=exc_info.message.partition("\n")[0])
        elif isinstance(exc_info, ConnectionError):
            _log.debug("a caller was gone, or cut off, before it had its answer")
        else:
            _log.exception(message, *args, exc_info=exc_info)

    @staticmethod
    def debug(message: str, *args: object, exc_info: object = None) -> None:
        _log.debug(message, *args, exc_info=exc_info)


async def _name_server(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers[hdrs.SERVER] = "chancery"  # and not which versions of which libraries


async def _let_go(transports: Sequence[asyncio.Transport]) -> None:
    """Ends connections that were closed already, without waiting for the other side to close TLS as well."""
    for transport in transports:
        transport.abort()
    for _ in range(_LAST_TURNS if transports else 0):
        await asyncio.sleep(0)
