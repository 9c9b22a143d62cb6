"""The API server: documents in, documents out, or one of `kube.errors`.

- Safe from any thread. Calls block and each has a timeout.
- Credentials that are not taken are read anew, once, and the call is repeated with them.
- A write is made only where `permit` lets it, and may last no longer than that says: it is how a leader is fenced.
"""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

import orjson
import urllib3

from kube.answers import LONGEST_ANSWER, Answer, WatchStream, read_body, read_document
from kube.credentials import Credentials
from kube.documents import JsonObject, JsonValue
from kube.errors import ClusterUnreachable, NotAuthenticated
from kube.statuses import error_of
from serving.kubeconfig import ApiServerAccess, CredentialsUnavailable

_CALL_SECONDS = 10.0
_CONNECT_SECONDS = 5.0

Permit = Callable[[], float]
"""How many seconds a write may take that begins now. Raises NotLeading."""

Outgoing = Callable[[], Mapping[str, str]]
"""Headers of a call, by which the API server may tell what it belongs to."""


class PatchKind(StrEnum):
    """Media types of patches that the API server takes."""

    STRATEGIC = "application/strategic-merge-patch+json"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"


class Cluster:
    def __init__(
        self,
        credentials: Credentials,
        *,
        permit: Permit | None = None,
        call_seconds: float = _CALL_SECONDS,
        outgoing: Outgoing | None = None,
    ) -> None:
        """A call that is no watch may take `call_seconds`, a write no longer than `permit` says."""
        self._credentials = credentials
        self._outgoing = outgoing
        self._permit = permit
        self._call_seconds = call_seconds

    @classmethod
    def open(cls, kubeconfig: Path | None, *, outgoing: Outgoing | None = None) -> "Cluster":
        """From a kubeconfig, or from the service account of the pod. Raises serving.kubeconfig.KubeconfigInvalid."""
        return cls(Credentials(lambda: ApiServerAccess.open(kubeconfig)), outgoing=outgoing)

    def fenced(self, permit: Permit) -> "Cluster":
        """The same cluster for somebody who may write only when `permit` says so."""
        return Cluster(self._credentials, permit=permit, call_seconds=self._call_seconds, outgoing=self._outgoing)

    def hurried(self, call_seconds: float) -> "Cluster":
        """The same cluster for somebody who cannot wait long."""
        return Cluster(self._credentials, permit=self._permit, call_seconds=call_seconds, outgoing=self._outgoing)

    def verify_leading(self) -> None:
        """Before what only a leader may do elsewhere than in the cluster. Raises NotLeading."""
        if self._permit is not None:
            self._permit()

    def get(self, path: str, query: Mapping[str, str] | None = None, *, longest: int = LONGEST_ANSWER) -> JsonObject:
        """Raises NotThere, TooOld, Forbidden, ClusterUnreachable, NotAuthenticated; AnswerTooLong beyond `longest` octets."""
        return self._call("GET", path, query=query, seconds=self._call_seconds, longest=longest)

    def fetch(self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json") -> Answer:
        """GET of what need be no document: a server behind the API server's proxy, or another form of a list. Raises as `get`."""
        deadline = time.monotonic() + self._call_seconds
        response = self._send("GET", path, query=query, accept=accept, seconds=self._call_seconds, deadline=deadline)
        return Answer(headers=response.headers, octets=read_body(response, deadline))

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

    def watch(self, path: str, query: Mapping[str, str], *, seconds: float) -> WatchStream:
        """Events as they come; silence of `seconds` ends it. Raises TooOld, NotThere, Forbidden, ClusterUnreachable."""
        return WatchStream(self._send("GET", path, query={**query, "watch": "true"}, seconds=seconds))

    def close(self) -> None:
        self._credentials.close()

    def _write(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue,
        content_type: str = "application/json",
    ) -> JsonObject:
        seconds = self._call_seconds if self._permit is None else min(self._permit(), self._call_seconds)
        return self._call(method, path, query=query, body=body, content_type=content_type, seconds=seconds)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue = None,
        content_type: str = "application/json",
        seconds: float,
        longest: int = LONGEST_ANSWER,
    ) -> JsonObject:
        deadline = time.monotonic() + seconds
        response = self._send(
            method, path, query=query, body=body, content_type=content_type, seconds=seconds, deadline=deadline
        )
        return read_document(read_body(response, deadline, longest=longest))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        seconds: float,
        deadline: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """`deadline` is for an answer that is no stream, by the clock of `time.monotonic`."""
        octets = None if body is None else orjson.dumps(body)
        access: ApiServerAccess | None = self._credentials.access
        while True:
            assert access is not None  # noqa: S101 - the loop ends where there is none
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise ClusterUnreachable(f"{method} {path}: no answer within {seconds:.1f} seconds")
            try:
                response = access.send(
                    method,
                    path,
                    query=query,
                    body=octets,
                    content_type=content_type,
                    accept=accept,
                    more_headers=None if self._outgoing is None else self._outgoing(),
                    connect_seconds=_CONNECT_SECONDS if left is None else min(_CONNECT_SECONDS, left),
                    read_seconds=seconds,
                    total_seconds=left,
                )
            except CredentialsUnavailable as err:
                raise ClusterUnreachable(f"there are no credentials for the cluster: {err}") from err
            except (urllib3.exceptions.HTTPError, OSError) as err:
                if isinstance(err, urllib3.exceptions.SSLError) and (access := self._credentials.renew(access)):
                    continue
                raise ClusterUnreachable(f"the cluster does not answer: {type(err).__name__}: {err}") from err
            if 200 <= response.status < 300:
                return response
            error = error_of(
                method,
                path,
                response.status,
                response.headers,
                read_body(response, time.monotonic() + _CONNECT_SECONDS),
            )
            if not isinstance(error, NotAuthenticated) or (access := self._credentials.renew(access)) is None:
                raise error
