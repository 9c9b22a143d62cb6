"""How to reach the API server of a cluster: a kubeconfig, or the service account of the pod.

- The `kubernetes` package reads kubeconfigs and keeps their tokens fresh; nothing else of it is used.
- Only https that is verified by the cluster's CA will do: whoever answers here says who somebody is and what there is.
- Each call has a timeout, and nothing is repeated or redirected on the way. Calls block.
- A connection whose other end went away without a word is noticed within a minute, also where nothing is sent.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import urllib3


_KEEPALIVE = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 30),
            ("TCP_KEEPINTVL", 10),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", 60_000),
        )
        if hasattr(socket, name)
    ),
)
_IDLE_CONNECTIONS = 32


class KubeconfigInvalid(Exception):
    """No API server can be reached with it; the message says which kubeconfig and why."""


class CredentialsUnavailable(Exception):
    """What fetches credentials anew (files, plugins) does not, at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """What a connection of another kind than a call is opened with. `headers` hold credentials."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext
    server_hostname: str | None
    proxy: str | None


class Client(Protocol):
    """Where the API server is, and credentials for it that are kept fresh. Safe to use from any thread."""

    @property
    def pool(self) -> "urllib3.PoolManager": ...

    @property
    def server_hostname(self) -> str | None: ...

    @property
    def proxy(self) -> str | None: ...

    def prepare(
        self, method: str, path: str, query: Sequence[tuple[str, str]], header_fields: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The URL, and the header fields with fresh credentials. Raises whatever goes wrong where those are fetched."""

    def tls(self) -> ssl.SSLContext:
        """Raises OSError."""

    def close(self) -> None: ...


class ApiServerAccess:
    """One API server and the credentials for it, as they were read. Safe to use from any thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def open(cls, kubeconfig: Path | None, *, context: str | None = None) -> "ApiServerAccess":
        """From a kubeconfig, or from the service account of the pod; asks nothing yet. Raises KubeconfigInvalid.

        Several kubeconfigs stand in one path as in KUBECONFIG; `context` is in place of the current one.
        """
        return cls(_service_account() if kubeconfig is None else KubeconfigClient.open(kubeconfig, context))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        more_headers: Mapping[str, str] | None = None,
        connect_seconds: float,
        read_seconds: float,
        total_seconds: float | None = None,
    ) -> "urllib3.BaseHTTPResponse":
        """The answer, whatever its status, its body not read yet. `read_seconds` is the longest silence;
        `total_seconds` is until the headers are there.

        Raises CredentialsUnavailable, urllib3.exceptions.HTTPError, OSError."""
        import urllib3  # noqa: PLC0415 - loaded by the package, and like it only where there is a cluster

        header_fields = {"Accept": accept, "Content-Type": content_type, **(more_headers or {})}
        url, headers = self._serialize(method, path, list((query or {}).items()), header_fields)
        return self._client.pool.request(
            method,
            url,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(total=total_seconds, connect=connect_seconds, read=read_seconds),
            preload_content=False,
            retries=False,
            redirect=False,
        )

    def dial(self, path: str, query: Sequence[tuple[str, str]]) -> Dial:
        """For a WebSocket. A name may occur in `query` more than once. Raises CredentialsUnavailable, KubeconfigInvalid."""
        url, headers = self._serialize("GET", path, query, {})
        proxy = self._client.proxy
        if proxy and not proxy.startswith("http"):
            raise KubeconfigInvalid(
                f"a WebSocket cannot be opened through {proxy.partition('://')[0]}; use an HTTP proxy"
            )
        try:
            tls = self._client.tls()
        except OSError as err:
            raise KubeconfigInvalid(f"certificate or key of the kubeconfig cannot be used: {err}") from err
        return Dial(
            url=f"wss{url.removeprefix('https')}",
            headers=headers,
            tls=tls,
            server_hostname=self._client.server_hostname,
            proxy=proxy,
        )

    def _serialize(
        self, method: str, path: str, query: Sequence[tuple[str, str]], header_fields: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The URL, and the header fields with fresh credentials. Raises CredentialsUnavailable."""
        try:
            return self._client.prepare(method, path, query, header_fields)
        except Exception as err:  # whatever goes wrong where credentials are fetched anew: files, plugins
            raise CredentialsUnavailable(f"{type(err).__name__}: {err}") from err

    def close(self) -> None:
        self._client.close()


class KubeconfigClient:
    """By the `kubernetes` package. Safe to use from any thread."""

    def __init__(self, package: Any) -> None:
        """`package` is a `kubernetes.client.ApiClient`."""
        self.package = package

    @classmethod
    def open(cls, kubeconfig: Path, context: str | None) -> "KubeconfigClient":
        """Raises KubeconfigInvalid."""
        import yaml  # noqa: PLC0415 - loaded by the package, and like it only where there is a kubeconfig
        from kubernetes import client, config  # noqa: PLC0415 - slow to load, and needed only where there is a kubeconfig

        configuration = client.Configuration()
        configuration.retries = False
        configuration.socket_options = list(_KEEPALIVE)
        configuration.connection_pool_maxsize = _IDLE_CONNECTIONS
        load: Any = config.load_kube_config
        where = f"kubeconfig {kubeconfig}"
        if not any(one and Path(one).exists() for one in str(kubeconfig.expanduser()).split(os.pathsep)):
            raise KubeconfigInvalid(f"{where}: there is no such file")
        try:
            load(str(kubeconfig.expanduser()), context, client_configuration=configuration)
        except (
            config.ConfigException,
            yaml.YAMLError,
            OSError,
            ValueError,
            TypeError,
            AttributeError,
            LookupError,
        ) as err:
            raise KubeconfigInvalid(f"{where}: {' '.join(str(err).split())}") from err
        if not configuration.verify_ssl or not str(configuration.host).startswith("https://"):
            raise KubeconfigInvalid(
                f"{where}: the API server must be reached by https and verified; set certificate-authority"
            )
        return cls(client.ApiClient(configuration))

    @property
    def pool(self) -> "urllib3.PoolManager":
        pool: urllib3.PoolManager = self.package.rest_client.pool_manager
        return pool

    @property
    def server_hostname(self) -> str | None:
        return self.package.configuration.tls_server_name or None

    @property
    def proxy(self) -> str | None:
        from kubernetes.client.rest import should_bypass_proxies  # noqa: PLC0415 - slow to load

        configuration = self.package.configuration
        proxy = configuration.proxy or None
        return None if should_bypass_proxies(configuration.host, configuration.no_proxy or "") else proxy

    def prepare(
        self, method: str, path: str, query: Sequence[tuple[str, str]], header_fields: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        _, url, headers, _, _ = self.package.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params=dict(header_fields),
            auth_settings=["BearerToken"],
        )
        return url, headers

    def tls(self) -> ssl.SSLContext:
        """As the package's own calls have it."""
        configuration = self.package.configuration
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if configuration.ssl_ca_cert or configuration.ca_cert_data:
            tls.load_verify_locations(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
        else:
            tls.load_default_certs()
        if configuration.cert_file:
            tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        return tls

    def close(self) -> None:
        self.package.close()
        self.package.rest_client.pool_manager.clear()


def chosen_context(kubeconfig: Path, *, context: str | None = None) -> tuple[str | None, str]:
    """The context that kubectl would take, and its namespace: of several files the first that names a current one decides.

    None, and `default`, where none says anything. Raises nothing: what is wrong comes out where the access is opened.
    """
    from kubernetes import config  # noqa: PLC0415 - slow to load, and needed only where there is a cluster

    contexts: Any = config.list_kube_config_contexts
    for file in str(kubeconfig.expanduser()).split(os.pathsep):
        if context is None:
            with contextlib.suppress(Exception):
                context = contexts(file)[1]["name"]
    with contextlib.suppress(Exception):
        found = next(one["context"] for one in contexts(str(kubeconfig.expanduser()))[0] if one["name"] == context)
        return context, str(found.get("namespace") or "default")
    return context, "default"


def _service_account() -> Client:
    """Raises KubeconfigInvalid."""
    from serving.service_account import ServiceAccountClient  # noqa: PLC0415 - slow to load, and needed only in a pod

    try:
        return ServiceAccountClient.open(socket_options=_KEEPALIVE, idle_connections=_IDLE_CONNECTIONS)
    except KeyError as err:
        raise KubeconfigInvalid(
            f"no kubeconfig was given, and this process is in no pod of a cluster: {err.args[0]} is not set"
        ) from err
    except (OSError, LookupError, ValueError) as err:
        raise KubeconfigInvalid(
            f"no kubeconfig was given, and this process is in no pod of a cluster: {' '.join(str(err).split())}"
        ) from err
