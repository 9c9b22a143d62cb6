"""Bodies that are broken, deep, endless, packed, or lie about themselves."""

import gzip
import json
import time

import pytest

from tests.apiserver.attacks.sockets import document_of, status_codes
from tests.apiserver.client import REPORTS, WARDLE, flunder, in_background, report

FLUNDERS = f"{WARDLE}/namespaces/bodies/flunders"
REPORTS_HERE = f"{REPORTS}/namespaces/bodies/policyreports"
PATCHES = ("merge-patch+json", "json-patch+json", "apply-patch+yaml")

BROKEN = {
    "empty": b"",
    "blank": b"  ",
    "truncated": b'{"metadata":',
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep arrays": b"[" * 1_000_000,
    "deeper than a document may be": b'{"metadata":{"name":"x"},"status":' + b"[" * 300 + b"]" * 300 + b"}",
    "not UTF-8": b'{"metadata":{"name":"\xff"}}',
    "lone surrogate": b'{"metadata":{"name":"x","annotations":{"a":"\\ud800"}}}',
    "not a number": b'{"metadata":{"name":"x"},"spec":NaN}',
    "infinite": b'{"metadata":{"name":"x"},"spec":1e999}',
    "thousands of digits": b'{"metadata":{"name":"x"},"spec":' + b"9" * 5000 + b"}",
    "byte order mark": b'\xef\xbb\xbf{"metadata":{"name":"x"}}',
    "two documents": b"{}{}",
    "null": b"null",
    "number": b"1",
    "text": b'"x"',
    "generation beyond 64 bits": b'{"metadata":{"name":"x","generation":1180591620717411303424}}',
    "metadata that is a list": b'{"metadata":[]}',
    "labels that are a list": b'{"metadata":{"name":"x","labels":[]}}',
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN)
def test_broken_bodies_are_refused_by_every_verb(server, api, octets):
    api.create(REPORTS_HERE, report("r"))
    answers = [
        api.request("POST", FLUNDERS, octets),
        api.request("POST", FLUNDERS, octets, fieldValidation="Strict"),
        api.request("PUT", f"{REPORTS_HERE}/r", octets),
        *(
            api.request(
                "PATCH", f"{REPORTS_HERE}/r", octets, headers={"Content-Type": f"application/{kind}"}, fieldManager="m"
            )
            for kind in PATCHES
        ),
    ]

    assert {answer.status for answer in answers} <= {400, 422}
    assert {answer.document["kind"] for answer in answers} == {"Status"}


def test_a_name_that_stands_twice_is_warned_of_or_refused_and_the_last_one_counts(server, api):
    octets = b'{"metadata":{"name":"one","name":"two"},"spec":{"reference":"a","reference":"b"}}'

    strict = api.request("POST", FLUNDERS, octets, fieldValidation="Strict")
    warned = api.request("POST", FLUNDERS, octets)

    assert strict.status == 400
    assert 'duplicate field "metadata.name"' in strict.message
    assert warned.document["metadata"]["name"] == "two"
    assert any("metadata.name" in text for text in warned.warnings)


def test_packed_bodies_are_not_unpacked(server, api):
    bomb = gzip.compress(b" " * (64 << 20))

    answer = api.request("POST", FLUNDERS, bomb, headers={"Content-Encoding": "gzip"})

    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")


@pytest.mark.slow
@pytest.mark.parametrize("status", [201, 413])
def test_gigantic_json_holds_up_nobody(server, api, bystander, namespace, status):
    """Just within what a report may be, of very many small parts; and four times as much."""
    results = [{"policy": f"p{number}", "result": "pass"} for number in range(400_000 if status == 201 else 1_600_000)]
    octets = json.dumps(report("gigantic", results=results)).encode()
    path = f"{REPORTS}/namespaces/{namespace}/policyreports"
    answers = []
    writers = [in_background(lambda: answers.append(api.request("POST", path, octets))) for _ in range(2)]
    longest = 0.0
    while any(writer.is_alive() for writer in writers):
        begun = time.monotonic()
        assert bystander.get(FLUNDERS, limit=1).status == 200
        longest = max(longest, time.monotonic() - begun)

    assert {answer.status for answer in answers} <= {status, 409}
    assert {answer.document["kind"] for answer in answers} <= {"PolicyReport", "Status"}
    assert longest < 30


def test_a_body_over_the_limit_is_refused_before_it_is_sent(server, raw):
    connection = raw()
    connection.send(head(f"Content-Length: {1 << 40}"))

    assert connection.socket.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_without_end_is_refused_at_the_limit(server, raw):
    connection = raw()
    connection.send(head("Transfer-Encoding: chunked"))
    chunk = b"%x\r\n" % (1 << 18) + b"x" * (1 << 18) + b"\r\n"
    try:
        for _ in range(14):  # 3.5 MiB
            connection.send(chunk)
    except OSError:
        pass

    assert connection.socket.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_is_shorter_than_it_says_writes_nothing(server, api, raw):
    octets = json.dumps(flunder("short")).encode()
    connection = raw()
    connection.send(head(f"Content-Length: {len(octets) + 10}") + octets)
    connection.close()

    assert api.get(f"{FLUNDERS}/short").status == 404


def test_what_follows_a_body_is_not_part_of_it(server, api, raw):
    octets = json.dumps(flunder("pipelined")).encode()
    following = f"GET {FLUNDERS}/pipelined HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    answers = raw().ask(head(f"Content-Length: {len(octets)}") + octets + following)

    assert status_codes(answers) == [201, 200]
    last = answers[answers.rindex(b"HTTP/1.1 ") :]
    assert document_of(last) == api.get(f"{FLUNDERS}/pipelined").document


def test_unknown_fields_by_the_thousand_make_few_warnings_and_no_headers_of_the_callers(server, api):
    unknown = {f"k{number}\r\nX-Evil: {number}": 1 for number in range(10_000)}

    answer = api.create(FLUNDERS, {**flunder("unknown"), **unknown}, fieldValidation="Ignore")
    warned = api.create(FLUNDERS, {**flunder("warned"), "long" * 10_000: 1, "a\r\nX-Evil: 1": 1})

    assert answer.status == warned.status == 201
    assert "X-Evil" not in warned.headers
    assert len(warned.warnings) == 2
    assert all(len(text) < 600 for text in warned.warnings)


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"labels": {f"l{number}": "v" for number in range(20_000)}}, 201),
        ({"labels": {f"l!{number}": "!" * 70 for number in range(5_000)}}, 422),
        ({"annotations": {"a": "x" * ((256 << 10) - 1)}}, 201),
        ({"annotations": {"a": "x" * (256 << 10)}}, 422),
        ({"finalizers": [f"example.com/{number}" for number in range(1000)]}, 201),
        ({"managedFields": [{"manager": f"m{number}"} for number in range(50_000)]}, 201),
        ({"generateName": "x" * 100_000}, 422),
        ({"name": "x" * 100_000}, 422),
        ({"name": "a\0b"}, 422),
        ({"name": "../../etc"}, 422),
        ({"namespace": "other"}, 400),
        ({"ownerReferences": [{"uid": {}}]}, 400),
        ({"deletionTimestamp": "x"}, 400),
        ({"creationTimestamp": "x" * 100_000}, 400),
        ({"uid": "x", "generation": -1}, 201),
    ],
)
def test_metadata_is_bounded_or_refused(server, api, namespace, metadata, status):
    path = f"{WARDLE}/namespaces/{namespace}/flunders"

    answer = api.create(
        path, flunder(metadata={**({"name": "a"} if "generateName" not in metadata else {}), **metadata})
    )

    assert answer.status == status, answer.octets[:400]
    assert answer.document["kind"] == ("Flunder" if status == 201 else "Status")


def test_twenty_thousand_managed_fields_hold_up_nobody(server, api):
    entry = {
        "operation": "Update",
        "apiVersion": "wardle.example.com/v1alpha1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:reference": {}}},
    }
    entries = [{"manager": f"m{number}", **entry} for number in range(15_000)]

    answer = api.create(FLUNDERS, flunder("managed", metadata={"managedFields": entries}))

    assert answer.status == 201
    assert len(answer.document["metadata"]["managedFields"]) < 12  # kube-apiserver keeps ten of updates


def head(more: str) -> bytes:
    return f"POST {FLUNDERS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}\r\n\r\n".encode()
