"""A webhook server on loopback: allows every admission, converts every object by its version, answers discovery."""

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def webhook_server(context: Callable[[], ssl.SSLContext]) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the paths that were asked for. `context` is asked at each connection."""
    asked: list[str] = []

    class Answers(http.server.BaseHTTPRequestHandler):
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

        def log_message(self, *_arguments: object) -> None:
            return

    class Server(http.server.ThreadingHTTPServer):
        def get_request(self) -> tuple[ssl.SSLSocket, object]:
            connection, address = super().get_request()
            connection.settimeout(60)
            return context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, *_arguments: object) -> None:
            """Clients that do not trust us yet, or any more."""

    server = Server(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def allowed(review: dict[str, Any]) -> dict[str, Any]:
    return {"uid": review["request"]["uid"], "allowed": True}


def converted(review: dict[str, Any]) -> dict[str, Any]:
    request = review["request"]
    objects = [{**one, "apiVersion": request["desiredAPIVersion"]} for one in request["objects"]]
    return {"uid": request["uid"], "convertedObjects": objects, "result": {"status": "Success"}}
