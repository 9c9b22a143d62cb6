"""Whose a service-account token is: what a TokenReview and the token itself must say (authentication.k8s.io/v1).

- Pure: documents in, a pod's credential out. Nothing of a token is believed before the cluster has vouched for it.
- Every check fails closed: what is missing, double or of an odd form is refused.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

import msgspec

from ca.cluster.faults import NoAnswer, Refusal, RefusalReason
from ca.cluster.object_names import LABEL, NAME, SUBDOMAIN, UID
from ca.orders import PodCredential
from serving.records import read_by_threads

MAXIMUM_TOKEN = 16 << 10
"""Characters; those of a cluster have 1 to 2 thousand."""
CLOCK_SKEW_SECONDS = 300
"""By how much the cluster's clock may be behind ours."""

_EXTRA = "authentication.kubernetes.io/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_USERNAME = re.compile(rf"system:serviceaccount:({LABEL}):({SUBDOMAIN})", re.ASCII)
_CREDENTIAL = re.compile(r"JTI=[A-Za-z0-9-]{16,64}", re.ASCII)
_LATEST = 1 << 40


class _User(msgspec.Struct):
    username: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None


class ReviewStatus(msgspec.Struct):
    """Go leaves out what is false or empty, and may write null for a list."""

    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] | None = None
    error: str = ""


@read_by_threads
class _Review(msgspec.Struct):
    kind: str
    status: ReviewStatus


@read_by_threads
class _Claims(msgspec.Struct):
    aud: str | list[str]
    exp: int
    jti: str


def verify_form(token: str) -> None:
    """Step 1: so that the cluster is asked about nothing that cannot be a token. Raises Refusal."""
    if len(token) > MAXIMUM_TOKEN:
        raise Refusal(
            RefusalReason.TOKEN_MALFORMED, f"the token has {len(token)} characters, more than {MAXIMUM_TOKEN}"
        )
    if not _TOKEN.fullmatch(token):
        raise Refusal(RefusalReason.TOKEN_MALFORMED, "this is no JSON Web Token")


def review_document(token: str, audience: str) -> Mapping[str, object]:
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    }


def read_review(answer: bytes) -> ReviewStatus:
    """Raises NoAnswer."""
    try:
        review = msgspec.json.decode(answer, type=_Review)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise NoAnswer(f"the cluster's answer is no TokenReview: {err}", again=True) from err
    if review.kind != "TokenReview":
        raise NoAnswer("the cluster's answer is of another kind than TokenReview", again=True)
    return review.status


def pod_credential(status: ReviewStatus, token: str, *, audience: str, now: int) -> PodCredential:
    """Steps 3 to 5. Raises Refusal."""
    if not status.authenticated:  # 3: the cluster vouches for it, for us and for nobody else
        raise Refusal(
            RefusalReason.TOKEN_UNKNOWN,
            f"the cluster does not know the token: {_without(token, status.error) or 'no reason given'}",
        )
    if audience not in (status.audiences or ()):
        raise Refusal(RefusalReason.TOKEN_OF_ANOTHER_AUDIENCE, f"the token is not for audience {audience!r}")
    claims = _claims(token)
    if claims.aud not in (audience, [audience]):
        raise Refusal(
            RefusalReason.TOKEN_OF_ANOTHER_AUDIENCE,
            "the token is for other audiences, too: whoever it is shown to could enroll with it",
        )
    if not now - CLOCK_SKEW_SECONDS < claims.exp < _LATEST:
        raise Refusal(RefusalReason.TOKEN_EXPIRED, "the token has expired by this server's clock, or never does")
    namespace, service_account = _service_account(status.user)  # 4
    extra = status.user.extra or {}  # 5: bound to a pod on a node, and to be told from every other token
    credential_id = _single(extra, "credential-id", _CREDENTIAL)
    if credential_id != f"JTI={claims.jti}":
        raise Refusal(RefusalReason.TOKEN_UNKNOWN, "the cluster speaks of another token than the one that was shown")
    return PodCredential(
        namespace=namespace,
        service_account=service_account,
        pod_name=_single(extra, "pod-name", NAME),
        pod_uid=_single(extra, "pod-uid", UID),
        node_name=_single(extra, "node-name", NAME),
        credential_id=credential_id,
        expires_at=claims.exp,
    )


def _claims(token: str) -> _Claims:
    """Read without verifying: the cluster has verified it just now."""
    payload = token.split(".")[1]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as err:
        raise Refusal(RefusalReason.TOKEN_MALFORMED, "the token's claims cannot be read") from err


def _service_account(user: _User) -> tuple[str, str]:
    match = _USERNAME.fullmatch(user.username)
    if match is None:
        raise Refusal(RefusalReason.TOKEN_NOT_OF_A_POD, f"user {user.username[:256]!r} is no service account")
    namespace, service_account = match[1], match[2]
    if not {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"} <= set(user.groups or ()):
        raise Refusal(
            RefusalReason.TOKEN_NOT_OF_A_POD, f"user {user.username!r} is not in the groups of service accounts"
        )
    return namespace, service_account


def _single(extra: Mapping[str, Sequence[str] | None], name: str, form: re.Pattern[str]) -> str:
    values = extra.get(_EXTRA + name) or ()
    if len(values) != 1 or not form.fullmatch(values[0]):
        raise Refusal(
            RefusalReason.TOKEN_NOT_OF_A_POD,
            f"the token has no {name}, or an odd one; it must be bound to a pod that is on a node",
        )
    return values[0]


def _without(token: str, text: str) -> str:
    """An authenticator may repeat what it was shown."""
    return text.replace(token, "…")[:200]
