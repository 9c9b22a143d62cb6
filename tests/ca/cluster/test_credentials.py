"""Whose a token is: each check by itself, and that nothing odd gets past them."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.cluster.credentials import MAXIMUM_TOKEN, pod_credential, read_review, review_document, verify_form
from ca.cluster.faults import NoAnswer, Refusal
from tests.ca.cluster.api_server import AUDIENCE, EXTRA, BoundToken, part

TOKEN = BoundToken()
NOW = 1_900_000_000


def judged(status=None, token=None, *, now=None, claims=None):
    text = token or (f"{part({})}.{part(claims)}.c2ln" if claims is not None else TOKEN.text())
    answer = json.dumps({"kind": "TokenReview", "status": TOKEN.status() if status is None else status}).encode()
    exp = json.loads(_payload(TOKEN.text()))["exp"]
    return pod_credential(read_review(answer), text, audience=AUDIENCE, now=exp - 3600 if now is None else now)


def _payload(text):
    import base64

    payload = text.split(".")[1]
    return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))


def changed(*path, to):
    status = copy.deepcopy(TOKEN.status())
    place = status
    for key in path[:-1]:
        place = place[key]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return status


def test_token_of_a_pod_is_that_pods():
    pod = judged()

    assert (pod.namespace, pod.service_account, pod.pod_name) == ("shop", "cart", TOKEN.pod_name)
    assert (pod.pod_uid, pod.node_name, pod.credential_id) == (TOKEN.pod_uid, "node-1", f"JTI={TOKEN.jti}")


def test_audience_is_asked_for():
    assert review_document("t", AUDIENCE)["spec"] == {"token": "t", "audiences": [AUDIENCE]}


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("authenticated",), False, "does not know"),
        (("authenticated",), ..., "does not know"),
        (("audiences",), [], "not for audience"),
        (("audiences",), None, "not for audience"),
        (("audiences",), ..., "not for audience"),
        (("audiences",), ["https://kubernetes.default.svc"], "not for audience"),
        (("user", "username"), "alice", "no service account"),
        (("user", "username"), "system:node:node-1", "no service account"),
        (("user", "username"), "system:serviceaccount:shop", "no service account"),
        (("user", "username"), "system:serviceaccount:shop:cart:x", "no service account"),
        (("user", "username"), "system:serviceaccount:shop:../admin", "no service account"),
        (("user", "username"), "system:serviceaccount:Shop:cart", "no service account"),
        (("user", "username"), "system:serviceaccount:shop:cart\n", "no service account"),
        (("user", "username"), f"system:serviceaccount:shop:{'a' * 254}", "no service account"),
        (("user", "groups"), [], "not in the groups"),
        (("user", "groups"), None, "not in the groups"),
        (("user", "groups"), ["system:serviceaccounts", "system:serviceaccounts:other"], "not in the groups"),
        (("user", "extra"), None, "no credential-id"),
        (("user", "extra", f"{EXTRA}pod-name"), ..., "no pod-name"),
        (("user", "extra", f"{EXTRA}pod-name"), ["a", "b"], "no pod-name"),
        (("user", "extra", f"{EXTRA}pod-name"), ["../secrets/x"], "no pod-name"),
        (("user", "extra", f"{EXTRA}pod-uid"), ..., "no pod-uid"),
        (("user", "extra", f"{EXTRA}pod-uid"), [""], "no pod-uid"),
        (("user", "extra", f"{EXTRA}node-name"), ..., "no node-name"),
        (("user", "extra", f"{EXTRA}node-name"), None, "no node-name"),
        (("user", "extra", f"{EXTRA}credential-id"), ..., "no credential-id"),
        (("user", "extra", f"{EXTRA}credential-id"), ["X509SHA256=0123456789abcdef0123"], "no credential-id"),
        (("user", "extra", f"{EXTRA}credential-id"), ["JTI=0123456789abcdef0123"], "another token"),
    ],
)
def test_review_that_says_less_is_refused(path, value, why):
    with pytest.raises(Refusal, match=why):
        judged(changed(*path, to=value))


@pytest.mark.parametrize(
    "audiences", [["chancery.dev", "vault"], ["vault", "chancery.dev"], ["chancery.dev"] * 2, ["vault"], "vault", []]
)
def test_token_for_another_audience_as_well_is_refused(audiences):
    with pytest.raises(Refusal, match="other audiences"):
        judged(claims={"aud": audiences, "exp": NOW, "jti": TOKEN.jti}, now=NOW - 60)


def test_audience_may_be_written_without_a_list():
    assert judged(claims={"aud": AUDIENCE, "exp": NOW, "jti": TOKEN.jti}, now=NOW - 60).expires_at == NOW


@pytest.mark.parametrize("exp", [NOW - 300, 0, -1, 1 << 40])
def test_token_that_ended_long_ago_or_never_ends_is_refused(exp):
    with pytest.raises(Refusal, match="expired"):
        judged(claims={"aud": [AUDIENCE], "exp": exp, "jti": TOKEN.jti}, now=NOW)


@pytest.mark.parametrize(
    "claims", [{}, [], {"aud": [AUDIENCE], "exp": "1", "jti": "x"}, {"aud": 7, "exp": NOW, "jti": "x"}]
)
def test_claims_that_cannot_be_read_are_refused(claims):
    with pytest.raises(Refusal, match="claims"):
        judged(claims=claims)


@pytest.mark.parametrize(
    "text", ["", "a", "a.b", "a.b.c.d", "a.b.c\n", "ä.b.c", "chancery1.a.b.c", "a." * MAXIMUM_TOKEN, "a b.c.d"]
)
def test_what_is_no_token_is_refused_unasked(text):
    with pytest.raises(Refusal):
        verify_form(text)


def test_token_longer_than_any_is_refused_unasked():
    with pytest.raises(Refusal, match="16385 characters"):
        verify_form("a.b." + "c" * (MAXIMUM_TOKEN - 3))


def test_text_of_a_refusal_repeats_no_token():
    text = TOKEN.text()

    with pytest.raises(Refusal) as refused:
        judged({"authenticated": False, "error": f"bad token {text}"}, text)

    assert text not in str(refused.value)
    assert "bad token …" in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"{}", b'{"kind":"TokenReview"}', b'{"kind":"Status","status":{}}', b"\xff",
     b'{"kind":"TokenReview","status":{"authenticated":"yes"}}', b'{"kind":"TokenReview","status":{"user":[]}}'],
)  # fmt: skip
def test_nonsense_is_no_answer(answer):
    with pytest.raises(NoAnswer):
        read_review(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(path=st.sampled_from([("user",), ("audiences",), ("user", "extra"), ("user", "groups")]), value=JSON)
def test_whatever_stands_in_a_place_nothing_but_a_refusal_comes_of_it(path, value):
    try:
        pod = judged(changed(*path, to=value))
    except (Refusal, NoAnswer):
        return
    assert pod == judged()
