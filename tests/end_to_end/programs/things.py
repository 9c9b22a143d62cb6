"""A user's service in a labelled pod: a webhook, an API of its own and an mTLS server, by the files that the agent keeps."""

import http.server
import json
import os
import ssl
import threading
from pathlib import Path
from typing import Any

from agent.tls import FollowedIdentity

DIRECTORY = Path("/var/run/secrets/chancery.dev/tls")


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        """A review of an admission: whatever it is, it is allowed."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {"uid": review["request"]["uid"], "allowed": True}
        self.answer({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})

    def do_GET(self) -> None:
        if isinstance(self.connection, ssl.SSLSocket) and (shown := self.connection.getpeercert()):
            self.answer({"caller": [name for kind, name in shown.get("subjectAltName", ()) if kind == "URI"]})
        elif self.path.endswith("/things"):
            self.answer({"kind": "ThingList", "apiVersion": "things.example.com/v1", "items": []})
        else:
            resource = {"name": "things", "namespaced": False, "kind": "Thing", "singularName": "", "verbs": ["list"]}
            version = "things.example.com/v1"
            self.answer(
                {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [resource]}
            )

    def answer(self, document: dict[str, Any]) -> None:
        octets = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.send_header("Connection", "close")  # so that each call has a handshake of its own
        self.end_headers()
        self.wfile.write(octets)
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        return


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64


def serve(port: int, identity: FollowedIdentity, clients: ssl.VerifyMode) -> None:
    server = Server((os.environ["POD_IP"], port), Answers)
    context = identity.server_context(clients=clients)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()


followed = FollowedIdentity(DIRECTORY)
serve(8443, followed, ssl.CERT_NONE)
serve(8444, followed, ssl.CERT_REQUIRED)
