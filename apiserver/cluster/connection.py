"""The connection to the Kubernetes API server: documents in, documents out, or that it does not answer.

- Where it is and by which credentials it is reached is `serving.kubeconfig`'s: by https alone, verified.
- Calls block; whoever is on an event loop makes them in worker threads. Each has a timeout.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import urllib3

from apiserver.documents import JsonObject
from apiserver.errors import ApiSettingsInvalid, ClusterUnreachable
from serving.kubeconfig import ApiServerAccess, CredentialsUnavailable, KubeconfigInvalid

_CALL_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_LONGEST_LINE = 4 << 20


class NotThere(Exception):
    """The API server answers, and has no such object."""


class TooOld(Exception):
    """The API server no longer knows the version that was asked for."""


class ClusterConnection:
    """Safe to use from any thread."""

    def __init__(self, access: ApiServerAccess) -> None:
        self._access = access

    @classmethod
    def open(cls, kubeconfig: Path | None) -> "ClusterConnection":
        """From a kubeconfig, or from the service account of the pod. Raises ApiSettingsInvalid."""
        try:
            return cls(ApiServerAccess.open(kubeconfig))
        except KubeconfigInvalid as err:
            hint = "give --kubeconfig, or --authorization-skip-lookup to stand alone"
            raise ApiSettingsInvalid([f"{err}; {hint}"]) from err

    def get(self, path: str, query: Mapping[str, str] | None = None, *, seconds: float = _CALL_SECONDS) -> JsonObject:
        """Raises NotThere, TooOld, ClusterUnreachable."""
        return self._document("GET", path, query, None, seconds)

    def post(self, path: str, document: JsonObject, *, seconds: float = _CALL_SECONDS) -> JsonObject:
        """Raises ClusterUnreachable, also where the cluster has nothing that takes such a document."""
        try:
            return self._document("POST", path, None, document, seconds)
        except (NotThere, TooOld) as err:
            raise ClusterUnreachable(f"the cluster does not know {path}") from err

    def watch(self, path: str, query: Mapping[str, str], *, seconds: float) -> Iterator[JsonObject]:
        """Events as they come; silence of `seconds` ends it. Raises TooOld, ClusterUnreachable."""
        response = self._send("GET", path, query, None, seconds)
        try:
            pending = b""
            for chunk in response.stream(amt=None, decode_content=True):
                *lines, pending = (pending + chunk).split(b"\n")
                if len(pending) > _LONGEST_LINE:
                    raise ClusterUnreachable("the cluster sends a watch event that does not end")
                yield from map(_event, filter(bytes.strip, lines))
            if pending.strip():
                yield _event(pending)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as err:
            raise ClusterUnreachable(f"a watch of the cluster broke off: {err}") from err
        finally:
            response.close()

    def close(self) -> None:
        self._access.close()

    def _document(
        self, method: str, path: str, query: Mapping[str, str] | None, body: JsonObject | None, seconds: float
    ) -> JsonObject:
        response = self._send(method, path, query, body, seconds)
        try:
            document = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as err:
            raise ClusterUnreachable(f"the cluster's answer cannot be read: {err}") from err
        if not isinstance(document, dict):
            raise ClusterUnreachable("the cluster's answer is no object")
        return document

    def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: JsonObject | None, seconds: float
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._access.send(
                method,
                path,
                query=query,
                body=None if body is None else json.dumps(body).encode(),
                connect_seconds=_CONNECT_SECONDS,
                read_seconds=seconds,
            )
        except CredentialsUnavailable as err:
            raise ClusterUnreachable(f"there are no credentials for the cluster: {err}") from err
        except (urllib3.exceptions.HTTPError, OSError) as err:
            raise ClusterUnreachable(f"the cluster does not answer: {type(err).__name__}: {err}") from err
        if 200 <= response.status < 300:
            return response
        response.drain_conn()
        if response.status == 404:
            raise NotThere(path)
        if response.status == 410:
            raise TooOld(path)
        raise ClusterUnreachable(f"the cluster refuses {method} {path}: {response.status} {response.reason}")


def _event(line: bytes) -> JsonObject:
    """Raises ValueError."""
    event = json.loads(line)
    if not isinstance(event, dict):
        raise ValueError("a watch event is no object")  # noqa: TRY004 - of what was sent, not of a type
    return event
