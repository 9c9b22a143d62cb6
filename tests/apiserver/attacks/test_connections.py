"""Connections that stall, smuggle, or speak something that is not quite HTTP."""

import contextlib
import json
import socket
import ssl
import time

import pytest

from tests.apiserver.attacks.sockets import connect, document_of, plain_connection, status_codes
from tests.apiserver.client import REPORTS, WARDLE, eventually, flunder, in_background, report
from tests.apiserver.server import running_api_server
from tests.threads import join

FLUNDERS = f"{WARDLE}/namespaces/connections/flunders"
HOST = "Host: localhost\r\n"
SMUGGLED = f"GET {FLUNDERS} HTTP/1.1\r\n{HOST}\r\n"

_FRAMING = {
    "both lengths": ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", f"0\r\n\r\n{SMUGGLED}"),
    "both lengths, the other way round": (
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        f"0\r\n\r\n{SMUGGLED}",
    ),
    "two lengths": ("Content-Length: 5\r\nContent-Length: 6\r\n", f"hello!{SMUGGLED}"),
    "negative length": ("Content-Length: -1\r\n", SMUGGLED),
    "signed length": ("Content-Length: +5\r\n", f"hello{SMUGGLED}"),
    "hexadecimal length": ("Content-Length: 0x5\r\n", f"hello{SMUGGLED}"),
    "list of lengths": ("Content-Length: 5, 5\r\n", f"hello{SMUGGLED}"),
    "length with an underscore": ("Content-Length: 1_0\r\n", f"hellohello{SMUGGLED}"),
    "length beyond 64 bits": (f"Content-Length: {'9' * 40}\r\n", SMUGGLED),
    "unknown coding": ("Transfer-Encoding: xchunked\r\n", f"0\r\n\r\n{SMUGGLED}"),
    "chunked first": ("Transfer-Encoding: chunked, gzip\r\n", f"0\r\n\r\n{SMUGGLED}"),
    "blank before the colon": ("Transfer-Encoding : chunked\r\n", f"0\r\n\r\n{SMUGGLED}"),
    "two codings": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", f"0\r\n\r\n{SMUGGLED}"),
    "chunk size that is none": ("Transfer-Encoding: chunked\r\n", f"zz\r\nhello\r\n0\r\n\r\n{SMUGGLED}"),
    "negative chunk size": ("Transfer-Encoding: chunked\r\n", f"-5\r\nhello\r\n0\r\n\r\n{SMUGGLED}"),
    "chunk size beyond 64 bits": ("Transfer-Encoding: chunked\r\n", f"{'f' * 40}\r\nhello\r\n{SMUGGLED}"),
    "prefixed chunk size": ("Transfer-Encoding: chunked\r\n", f"0x5\r\nhello\r\n0\r\n\r\n{SMUGGLED}"),
    "chunks between bare line feeds": ("Transfer-Encoding: chunked\r\n", f"5\nhello\n0\n\n{SMUGGLED}"),
    "chunk longer than its size": ("Transfer-Encoding: chunked\r\n", f"5\r\nhello world\r\n0\r\n\r\n{SMUGGLED}"),
    "length in a trailer": ("Transfer-Encoding: chunked\r\n", f"0\r\nContent-Length: 5\r\n\r\n{SMUGGLED}"),
}


@pytest.mark.parametrize(("headers", "rest"), _FRAMING.values(), ids=_FRAMING)
def test_ambiguous_framing_ends_the_connection_and_smuggles_nothing(server, raw, headers, rest):
    answers = raw().ask(f"POST {FLUNDERS} HTTP/1.1\r\n{HOST}{headers}\r\n{rest}".encode())

    assert status_codes(answers) == [400]
    assert b"FlunderList" not in answers


_UNREADABLE = {
    "no host": b"GET /version HTTP/1.1\r\n\r\n",
    "two hosts": f"GET /version HTTP/1.1\r\n{HOST}{HOST}\r\n".encode(),
    "no slash": f"GET version HTTP/1.1\r\n{HOST}\r\n".encode(),
    "folded header": f"GET /version HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n".encode(),
    "header without a colon": f"GET /version HTTP/1.1\r\n{HOST}X\r\n\r\n".encode(),
    "nul in a header": f"GET /version HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n".encode(),
    "bare line feeds": b"GET /version HTTP/1.1\nHost: localhost\n\n",
    "bare carriage returns": b"GET /version HTTP/1.1\rHost: localhost\r\r",
    "octets beyond ASCII in the path": f"GET /é HTTP/1.1\r\n{HOST}\r\n".encode(),
    "nul in the path": f"GET /\0 HTTP/1.1\r\n{HOST}\r\n".encode(),
    "path of a hundred kilobytes": f"GET /{'a' * 100_000} HTTP/1.1\r\n{HOST}\r\n".encode(),
    "header of a hundred kilobytes": f"GET /version HTTP/1.1\r\n{HOST}X: {'a' * 100_000}\r\n\r\n".encode(),
    "thousands of headers": f"GET /version HTTP/1.1\r\n{HOST}".encode() + b"X: a\r\n" * 20_000 + b"\r\n",
    "unknown method": f"BREW /version HTTP/1.1\r\n{HOST}\r\n".encode(),
    "lower case method": f"get /version HTTP/1.1\r\n{HOST}\r\n".encode(),
    "HTTP/2 without negotiation": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS within TLS": b"\x16\x03\x01\x00\xa5" * 20,
}


@pytest.mark.parametrize("octets", _UNREADABLE.values(), ids=_UNREADABLE)
def test_what_is_no_request_ends_the_connection(server, raw, octets):
    answers = raw().ask(octets)

    assert status_codes(answers) in ([400], [])
    assert b"Traceback" not in answers


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "HEAD", "PURGE", "QUERY"])
@pytest.mark.parametrize("path", [FLUNDERS, f"{FLUNDERS}/a", "/version"])
def test_methods_that_are_not_offered_are_said_not_to_be(server, api, method, path):
    answer = api.request(method, path)

    assert answer.status == (200 if (method, path) == ("HEAD", "/version") else 405)
    assert answer.headers["Audit-Id"]


def test_old_http_is_answered_once(server, raw):
    answer = raw().ask(b"GET /version HTTP/1.0\r\n\r\n")

    assert status_codes(answer) == [200]
    assert b"\r\nServer: chancery\r\n" in answer


@pytest.mark.parametrize("origin", ["https://localhost", "http://elsewhere:1", "HTTPS://localhost"])
def test_targets_in_absolute_form_are_those_of_their_paths(server, raw, origin):
    def get(path: str, *, identified: bool) -> list[int]:
        request = f"GET {origin}{path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
        return status_codes(raw(identified=identified).ask(request.encode()))

    assert get("/livez", identified=False) == [200]
    assert get(f"{FLUNDERS}?limit=1", identified=True) == [200]
    assert get(FLUNDERS, identified=False) == [401]
    assert get(f"/livez/..{FLUNDERS}", identified=False) in ([401], [404])
    assert get("", identified=False) == [404]


def test_pipelined_requests_are_answered_in_order(server, api, raw):
    names = [f"pipelined-{number}" for number in range(20)]
    for name in names:
        api.create(FLUNDERS, flunder(name))
    requests = "".join(f"GET {FLUNDERS}/{name} HTTP/1.1\r\n{HOST}\r\n" for name in names)
    closing = f"GET /version HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"

    answers = raw().ask((requests + closing).encode()).split(b"HTTP/1.1 200 OK\r\n")[1:]

    assert [document_of(answer)["metadata"]["name"] for answer in answers[:-1]] == names


def test_paths_that_climb_reach_nothing_else(server, raw):
    for path in ("/healthz/../metrics", "/healthz%2f..%2fmetrics", "/livez/%2e%2e/version", f"/livez/..{FLUNDERS}"):
        answers = raw(identified=False).ask(f"GET {path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())

        assert status_codes(answers)[0] in {401, 403, 404}
        assert b"apiserver_request" not in answers
        assert b"FlunderList" not in answers


@pytest.mark.slow
def test_callers_that_never_finish_their_headers_or_handshakes_are_dropped_and_hold_up_nobody(server, bystander):
    with contextlib.ExitStack() as stack:
        unfinished = [stack.enter_context(contextlib.closing(plain_connection(server, seconds=40))) for _ in range(150)]
        slow = [stack.enter_context(contextlib.closing(connect(server, seconds=40))) for _ in range(50)]
        for connection in slow:
            connection.send(f"GET /version HTTP/1.1\r\n{HOST}X-Slow: ".encode())
        ended: set[int] = set()
        longest = 0.0

        def all_have_ended() -> bool:
            nonlocal longest
            before = time.monotonic()
            assert bystander.get("/livez").status == 200
            longest = max(longest, time.monotonic() - before)
            for number, connection in enumerate(slow):
                if number not in ended:
                    try:
                        connection.send(b"x")
                    except OSError:
                        ended.add(number)
            time.sleep(0.5)
            return len(ended) == len(slow)

        eventually(all_have_ended, 80)
        assert all(_is_closed(connection) for connection in unfinished)
    assert longest < 10, "they have half a minute, and nobody waits for them"


def test_a_stop_waits_for_nobody_s_handshake(tmp_path):
    with running_api_server(tmp_path / "data") as server:
        connection = plain_connection(server, seconds=5)
        assert server.client().get("/livez").status == 200

    with connection:
        assert _is_closed(connection)


@pytest.mark.slow
def test_a_body_that_trickles_is_cut_off_by_the_deadline_of_requests(tmp_path):
    octets = json.dumps(flunder("trickled")).encode()
    with running_api_server(tmp_path / "data", request_timeout="2s") as server:
        with contextlib.closing(connect(server)) as connection:
            headers = f"{HOST}Content-Type: application/json\r\nContent-Length: {len(octets)}\r\n"
            connection.send(f"POST {FLUNDERS} HTTP/1.1\r\n{headers}\r\n".encode())
            feeding = in_background(lambda: _trickle(connection, octets))
            begun = time.monotonic()
            answer = connection.socket.recv(65536)
            assert time.monotonic() - begun < 40  # of the minute that a request has where nothing else is said
            join(feeding)
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert server.client().get(f"{FLUNDERS}/trickled").status == 404


@pytest.mark.slow
def test_a_caller_that_does_not_read_its_answer_is_cut_off_by_the_deadline_of_requests(tmp_path):
    path = f"{REPORTS}/namespaces/unread/policyreports"
    with running_api_server(tmp_path / "data", request_timeout="6s", max_requests_inflight=4) as server:
        client = server.client("reader", "readers")
        for number in range(4):
            large = report(f"r{number}", scope={"kind": "Pod", "name": "x" * (4 << 20)})
            assert server.client().create(path, large).status == 201
        with contextlib.ExitStack() as stack:
            for _ in range(12):
                deaf = stack.enter_context(contextlib.closing(connect(server)))
                deaf.send(f"GET {path} HTTP/1.1\r\n{HOST}\r\n".encode())
                assert deaf.socket.recv(12) == b"HTTP/1.1 200"
            assert client.get("/livez").status == 200
            eventually(lambda: _under_way(server) == 1)  # the one that asks


def _under_way(server) -> int:
    """As members of system:masters, whose requests are counted apart."""
    (line,) = [
        line
        for line in server.client().get("/metrics").octets.decode().splitlines()
        if line.startswith('apiserver_current_inflight_requests{request_kind="exempt"}')
    ]
    return int(float(line.rpartition(" ")[2]))


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def _trickle(connection, octets: bytes) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        for octet in octets[:-1]:
            connection.send(bytes([octet]))
            time.sleep(0.05)


def test_hundreds_of_connections_leave_room_for_one_more(server, bystander):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            connection = stack.enter_context(contextlib.closing(connect(server, identified=False)))
            connection.send(f"GET /livez HTTP/1.1\r\n{HOST}\r\n".encode())
        assert bystander.get("/livez").status == 200
