"""JSON over HTTPS with `http.client`: one bounded request at a time, and what went wrong in the words of `agent.errors`.

- TLS 1.3; proxies and redirects are not followed; the answer has a size and the exchange a time that it cannot exceed.
- A problem document (RFC 9457) becomes the RequestRefused that it describes.
"""

import contextlib
import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from agent.errors import AuthorityUnreachable, AuthorityUntrusted, CertificateRefused, RequestRefused
from agent.time_limits import at_most

JsonObject: TypeAlias = Mapping[str, Any]

DEFAULT_TIMEOUT = 10.0
"""Seconds for each of: connecting, each silence of the other side, the whole answer."""
LARGEST_ANSWER = 1 << 20

_CHUNK = 1 << 16
_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsServer:
    """Where to ask."""

    host: str
    port: int
    timeout: float = DEFAULT_TIMEOUT

    @classmethod
    def from_url(cls, url: str, *, timeout: float = DEFAULT_TIMEOUT) -> Self:
        """Reads `https://HOST:PORT`, 443 where no port is given. Raises ValueError."""
        parts = urllib.parse.urlsplit(url)
        if (
            parts.scheme != "https"
            or not parts.hostname
            or parts.path not in {"", "/"}
            or parts.query
            or parts.fragment
        ):
            raise ValueError(f"{url!r} is not the address of a server; write https://HOST:PORT")
        return cls(host=parts.hostname, port=parts.port or 443, timeout=timeout)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def ask(
        self,
        verb: str,
        path: str,
        *,
        context: ssl.SSLContext,
        body: JsonObject | None = None,
        shows_certificate: bool = False,
    ) -> JsonObject:
        """The JSON object that answers. Raises AuthorityUnreachable, AuthorityUntrusted, CertificateRefused,
        RequestRefused."""
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=context)
        with contextlib.closing(connection):
            try:
                connection.connect()
            except ssl.SSLCertVerificationError as err:
                raise AuthorityUntrusted(f"{self} cannot prove that it is the authority: {err.verify_message}") from err
            except OSError as err:
                raise AuthorityUnreachable(f"cannot reach {self}: {_told(err)}") from err
            try:
                with at_most(2 * self.timeout, connection):
                    status, content = self._exchange(connection, verb, path, body)
            except (OSError, http.client.HTTPException) as err:
                if shows_certificate and _is_refusal(err):
                    raise CertificateRefused(f"{self} does not take this certificate: {_told(err)}") from err
                raise AuthorityUnreachable(f"{self} does not answer: {_told(err)}") from err
        return self._understood(status, content)

    def _exchange(
        self, connection: http.client.HTTPSConnection, verb: str, path: str, body: JsonObject | None
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(verb, path, None if body is None else json.dumps(body).encode(), headers)
        with connection.getresponse() as answer:
            return answer.status, self._read(answer)

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        until = time.monotonic() + self.timeout
        content = bytearray()
        while chunk := answer.read1(_CHUNK):
            content += chunk
            if len(content) > LARGEST_ANSWER:
                raise AuthorityUnreachable(
                    f"{self} answers with more than {LARGEST_ANSWER} octets; is it the authority?"
                )
            if time.monotonic() > until:
                raise AuthorityUnreachable(f"{self} takes longer than {self.timeout:g} s to answer")
        if answer.length:
            raise AuthorityUnreachable(f"{self} breaks off in the middle of its answer")
        return bytes(content)

    def _understood(self, status: int, content: bytes) -> JsonObject:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if status == http.client.OK and isinstance(answer, dict):
            return answer
        if status == http.client.OK:
            raise AuthorityUnreachable(f"{self} does not answer with a JSON object; is it the authority?")
        problem = answer if isinstance(answer, dict) else {}
        detail = str(problem.get("detail", "no reason given"))[:_DETAIL_CHARACTERS]
        raise RequestRefused(
            f"{self} refuses with status {status}: {detail}", status=status, refusal=str(problem.get("reason", ""))[:64]
        )


def _is_refusal(error: Exception) -> bool:
    """In TLS 1.3 the server judges a certificate when the client has finished: by an alert, which a reset may swallow."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return "ALERT" in (error.reason or "")
    return isinstance(error, ssl.SSLEOFError | ConnectionError)


def _told(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
