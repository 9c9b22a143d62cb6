"""The API server and the credentials for it that a pod is given (client-go's rest.InClusterConfig).

- Without the `kubernetes` package: what it loads to read kubeconfigs takes 16 MiB in a process, and a pod has none.
- The token is read anew each minute, as the kubelet replaces it. No proxy lies between a pod and its API server.
"""

import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import urllib3

DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS_OF_A_TOKEN = 60.0

SocketOptions = Sequence[tuple[int, int, int]]


class ServiceAccountClient:
    """Safe to use from any thread."""

    server_hostname = None
    proxy = None

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        directory: Path = DIRECTORY,
        socket_options: SocketOptions = (),
        idle_connections: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`environment` holds what the kubelet gives every container. Raises OSError, LookupError, ValueError."""
        host, port = environment["KUBERNETES_SERVICE_HOST"], int(environment["KUBERNETES_SERVICE_PORT"])
        self._origin = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        self._directory = directory
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token, self._read_at = self._read(), monotonic()
        self.pool = urllib3.PoolManager(
            ssl_context=self.tls(), maxsize=idle_connections, socket_options=[*socket_options], retries=False
        )

    @classmethod
    def open(cls, *, socket_options: SocketOptions, idle_connections: int) -> "ServiceAccountClient":
        """Raises OSError, LookupError, ValueError."""
        return cls(os.environ, socket_options=socket_options, idle_connections=idle_connections)  # noqa: TID251 - as the package did

    def prepare(
        self, _method: str, path: str, query: Sequence[tuple[str, str]], header_fields: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The URL, and the header fields with the token. Raises OSError, ValueError."""
        url = f"{self._origin}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        return url, {**header_fields, "Authorization": f"Bearer {self._present_token()}"}

    def tls(self) -> ssl.SSLContext:
        """Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cafile=self._directory / "ca.crt")
        return context

    def close(self) -> None:
        self.pool.clear()

    def _present_token(self) -> str:
        with self._lock:
            now = self._monotonic()
            if not 0 <= now - self._read_at < _SECONDS_OF_A_TOKEN:
                self._token, self._read_at = self._read(), now
            return self._token

    def _read(self) -> str:
        token = (self._directory / "token").read_text("ascii").strip()
        if not token or not token.isprintable():
            raise ValueError("there is no token in the file of the service account")
        return token
