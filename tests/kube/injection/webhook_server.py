"""A webhook server on loopback: allows every admission, converts every object by its version, answers discovery."""

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.servers.threaded import ThreadedServer, serving


@contextlib.contextmanager
def webhook_server(context: Callable[[], ssl.SSLContext]) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the paths that were asked for. `context` is asked at each connection."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append(self.path)
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = converted(review) if review["kind"] == "ConversionReview" else allowed(review)
            self.answer({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})

        def do_GET(self) -> None:
            asked.append(self.path)
            version = "/".join(self.path.partition("?")[0].split("/")[2:4])
            self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": []})

        def answer(self, document: dict[str, Any]) -> None:
            octets = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.send_header("Connection", "close")  # each call with a handshake of its own
            self.end_headers()
            self.wfile.write(octets)
            self.close_connection = True

    with serving(ThreadedServer(Answers, context)) as server:
        yield server.server_port, asked


def allowed(review: dict[str, Any]) -> dict[str, Any]:
    return {"uid": review["request"]["uid"], "allowed": True}


def converted(review: dict[str, Any]) -> dict[str, Any]:
    request = review["request"]
    objects = [{**one, "apiVersion": request["desiredAPIVersion"]} for one in request["objects"]]
    return {"uid": request["uid"], "convertedObjects": objects, "result": {"status": "Success"}}
