"""Whether the API server would believe the injector: a fresh connection to its own listener, verified as the API server does it.

- With the caBundle that the cluster has at the moment, by the name that the API server asks for. Chain, name and validity count.
- An API server that is away leaves the caBundle of before: a webhook that serves is of use to whoever can call it.
"""

import base64
import binascii
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kube.ambient import Monotonic
from kube.cluster import Cluster
from kube.collections import Resource
from kube.documents import mapping, objects, text
from kube.errors import KubeError, NotThere

CONFIGURATIONS = Resource(
    group="admissionregistration.k8s.io", version="v1", plural="mutatingwebhookconfigurations", namespaced=False
)

_DIAL_SECONDS = 3.0
_MEMORY_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where it is dialled, and what its certificate must be for."""

    host: str
    port: int
    server_name: str


class ServingCheck:
    """What it found is good for some seconds, so that probes load nobody. May be used by many threads; blocks."""

    def __init__(
        self, cluster: Cluster, *, configurations: Sequence[str], listener: Listener, monotonic: Monotonic
    ) -> None:
        self._cluster = cluster
        self._configurations = configurations
        self._listener = listener
        self._monotonic = monotonic
        self._bundles: dict[str, frozenset[bytes]] = {}  # none for a configuration that is not there
        self._lock = threading.Lock()
        self._found: tuple[float, str] | None = None

    def __call__(self) -> str:
        """What is wrong; empty where nothing is."""
        with self._lock:
            now = self._monotonic()
            if self._found is None or not 0 <= now - self._found[0] < _MEMORY_SECONDS:
                self._found = (now, "; ".join(self._faults()))
            return self._found[1]

    def _faults(self) -> Iterator[str]:
        for name in self._configurations:
            try:
                self._bundles[name] = _bundles(self._cluster, name)
            except NotThere:
                self._bundles[name] = frozenset()
            except KubeError as err:  # what was read before stands
                if name not in self._bundles:
                    yield f"caBundle of {name} cannot be read: {err}"
        if len(self._bundles) == len(self._configurations) and not any(self._bundles.values()):
            yield f"no webhook configuration calls this: neither {' nor '.join(self._configurations)} is there"
        for name, bundles in self._bundles.items():
            for bundle in bundles:
                if fault := self._fault_with(bundle):
                    yield f"{name}: {fault}"

    def _fault_with(self, bundle: bytes) -> str:
        if not bundle:
            return "caBundle is not in place yet"
        try:
            verify_served(self._listener, bundle)
        except ssl.SSLError as err:
            return f"the serving certificate is not believed: {getattr(err, 'verify_message', '') or err.reason or err}"
        except (OSError, ValueError) as err:
            return f"the listener cannot be reached: {err}"
        return ""


def verify_served(listener: Listener, ca_bundle: bytes) -> None:
    """One handshake with roots of `ca_bundle`, PEM. Raises ssl.SSLError, OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_bundle.decode("ascii", "replace"))
    with contextlib.ExitStack() as stack:
        address = (listener.host, listener.port)
        plain = stack.enter_context(socket.create_connection(address, timeout=_DIAL_SECONDS))
        stack.enter_context(context.wrap_socket(plain, server_hostname=listener.server_name))


def _bundles(cluster: Cluster, name: str) -> frozenset[bytes]:
    """Of each webhook of a configuration; empty for one that has none, or garbage. Raises KubeError."""
    document = cluster.get(CONFIGURATIONS.path(name=name))
    return frozenset(
        _decoded(text(mapping(webhook, "clientConfig"), "caBundle")) for webhook in objects(document, "webhooks")
    )


def _decoded(bundle: str) -> bytes:
    try:
        return base64.b64decode(bundle, validate=True)
    except binascii.Error:
        return b""
