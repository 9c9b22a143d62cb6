"""The API server: documents in, documents out, or one of `kube.errors`.

- Safe from any thread. Calls block and each has a timeout; what comes drop by drop, or does not end, is no answer.
- Credentials that are not taken are read anew, once, and the call is repeated with them.
- A write is made only where `permit` lets it, and may last no longer than that says: it is how a leader is fenced.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import structlog
import urllib3

from kube.documents import JsonObject, JsonValue
from kube.errors import ClusterUnreachable
from kube.statuses import error_of
from serving.kubeconfig import ApiServerAccess, CredentialsUnavailable

_CALL_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_LONGEST_ANSWER = 64 << 20
_LONGEST_EVENT = 4 << 20

Permit = Callable[[], float]
"""How many seconds a write may take that begins now. Raises NotLeading."""

_log = structlog.get_logger("chancery.kube")


class PatchKind(StrEnum):
    """Media types of patches that the API server takes."""

    STRATEGIC = "application/strategic-merge-patch+json"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"


class Cluster:
    def __init__(self, access: Callable[[], ApiServerAccess], *, permit: Permit = lambda: _CALL_SECONDS) -> None:
        """`access` reads the credentials; it is called again where they are not taken any more. Raises what that raises."""
        self._read_access = access
        self._access = access()
        self._lock = threading.Lock()
        self._permit = permit

    @classmethod
    def open(cls, kubeconfig: Path | None) -> "Cluster":
        """From a kubeconfig, or from the service account of the pod. Raises serving.kubeconfig.KubeconfigInvalid."""
        return cls(lambda: ApiServerAccess.open(kubeconfig))

    def get(self, path: str, query: Mapping[str, str] | None = None) -> JsonObject:
        """Raises NotThere, TooOld, Forbidden, ClusterUnreachable, NotAuthenticated."""
        return self._call("GET", path, query=query, seconds=_CALL_SECONDS)

    def create(self, path: str, document: JsonObject, query: Mapping[str, str] | None = None) -> JsonObject:
        """POST. Raises AlreadyThere, Refused, Forbidden, NotThere, ClusterUnreachable, NotAuthenticated, NotLeading."""
        return self._write("POST", path, query=query, body=document)

    def replace(self, path: str, document: JsonObject) -> JsonObject:
        """PUT. Raises Conflict, Refused, Forbidden, NotThere, ClusterUnreachable, NotAuthenticated, NotLeading."""
        return self._write("PUT", path, body=document)

    def patch(self, path: str, patch: JsonValue, *, kind: PatchKind) -> JsonObject:
        """Raises Conflict, Refused, Forbidden, NotThere, ClusterUnreachable, NotAuthenticated, NotLeading."""
        return self._write("PATCH", path, body=patch, content_type=kind)

    def delete(self, path: str, *, uid: str | None = None, resource_version: str | None = None) -> None:
        """Raises Conflict where it is another object or version by now; NotThere is for the caller to take as done."""
        conditions: JsonObject = {}
        if uid is not None:
            conditions["uid"] = uid
        if resource_version is not None:
            conditions["resourceVersion"] = resource_version
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        self._write("DELETE", path, body=options)

    def watch(self, path: str, query: Mapping[str, str], *, seconds: float) -> Iterator[JsonObject]:
        """Events as they come; silence of `seconds` ends it. Raises TooOld, NotThere, Forbidden, ClusterUnreachable."""
        response = self._send("GET", path, query={**query, "watch": "true"}, seconds=seconds)
        try:
            pending = b""
            for chunk in response.stream(amt=None, decode_content=True):
                *lines, pending = (pending + chunk).split(b"\n")
                if len(pending) > _LONGEST_EVENT:
                    raise ClusterUnreachable("the cluster sends a watch event that does not end")
                yield from map(_document, filter(bytes.strip, lines))
        except (urllib3.exceptions.HTTPError, OSError) as err:
            raise ClusterUnreachable(f"a watch of the cluster broke off: {type(err).__name__}: {err}") from err
        finally:
            response.close()

    def close(self) -> None:
        self._access.close()

    def _write(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue,
        content_type: str = "application/json",
    ) -> JsonObject:
        return self._call(method, path, query=query, body=body, content_type=content_type, seconds=self._permit())

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue = None,
        content_type: str = "application/json",
        seconds: float,
    ) -> JsonObject:
        deadline = time.monotonic() + seconds
        response = self._send(method, path, query=query, body=body, content_type=content_type, seconds=seconds)
        return _document(_read(response, deadline))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue = None,
        content_type: str = "application/json",
        seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        access = self._access
        octets = None if body is None else json.dumps(body).encode()
        try:
            response = access.send(
                method,
                path,
                query=query,
                body=octets,
                content_type=content_type,
                connect_seconds=min(_CONNECT_SECONDS, seconds),
                read_seconds=seconds,
            )
        except CredentialsUnavailable as err:
            raise ClusterUnreachable(f"there are no credentials for the cluster: {err}") from err
        except (urllib3.exceptions.HTTPError, OSError) as err:
            raise ClusterUnreachable(f"the cluster does not answer: {type(err).__name__}: {err}") from err
        if 200 <= response.status < 300:
            return response
        raise error_of(
            method, path, response.status, response.headers, _read(response, time.monotonic() + _CONNECT_SECONDS)
        )


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    octets = bytearray()
    try:
        while chunk := response.read1(1 << 16, decode_content=True):
            octets += chunk
            if len(octets) > _LONGEST_ANSWER or time.monotonic() > deadline:
                raise ClusterUnreachable("the cluster's answer does not end")
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as err:
        response.close()
        raise ClusterUnreachable(f"the cluster's answer broke off: {type(err).__name__}: {err}") from err
    except ClusterUnreachable:
        response.close()
        raise
    response.release_conn()
    return bytes(octets)


def _document(octets: bytes) -> JsonObject:
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError) as err:
        raise ClusterUnreachable(f"the cluster's answer is no JSON: {err}") from err
    if not isinstance(document, dict):
        raise ClusterUnreachable("the cluster's answer is no object")
    return document
