"""What the API server answers with: documents, and watches as streams of them. What does not end is no answer."""

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import orjson
import urllib3

from kube.documents import JsonObject
from kube.errors import AnswerTooLong, ClusterUnreachable

LONGEST_ANSWER = 64 << 20
LONGEST_OBJECT = 16 << 20
"""Octets. etcd takes 1.5 MiB, of which the API server may make six times as much: it writes `<` as `\\u003c`."""
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What need be no document."""

    headers: Mapping[str, str]
    octets: bytes


class WatchStream(Iterator[JsonObject]):
    """Events of one watch, as they come; whoever iterates it closes it, and any thread may interrupt it."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._interrupted = False
        self._events = self._read()

    def __next__(self) -> JsonObject:
        return next(self._events)

    def interrupt(self) -> None:
        """The watch ends now, also for a thread that waits for its next event."""
        self._interrupted = True
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()

    def close(self) -> None:
        self._events.close()
        self._response.close()

    def _read(self) -> Generator[JsonObject, None, None]:
        try:
            pending = bytearray()
            for chunk in self._response.stream(amt=None, decode_content=True):
                *lines, rest = chunk.split(b"\n")
                for line in lines:
                    pending += line
                    if pending.strip():
                        yield read_document(bytes(pending))
                    pending.clear()
                pending += rest
                if len(pending) > LONGEST_OBJECT:
                    raise ClusterUnreachable("the cluster sends a watch event that does not end")
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as err:
            if not self._interrupted:
                raise ClusterUnreachable(f"a watch of the cluster broke off: {type(err).__name__}: {err}") from err
        finally:
            self._response.close()


def read_body(response: urllib3.BaseHTTPResponse, deadline: float, *, longest: int = LONGEST_ANSWER) -> bytes:
    octets = bytearray()
    try:
        while chunk := response.read1(_PIECE, decode_content=True):
            octets += chunk
            if len(octets) > longest or time.monotonic() > deadline:
                raise AnswerTooLong("the cluster's answer does not end")
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as err:
        response.close()
        raise ClusterUnreachable(f"the cluster's answer broke off: {type(err).__name__}: {err}") from err
    except ClusterUnreachable:
        response.close()
        raise
    response.release_conn()
    return bytes(octets)


def read_document(octets: bytes) -> JsonObject:
    try:
        document = orjson.loads(octets)
    except ValueError as err:
        raise ClusterUnreachable(f"the cluster's answer is no JSON: {err}") from err
    if not isinstance(document, dict):
        raise ClusterUnreachable("the cluster's answer is no object")
    return document
