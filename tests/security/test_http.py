"""The HTTP port under octets that no honest client sends."""

import asyncio
import gzip
import json

import pytest
from aiohttp import web
from structlog.typing import EventDict

from serving.http import HttpListener
from tests.ca.server import RunningServer
from tests.ca.wire import identity_of
from tests.security.raw_http import connect, request, send

HOST = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["silent", "half a header"])
async def test_connection_that_never_finishes_a_request_is_closed(beginning: bytes) -> None:
    listener = HttpListener(web.Application(), None, patience=0.1)
    port = int((await listener.start("127.0.0.1", 0)).rpartition(":")[2])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)

        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await asyncio.wait_for(reader.readexactly(1), 60)
        writer.close()
    finally:
        await listener.stop(1)


async def test_connection_that_asked_in_time_stays_open() -> None:
    listener = HttpListener(web.Application(), None, patience=1)
    port = int((await listener.start("127.0.0.1", 0)).rpartition(":")[2])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"404: Not Found"), 60)).startswith(b"HTTP/1.1 404")
            await asyncio.sleep(0.5)
        writer.close()
    finally:
        await listener.stop(1)


@pytest.mark.parametrize(
    "octets",
    [
        b"POST /v1/enroll HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        b"POST /v1/enroll HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        b"POST /v1/enroll HTTP/1.1\r\n" + HOST + b"Content-Length: +2\r\n\r\n{}",
        b"POST /v1/enroll HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/enroll HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: localhost\n\n",
        b"GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
        b"FROB /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
)
def test_requests_that_two_parsers_read_differently_are_refused(server: RunningServer, octets: bytes) -> None:
    """A second request behind the first must never be answered: that is what smuggling lives from."""
    answer = send(server, octets + b"GET /roots.pem HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")

    assert answer.status in {0, 400}
    assert b"BEGIN CERTIFICATE" not in answer.rest


@pytest.mark.parametrize(
    "path", ["/crl/../v1/status", "/v1/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//v1/status", "/v1/status/"]
)
def test_paths_lead_nowhere_but_to_their_routes(server: RunningServer, path: str) -> None:
    assert send(server, request("GET", path)).status == 404


def test_web_page_cannot_use_the_certificate_of_a_browser(server: RunningServer) -> None:
    """A form on any page may POST without being asked first; the browser adds the client certificate, and Origin."""
    identity = identity_of(server.office, common_name="mallory", organizations=("chancery:administrators",))
    path = f"/v1/certificates/{identity.certificate_id}:revoke"

    answer = send(server, request("POST", path, Origin="https://page.example"), identity)

    assert answer.status == 403
    assert server.office.inventory.find(identity.certificate_id).revoked_at is None
    assert send(server, request("POST", path), identity).status == 200


def test_what_was_sent_is_not_echoed_without_bound(server: RunningServer) -> None:
    answer = send(server, request("POST", "/v1/enroll", json.dumps({"x" * 200_000: 1}).encode()))

    assert answer.status == 400
    assert len(answer.rest) < 2000


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"token":' * 20_000, b'{"token":"\\ud800"}', b'{"token":"\xff"}'])
def test_json_that_breaks_parsers_is_refused(server: RunningServer, body: bytes) -> None:
    assert send(server, request("POST", "/v1/enroll", body)).status == 400


def test_json_that_breaks_parsers_is_refused_by_the_path_of_old(server: RunningServer) -> None:
    body = b'{"SubjectCountry":' + b"[" * 100_000

    assert send(server, request("POST", "/csr", body), server.administrator).status == 400


def test_bodies_are_not_unpacked(server: RunningServer) -> None:
    bomb = gzip.compress(b'{"token":"' + bytes(50_000_000) + b'"}')

    assert send(server, request("POST", "/v1/enroll", bomb, Content_Encoding="gzip")).status == 400


def test_peers_that_break_off_leave_no_errors_in_the_log(server: RunningServer, logs: list[EventDict]) -> None:
    """Whoever reaches the port could fill the disk otherwise."""
    for _ in range(5):
        with connect(server) as connection:
            connection.sendall(b"POST /v1/enroll HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n{")
    send(server, request("POST", "/v1/enroll", b"not gzip", Content_Encoding="gzip"))
    send(server, request("BREW", "/livez"))
    assert send(server, request("GET", "/livez")).status == 200

    assert [log for log in logs if log["log_level"] == "error"] == []


def test_unknown_paths_and_methods_make_no_metrics_of_their_own(server: RunningServer) -> None:
    for number in range(5):
        send(server, request("GET", f"/made-up-{number}"))
        send(server, request("PROPFIND", f"/v1/made-up-{number}"))

    exposition = send(server, request("GET", "/metrics")).rest

    assert b"made-up" not in exposition
