"""YAML that is made to hurt whoever reads it."""

import time

import pytest

from tests.apiserver.client import REPORTS, WARDLE, flunder, in_background, report

FLUNDERS = f"{WARDLE}/namespaces/yaml/flunders"
YAML = {"Content-Type": "application/yaml"}


@pytest.mark.parametrize(
    "octets",
    [b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"- " * 100_000, b"? " * 100_000, b"{? " * 50_000],
    ids=["arrays", "objects", "lists", "keys", "flow keys"],
)
def test_nesting_that_would_overflow_the_stack_is_refused(server, api, octets):
    created = api.request("POST", FLUNDERS, octets, headers=YAML)
    applied = api.apply(f"{FLUNDERS}/deep", octets)

    assert (created.status, created.reason) == (400, "BadRequest")
    assert (applied.status, applied.reason) == (400, "BadRequest")


def test_aliases_that_multiply_are_refused(server, api):
    lines = ["a: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]

    answer = api.apply(f"{FLUNDERS}/bomb", "\n".join(lines).encode())

    assert (answer.status, answer.message) == (400, "error decoding YAML: aliases are not accepted")


@pytest.mark.parametrize(
    "document",
    [
        b"a: !!python/object/apply:os.system [x]",
        b"a: !!binary aGVsbG8=",
        b"a: !!set {b}",
        b"a: 0xffffffffffffffffffffffffff",
        b"a: " + b"9" * 5000,
        b"? [a]\n: 1",
        b"1: a",
        b"--- a\n--- b",
        b'a: "\\ud800"',
        b"\xff\xfe",
        b"\tx: [",
    ],
)
def test_what_json_cannot_say_is_refused(server, api, document):
    answer = api.apply(f"{FLUNDERS}/strange", document)

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.message.startswith("error decoding YAML: ")


def test_yaml_is_bounded_as_kube_apiserver_bounds_it_though_json_may_be_larger(server, api):
    octets = b"metadata: {name: large}\nresults:\n" + b"- policy: p\n" * (3 << 18)

    answer = api.request("POST", f"{REPORTS}/namespaces/yaml/policyreports", octets, headers=YAML)

    assert (answer.status, answer.reason) == (413, "RequestEntityTooLarge")


def test_large_yaml_holds_up_nobody(server, api):
    octets = b"metadata: {name: large}\nresults:\n" + b"- {policy: p, result: pass}\n" * 40_000
    answers = []
    writer = in_background(
        lambda: answers.append(api.request("POST", f"{REPORTS}/namespaces/yaml/policyreports", octets, headers=YAML))
    )
    longest, started = 0.0, time.monotonic()
    while writer.is_alive():
        begun = time.monotonic()
        assert api.get("/livez").status == 200
        longest = max(longest, time.monotonic() - begun)

    assert answers[0].status == 201
    assert longest < (time.monotonic() - started) / 2


def test_json_that_is_called_yaml_is_not_read_as_yaml(server, api):
    results = [{"policy": f"p{number}", "result": "pass"} for number in range(80_000)]
    begun = time.monotonic()

    answer = api.apply(f"{REPORTS}/namespaces/yaml/policyreports/json", report("json", results=results))

    assert answer.status == 201
    assert time.monotonic() - begun < 60, "as YAML it takes minutes"


def test_flow_mapping_that_is_no_json_is_read_as_yaml(server, api):
    document = b"{apiVersion: wardle.example.com/v1alpha1, kind: Flunder, metadata: {name: flow}, spec: {reference: x}}"

    answer = api.apply(f"{FLUNDERS}/flow", document)

    assert answer.status == 201
    assert answer.document["spec"]["reference"] == flunder()["spec"]["reference"]
