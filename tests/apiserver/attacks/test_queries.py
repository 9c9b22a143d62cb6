"""Queries that no client sends by accident."""

import base64
import json

import pytest

from tests.apiserver.client import WARDLE, flunder

FLUNDERS = f"{WARDLE}/namespaces/queries/flunders"
DIGITS = "9" * 5000  # more than Python reads into an integer


@pytest.fixture(scope="module", autouse=True)
def some(api):
    for name in ("a", "b", "c"):
        api.create(FLUNDERS, flunder(name, metadata={"labels": {"n": "7"}}))


def token(**fields) -> str:
    octets = json.dumps({"v": "meta.k8s.io/v1", "start": "a\0", **fields}).encode()
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


@pytest.mark.parametrize("name", ["limit", "timeoutSeconds"])
@pytest.mark.parametrize("text", [DIGITS, "-" + DIGITS, "9" * 20, "1e3", " 1", "٣", "--1", "1_000", "1.0", "\0"])
def test_numbers_that_are_none_or_too_large_are_refused(server, api, name, text):
    answer = api.get(FLUNDERS, **{name: text})

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert len(answer.octets) < 1000


@pytest.mark.parametrize("text", [DIGITS, "9" * 20, "-1", "+1", "٣", "01", "x", "\0"])
def test_resource_versions_that_are_none_are_refused(server, api, text):
    assert api.get(FLUNDERS, resourceVersion=text).status == 400
    assert api.get(f"{FLUNDERS}/a", resourceVersion=text).status == 400
    with api.watch(FLUNDERS, resourceVersion=text) as watch:
        assert watch.status == 500  # kube-apiserver's answer to a watch


@pytest.mark.parametrize("limit", ["-1", "0", "+0", "1000000000000000000", str((1 << 63) - 1), "0" * 100])
def test_a_limit_that_bounds_nothing_lists_everything(server, api, limit):
    assert [item["metadata"]["name"] for item in api.get(FLUNDERS, limit=limit).document["items"]] == ["a", "b", "c"]


def test_of_a_parameter_that_is_repeated_one_counts(server, api):
    answer = api.get(f"{FLUNDERS}?{'&'.join(['limit=2'] * 500)}")

    assert len(answer.document["items"]) == 2


def test_parameters_that_are_unknown_are_not_looked_at_however_many(server, api):
    assert api.get(FLUNDERS, **{f"p{number}": "" for number in range(1000)}).status == 200


@pytest.mark.parametrize(
    "selector",
    [
        "n=" + "x" * 6000,
        "n in (",
        "!!n",
        "n=7=8",
        "n>x",
        "(((",
        "=",
        "!",
        ",,,",
        "\0",
        "é=é",
        "a/b/c=d",
    ],
)
def test_label_selectors_that_cannot_be_read_are_refused(server, api, selector):
    for options in ({}, {"watch": "1"}):
        answer = api.get(FLUNDERS, labelSelector=selector, **options)
        assert (answer.status, answer.reason) == (400, "BadRequest")


@pytest.mark.parametrize("operator", [">", "<"])
def test_a_bound_of_thousands_of_digits_fails_nothing(server, api, operator):
    assert api.get(FLUNDERS, labelSelector=f"n{operator}{DIGITS}").status in {200, 400}


def test_a_selector_of_hundreds_of_requirements_is_answered(server, api):
    selector = ",".join(f"k{number}!=v" for number in range(400))

    assert len(api.get(FLUNDERS, labelSelector=selector).document["items"]) == 3


@pytest.mark.parametrize(
    "forged",
    [
        "x",
        "AAAA",
        "e30",
        "=====",
        "é",
        "a" * 3000,
        token(rv=1 << 63),
        token(rv=1 << 70),
        token(rv=-2),
        token(rv=0),
        token(rv=1.5),
        token(rv="1"),
        token(rv=1, start="../../secrets/a\0"),
        token(rv=1, start="other-namespace/a\0"),
        token(rv=1, start="\ud800\0"),
        token(rv=1, start="a"),
        token(rv=1, start="\0"),
        token(rv=1, v="meta.k8s.io/v2"),
        token(rv=1, remaining=-1),
        token(rv=1, remaining=1 << 63),
        token(rv=1, remaining="1"),
    ],
)
def test_forged_continue_tokens_are_refused(server, api, forged):
    answer = api.get(FLUNDERS, **{"continue": forged, "limit": 1})

    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.message.startswith("invalid continue token: ")


def test_a_continue_token_of_the_future_makes_no_list_claim_to_be_of_the_future(server, api):
    answer = api.get(FLUNDERS, **{"continue": token(rv=1 << 60), "limit": 1})

    assert (answer.status, answer.reason) == (504, "Timeout")
    assert answer.message.startswith(f"Timeout: Too large resource version: {1 << 60}, current: ")


def test_a_continue_token_of_another_kind_reaches_nothing_but_what_is_asked_for(server, api):
    page = api.get(FLUNDERS, limit=1).document
    fischers = api.get(f"{WARDLE}/fischers", **{"continue": page["metadata"]["continue"], "limit": 1})

    assert fischers.status in {200, 400}
    assert all(item["kind"] == "Fischer" for item in fischers.document.get("items", []))
