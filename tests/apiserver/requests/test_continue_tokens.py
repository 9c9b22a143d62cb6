"""Continue tokens: round trip, kube-apiserver's form, and no way to reach more with a forged one."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import BadRequest
from apiserver.requests.continue_tokens import PRESENT, ContinueToken

NAME = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


def encoded(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@given(
    st.integers(min_value=1, max_value=1 << 62) | st.just(PRESENT),
    NAME,
    NAME,
    st.none() | st.integers(min_value=0, max_value=1 << 62),
    st.booleans(),
)
def test_token_comes_back_as_it_went(revision, namespace, name, remaining, in_namespace):
    token = ContinueToken(revision=revision, after=(namespace, name), remaining=remaining)
    of_list = namespace if in_namespace else ""

    assert ContinueToken.decode(token.encode(namespace=of_list), namespace=of_list) == token


def test_form_is_that_of_kube_apiserver():
    text = ContinueToken(revision=345, after=("default", "a")).encode(namespace="default")

    document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    assert document == {"v": "meta.k8s.io/v1", "rv": 345, "start": "a\0"}
    assert "=" not in text


@pytest.mark.parametrize(
    "text",
    [
        "garbage!",
        "e30",
        encoded([]),
        encoded({"v": "v0", "rv": 1, "start": "a\0"}),
        encoded({"v": "meta.k8s.io/v1", "rv": 0, "start": "a\0"}),
        encoded({"v": "meta.k8s.io/v1", "rv": -2, "start": "a\0"}),
        encoded({"v": "meta.k8s.io/v1", "rv": 1, "start": ""}),
        encoded({"v": "meta.k8s.io/v1", "rv": 1, "start": "a"}),
        encoded({"v": "meta.k8s.io/v1", "rv": 1, "start": "../../a\0"}),
        encoded({"v": "meta.k8s.io/v1", "rv": 1, "start": "other/a\0"}),
        encoded({"v": "meta.k8s.io/v1", "rv": 1, "start": "a\0", "remaining": -1}),
        "A" * 5000,
    ],
)
def test_garbage_is_refused(text):
    with pytest.raises(BadRequest, match="invalid continue token: "):
        ContinueToken.decode(text, namespace="default")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda octets: base64.urlsafe_b64encode(octets).decode()))
def test_any_text_is_read_or_refused(text):
    try:
        token = ContinueToken.decode(text, namespace="default")
    except BadRequest:
        return

    assert token.after[0] == "default"
