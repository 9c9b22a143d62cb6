"""What is read of a field that anybody may have written."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.trust.contents import LONGEST, Contents, kept
from tests.kube.trust.made_roots import pem_of, roots_of

_TWO = pem_of("a") + pem_of("b")


@pytest.mark.parametrize(
    "pem", [_TWO, _TWO.replace(b"\n", b"\r\n"), b"# two\n" + _TWO, pem_of("b") + pem_of("a") + pem_of("b")]
)
def test_bundle_is_what_it_holds_and_not_how_it_is_written(pem):
    assert Contents.from_text(pem.decode()).fingerprints == roots_of("a", "b").fingerprints
    assert Contents.from_base64(base64.b64encode(pem).decode()).fingerprints == roots_of("a", "b").fingerprints


def test_first_end_counts():
    assert Contents.from_text((pem_of("a") + pem_of("soon", days=3)).decode()).not_after.day == 24


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_nothing_is_not_garbage(nothing):
    assert Contents.from_text(nothing) == Contents()


@pytest.mark.parametrize("octets", ["====", "Z2FyYmFnZQ==", "/////w==", "é", 7, ["x"], {"pem": "x"}, True])
def test_garbage_is_told_from_nothing(octets):
    assert Contents.from_base64(octets) == Contents(is_garbage=True)


def test_what_is_too_long_is_garbage_and_is_not_kept():
    long = pem_of("a").decode() + "#" * LONGEST

    assert Contents.from_text(long) == Contents.from_base64(long) == Contents(is_garbage=True)
    assert Contents.from_text(kept(long)) == Contents(is_garbage=True)
    assert len(kept(long)) < 100
    assert kept(pem_of("a").decode()) == pem_of("a").decode()
    assert (kept(None), Contents.from_text(kept(None))) == (None, Contents())
    assert Contents.from_text(kept({"pem": "x"})).is_garbage


def test_thousands_of_certificates_are_garbage():
    assert Contents.from_text((pem_of("a") * 3000).decode()).is_garbage


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    assert not Contents.from_text(text).fingerprints
    assert not Contents.from_base64(text).fingerprints
