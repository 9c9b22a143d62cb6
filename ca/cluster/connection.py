"""The connection to the Kubernetes API server: documents in, documents out, or no answer.

- Where it is and by which credentials it is reached is `serving.kubeconfig`'s: by https alone, verified by the cluster's CA, as
  whoever answers here says who somebody is.
- Calls block, for a few seconds at most; whoever is on an event loop makes them in worker threads.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ca.cluster.faults import NoAnswer, NotThere, Occupied
from ca.errors import SettingsInvalid
from serving.kubeconfig import ApiServerAccess, CredentialsUnavailable, KubeconfigInvalid

if TYPE_CHECKING:
    import urllib3

_CONNECT_SECONDS = 2.0
_READ_SECONDS = 3.0
_MAXIMUM_ANSWER = 2 << 20
"""Octets; etcd takes no object above 1.5 MiB."""
_WORTH_REPEATING = frozenset({429, 500, 502, 503, 504})


class ClusterConnection:
    """Safe to use from any thread."""

    def __init__(self, access: ApiServerAccess, *, read_seconds: float = _READ_SECONDS) -> None:
        self._access = access
        self._read_seconds = read_seconds

    @classmethod
    def open(cls, kubeconfig: Path | None, *, setting: str = "kubernetes_enrollment") -> "ClusterConnection":
        """From a kubeconfig, or from the service account of the pod; asks nothing yet. `setting` is what needs it.

        Raises SettingsInvalid.
        """
        try:
            return cls(ApiServerAccess.open(kubeconfig))
        except KubeconfigInvalid as err:
            hint = f"set kubernetes_kubeconfig, or turn {setting} off"
            raise SettingsInvalid([f"{setting}: {err}; {hint}"]) from err

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
        self._access.close()

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        import urllib3  # noqa: PLC0415 - slow to load, and needed only where there is a cluster

        try:
            response = self._access.send(
                method,
                path,
                body=body,
                connect_seconds=_CONNECT_SECONDS,
                read_seconds=self._read_seconds,
            )
            octets = self._read(response)
        except CredentialsUnavailable as err:
            raise NoAnswer(f"there are no credentials for the cluster: {err}", again=True) from err
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
