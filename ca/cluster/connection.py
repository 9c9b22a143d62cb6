"""The connection to the Kubernetes API server: documents in, documents out, or no answer.

- The `kubernetes` package reads kubeconfigs and in-cluster credentials and keeps tokens fresh; nothing else of it is used.
- Only TLS that is verified by the cluster's CA will do: whoever answers here says who somebody is.
- Calls block, for a few seconds at most; whoever is on an event loop makes them in worker threads.
"""

import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ca.cluster.faults import NoAnswer, NotThere, Occupied
from ca.errors import SettingsInvalid

if TYPE_CHECKING:
    import urllib3

_CONNECT_SECONDS = 2.0
_READ_SECONDS = 3.0
_MAXIMUM_ANSWER = 2 << 20
"""Octets; etcd takes no object above 1.5 MiB."""
_WORTH_REPEATING = frozenset({429, 500, 502, 503, 504})


class ClusterConnection:
    """Safe to use from any thread."""

    def __init__(self, client: Any, *, read_seconds: float = _READ_SECONDS) -> None:
        """`client` is a `kubernetes.client.ApiClient`."""
        self._client = client
        self._read_seconds = read_seconds

    @classmethod
    def open(cls, kubeconfig: Path | None, *, setting: str = "kubernetes_enrollment") -> "ClusterConnection":
        """From a kubeconfig, or from the service account of the pod; asks nothing yet. `setting` is what needs it.

        Raises SettingsInvalid.
        """
        from kubernetes import client, config  # noqa: PLC0415 - slow to load, and needed only where there is a cluster

        configuration = client.Configuration()
        configuration.retries = False
        load: Any = config.load_incluster_config
        if kubeconfig is not None:
            load = partial(config.load_kube_config, str(kubeconfig.expanduser()))
        try:
            load(client_configuration=configuration)
        except (config.ConfigException, OSError, ValueError) as err:
            where = f"kubeconfig {kubeconfig}" if kubeconfig is not None else "this process is in no pod of a cluster"
            hint = f"set kubernetes_kubeconfig, or turn {setting} off"
            raise SettingsInvalid([f"{setting}: {where}: {err}; {hint}"]) from err
        if not configuration.verify_ssl or not str(configuration.host).startswith("https://"):
            raise SettingsInvalid(
                [
                    "kubernetes_kubeconfig: the API server must be reached by https and verified; set certificate-authority"
                ]
            )
        return cls(client.ApiClient(configuration))

    def post(self, path: str, document: Mapping[str, object]) -> bytes:
        """The answer, as JSON that has yet to be read. Raises Occupied, NoAnswer."""
        try:
            return self._send("POST", path, json.dumps(document).encode())
        except NotThere as err:
            raise NoAnswer(f"the cluster does not know {path}", again=False) from err

    def put(self, path: str, document: Mapping[str, object]) -> bytes:
        """Replaces an object, if it is still of the resourceVersion in `document`. Raises Occupied, NotThere, NoAnswer."""
        return self._send("PUT", path, json.dumps(document).encode())

    def get(self, path: str) -> bytes:
        """Raises NotThere, NoAnswer."""
        return self._send("GET", path, None)

    def close(self) -> None:
        self._client.close()
        self._client.rest_client.pool_manager.clear()

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        """The package builds the request, credentials included; it is sent here, where time and size are bounded."""
        import urllib3  # noqa: PLC0415 - loaded by the package, and like it only where there is a cluster

        try:
            _, url, headers, _, _ = self._client.param_serialize(
                method,
                path,
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                auth_settings=["BearerToken"],
            )
        except Exception as err:  # whatever goes wrong where credentials are fetched anew: files, plugins
            problem = f"there are no credentials for the cluster: {type(err).__name__}: {err}"
            raise NoAnswer(problem, again=True) from err
        pool: urllib3.PoolManager = self._client.rest_client.pool_manager
        try:
            response = pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._read_seconds),
                preload_content=False,
                retries=False,
                redirect=False,
            )
            octets = self._read(response)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as err:
            raise NoAnswer(f"the cluster does not answer: {type(err).__name__}: {err}", again=True) from err
        if 200 <= response.status < 300:
            return octets
        if response.status == 404:
            raise NotThere(path)
        if response.status == 409:
            raise Occupied(f"the cluster has another object already: {method} {path}")
        problem = f"the cluster refuses {method} {path}: {response.status} {response.reason}"
        raise NoAnswer(problem, again=response.status in _WORTH_REPEATING)

    def _read(self, response: "urllib3.BaseHTTPResponse") -> bytes:
        """What comes drop by drop is no answer either. Raises NoAnswer."""
        deadline = time.monotonic() + self._read_seconds
        octets = bytearray()
        try:
            while chunk := response.read1(1 << 16, decode_content=True):
                octets += chunk
                if len(octets) > _MAXIMUM_ANSWER or time.monotonic() > deadline:
                    raise NoAnswer("the cluster's answer does not end", again=False)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return bytes(octets)
