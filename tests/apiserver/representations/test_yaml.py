"""YAML out and in: nothing changes its type on the way."""

import json

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import BadRequest
from apiserver.representations.yaml import encode_yaml, yaml_as_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TRICKY = [
    "yes", "No", "on", "y", "n", "null", "~", "", " ", "1", "0x1", "0o7", "0777", "1e3", "1_000",
    "1:30", "2001-01-01", ".5", ".inf",
    "=", "<<", "- a", "a: b", "# c", "!tag", "&a", "*a",
    "a\nb", "a\n", "\n", " a", "a ", "\t", "\u0085", "\u2028", "é", "'", '"', "{", "%",
    "|", ">", "@", "`", "a\r\nb", "2001-01-01T00:00:00Z", "+1", "-", "?", "true", "12e03", "1__0", "0b1", "\x7f", "\ufeff",
]  # fmt: skip


@given(VALUES)
def test_what_goes_out_comes_in_again(value):
    octets = orjson.dumps(value)

    assert orjson.loads(yaml_as_json(encode_yaml(octets))) == orjson.loads(octets)


@pytest.mark.parametrize("text", TRICKY)
def test_texts_stay_texts_for_other_readers_too(text):
    document = encode_yaml(json.dumps({"a": text, text: 1}).encode())

    assert yaml.safe_load(document) == {"a": text, text: 1}


def test_order_of_fields_is_kept():
    assert encode_yaml(b'{"kind":"K","apiVersion":"v1","metadata":{"name":"a"}}').startswith(
        b"kind: K\napiVersion: v1\n"
    )


@pytest.mark.parametrize(
    "octets",
    [
        b"a: &x [1]\nb: *x\n",
        b"a: &a [x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (98 + i, 98 + i, 97 + i, 97 + i) for i in range(20)),
        b"!!python/object/apply:os.system ['true']",
        b"1: a",
        b"? [a]\n: b",
        b"a: b: c",
        b"\xff",
        b"a: !custom b",
        b"[" * 5000,
        b"--- a\n--- b",
    ],
)
def test_dangerous_and_broken_documents_are_refused(octets):
    with pytest.raises(BadRequest, match="error decoding YAML"):
        yaml_as_json(octets)


def test_times_stay_texts():
    assert orjson.loads(yaml_as_json(b"a: 2001-01-01\nb: 2001-01-01T00:00:00Z")) == {
        "a": "2001-01-01",
        "b": "2001-01-01T00:00:00Z",
    }


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_octets_are_read_or_refused(octets):
    try:
        orjson.loads(yaml_as_json(octets))
    except BadRequest:
        return


@pytest.mark.parametrize("octets", [b"[" * 100_000, b"a: " + b"{a: " * 300 + b"}" * 300], ids=["truncated", "whole"])
def test_deep_nesting_is_refused_before_anything_recurses(octets):
    with pytest.raises(BadRequest, match="nested more than 200 levels deep"):
        yaml_as_json(octets)


@pytest.mark.parametrize(
    ("text", "value"), [("y", True), ("Y", True), ("n", False), ("N", False), ("'y'", "y"), ("yy", "yy")]
)
def test_y_and_n_are_booleans_as_kube_apiserver_reads_them(text, value):
    assert orjson.loads(yaml_as_json(f"a: {text}\n".encode())) == {"a": value}
